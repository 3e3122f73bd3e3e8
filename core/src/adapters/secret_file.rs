//! Files that hold a secret: 0600, in folders of 0700, written whole or not at all.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use igny8_contract::random::Random;
use secrecy::SecretString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The fewest characters of a token that proxies prove themselves with.
const TOKEN_MIN_CHARACTERS: usize = 16;

/// Writes `bytes` to a new file at `path`, in one step for whoever reads it. Makes the folder where it is missing.
///
/// # Errors
/// What the file system says; `AlreadyExists` where there is a file at `path`.
pub fn write_new(path: &Path, bytes: &[u8], random: &dyn Random) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut unique = [0_u8; 8];
    random.fill(&mut unique);
    let part = folder.join(format!(".{}.part", URL_SAFE_NO_PAD.encode(unique)));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    // A hard link, unlike a rename, refuses to replace what another process has just written.
    let placed = written.and_then(|()| fs::hard_link(&part, path));
    fs::remove_file(&part)?;
    placed
}

/// The token of the file at `path`; a new one is written there where there is none.
///
/// # Errors
/// What the file system says; `InvalidData` for a file that holds no token.
pub fn read_or_make_token(path: &Path, random: &dyn Random) -> io::Result<SecretString> {
    if !path.exists() {
        let mut bytes = [0_u8; 32];
        random.fill(&mut bytes);
        match write_new(path, URL_SAFE_NO_PAD.encode(bytes).as_bytes(), random) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let token = fs::read_to_string(path)?.trim().to_owned();
    if !is_token(&token) {
        return Err(no_token());
    }
    Ok(token.into())
}

/// The secrets that an operator has written into the file at `path`, one a line. Whoever else could read it would know
/// them, too: only its owner may.
///
/// # Errors
/// What the file system says; `PermissionDenied` for a file that is open to others; `InvalidData` for one without a
/// secret, or with a line that is none.
pub fn read_lines(path: &Path) -> io::Result<Vec<SecretString>> {
    let mut file = fs::File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        let sentence = "is open to others than its owner: chmod 600 it";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, sentence));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() || !lines.iter().all(|line| is_token(line)) {
        return Err(no_token());
    }
    Ok(lines.into_iter().map(SecretString::from).collect())
}

fn is_token(text: &str) -> bool {
    text.len() >= TOKEN_MIN_CHARACTERS && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn no_token() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "holds no token of 16 or more printable characters",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::random::OsRandom;
    use secrecy::ExposeSecret;

    #[test]
    fn a_token_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets/token");
        let first = read_or_make_token(&path, &OsRandom).unwrap();
        let second = read_or_make_token(&path, &OsRandom).unwrap();
        assert_eq!(first.expose_secret(), second.expose_secret());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no part file stays behind"
        );
    }

    #[test]
    fn an_empty_or_short_token_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for text in ["", "\n", "short", "with a space in the middle"] {
            fs::write(&path, text).unwrap();
            assert!(read_or_make_token(&path, &OsRandom).is_err(), "{text:?}");
        }
    }

    #[test]
    fn secrets_are_read_line_by_line_from_a_file_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        let written = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            read_lines(&path)
        };
        let secrets = written("whsec_0123456789\n\n  whsec_abcdefghij \n", 0o600).unwrap();
        let shown: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(shown, ["whsec_0123456789", "whsec_abcdefghij"]);
        assert_eq!(written("whsec_0123456789", 0o400).unwrap().len(), 1);
        for mode in [0o640, 0o604, 0o644, 0o601] {
            let error = written("whsec_0123456789", mode).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{mode:o}");
        }
        for text in ["", "\n \n", "short", "whsec_0123456789\nshort", "whsec 0123456789 x"] {
            let error = written(text, 0o600).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text:?}");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(read_lines(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_there_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_new(&path, b"one", &OsRandom).unwrap();
        assert_eq!(
            write_new(&path, b"two", &OsRandom).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }
}
