//! The certificate that the public listener shows: read from two files, and read again when they change.
//!
//! A file that cannot be used leaves the last good certificate in place and says so. It is never shown half.

use arc_swap::ArcSwap;
use metrics::counter;
use pingora::tls::sign::CertifiedKey;
use pingora::tls::{
    ClientHello, CryptoProvider, ResolvesServerCert, install_default_crypto_provider, load_certs_and_key_files,
};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

/// Where certificate chain and key lie, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: others than its owner may read this key: chmod 600", .0.display())]
    Permissions(PathBuf),
    #[error("{} and {} hold no certificate and key in PEM", .0.display(), .1.display())]
    Empty(PathBuf, PathBuf),
    #[error("{} and {}: {reason}", files.cert.display(), files.key.display())]
    Unusable { files: TlsFiles, reason: String },
}

/// What tells that a file has changed.
type Stamp = [(u64, i64, i64, u64); 2];

/// The certificate in use.
#[derive(Debug)]
pub struct Certificates {
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
    /// Of the files when they were last read, well or not.
    seen: Mutex<Option<Stamp>>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let stamp = stamp(&files)?;
        let current = read(&files)?;
        Ok(Self {
            files,
            current: ArcSwap::from_pointee(current),
            seen: Mutex::new(Some(stamp)),
        })
    }

    /// Looks whether the files have changed, and reads them again if so. Tells what came of it; the last good certificate
    /// stays where they cannot be used.
    ///
    /// # Errors
    /// What is wrong with the files; told once for each change.
    pub fn poll_once(&self) -> Result<bool, TlsError> {
        let now = stamp(&self.files);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let stamp = now.as_ref().ok().copied();
            if *seen == stamp {
                return Ok(false);
            }
            *seen = stamp;
        }
        match now.and_then(|_| read(&self.files)) {
            Ok(fresh) => {
                self.current.store(Arc::new(fresh));
                counter!("igny8_certificate_reloads_total", "outcome" => "ok").increment(1);
                tracing::info!(cert = %self.files.cert.display(), "a new certificate is in use");
                Ok(true)
            }
            Err(error) => {
                counter!("igny8_certificate_reloads_total", "outcome" => "failed").increment(1);
                tracing::error!(%error, "certificate not read; the last good one stays");
                Err(error)
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn stamp(files: &TlsFiles) -> Result<Stamp, TlsError> {
    let of = |path: &Path| {
        let data = std::fs::metadata(path).map_err(|source| TlsError::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok((data.ino(), data.mtime(), data.mtime_nsec(), data.len()))
    };
    Ok([of(&files.cert)?, of(&files.key)?])
}

/// Reads a certificate and its key, and makes sure that they belong together.
fn read(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let key = std::fs::metadata(&files.key).map_err(|source| TlsError::Read {
        path: files.key.clone(),
        source,
    })?;
    if key.mode() & 0o077 != 0 {
        return Err(TlsError::Permissions(files.key.clone()));
    }
    let unusable = |reason: String| TlsError::Unusable {
        files: files.clone(),
        reason,
    };
    let (cert_path, key_path) = (files.cert.to_string_lossy(), files.key.to_string_lossy());
    let (chain, key) = load_certs_and_key_files(&cert_path, &key_path)
        .map_err(|error| unusable(error.to_string()))?
        .ok_or_else(|| TlsError::Empty(files.cert.clone(), files.key.clone()))?;
    install_default_crypto_provider();
    let provider = CryptoProvider::get_default().ok_or_else(|| unusable("no cryptography".to_owned()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| unusable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    fn make(folder: &Path, name: &str) -> TlsFiles {
        let files = TlsFiles {
            cert: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(["-days", "2", "-subj", "/CN=localhost", "-keyout"])
            .arg(&files.key)
            .arg("-out")
            .arg(&files.cert)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        set_mode(&files.key, 0o600);
        files
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn shown(certificates: &Certificates) -> Vec<u8> {
        certificates.current.load().cert[0].to_vec()
    }

    #[test]
    fn a_changed_certificate_is_taken_and_a_bad_one_keeps_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let files = make(folder.path(), "a");
        let other = make(folder.path(), "b");
        let certificates = Certificates::open(files.clone()).unwrap();
        let first = shown(&certificates);
        assert!(!certificates.poll_once().unwrap(), "nothing has changed");

        // Half of a change is not a change yet.
        std::fs::rename(&other.cert, &files.cert).unwrap();
        assert!(certificates.poll_once().is_err());
        assert_eq!(shown(&certificates), first);
        assert!(!certificates.poll_once().unwrap(), "the same fault is told again");
        std::fs::rename(&other.key, &files.key).unwrap();
        assert!(certificates.poll_once().unwrap());
        let second = shown(&certificates);
        assert_ne!(second, first);

        for wrong in [
            "",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "no PEM",
        ] {
            std::fs::write(&files.cert, wrong).unwrap();
            assert!(certificates.poll_once().is_err(), "{wrong}");
            assert_eq!(shown(&certificates), second);
        }
        std::fs::remove_file(&files.cert).unwrap();
        assert!(certificates.poll_once().is_err());
        assert_eq!(shown(&certificates), second);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = make(folder.path(), "a");
        for mode in [0o640, 0o604, 0o660] {
            set_mode(&files.key, mode);
            let refused = Certificates::open(files.clone()).unwrap_err();
            assert!(matches!(refused, TlsError::Permissions(_)), "{refused}");
        }
    }
}
