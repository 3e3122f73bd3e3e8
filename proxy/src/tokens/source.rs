//! Where key sets come from: a URL, asked by the one HTTP client, or a file of this machine.

use super::keys::KEY_SET_BYTES_MAX;
use super::store::{KeySource, KeySourceError};
use crate::directory::client::HttpClient;
use crate::directory::core;
use async_trait::async_trait;
use bytes::Bytes;
use http::Uri;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// A key set that its issuer publishes.
#[derive(Debug)]
pub struct JwksUrl {
    pub client: HttpClient,
    pub url: Uri,
    pub deadline: Duration,
}

#[async_trait]
impl KeySource for JwksUrl {
    async fn fetch(&self) -> Result<Bytes, KeySourceError> {
        core::get(&self.client, &self.url, self.deadline)
            .await
            .map_err(|error| KeySourceError(format!("{}: {error}", self.url)))
    }
}

/// A file, read again each time.
#[derive(Debug)]
pub struct KeyFile {
    pub path: PathBuf,
    /// It holds a secret: nobody but its owner may have a right to it.
    pub private: bool,
}

impl KeyFile {
    /// Reads the file.
    ///
    /// # Errors
    /// A file that cannot be read, is too large, or is open to others although it is private.
    pub fn read(&self) -> Result<Bytes, KeySourceError> {
        let wrong = |message: String| KeySourceError(format!("{}: {message}", self.path.display()));
        let mut file = std::fs::File::open(&self.path).map_err(|error| wrong(error.to_string()))?;
        if self.private {
            check_private(&file).map_err(wrong)?;
        }
        let mut bytes = Vec::new();
        // One byte more than may be there shows that there are more.
        let limit = u64::try_from(KEY_SET_BYTES_MAX + 1).unwrap_or(u64::MAX);
        Read::by_ref(&mut file)
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(bytes.into())
    }
}

/// Refuses a file that its group or others have any right to. The open file is asked, not its name.
fn check_private(file: &std::fs::File) -> Result<(), String> {
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(format!(
            "its mode is {mode:04o}; a secret must be 0600, for its owner alone"
        ))
    }
}

#[async_trait]
impl KeySource for KeyFile {
    async fn fetch(&self) -> Result<Bytes, KeySourceError> {
        self.read()
    }
}
