use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;
use lobby_client::files::secret_in;

use crate::sys::files;

/// Greatest size of a secret file, in bytes.
const MAX_LEN: usize = 64 * 1024;

/// A text that never shows: it prints as `***`. One that came from a file can be read again while
/// the daemon runs.
///
/// Clones share the text: when one is reloaded, all are.
#[derive(Clone)]
pub struct Secret {
    text: Arc<RwLock<Arc<str>>>,
    file: Option<SecretFile>,
}

/// Where a secret came from.
#[derive(Clone)]
struct SecretFile {
    setting: &'static str,
    path: PathBuf,
    /// Refuses a text that is of no use as this secret.
    parse: fn(&str) -> Result<String, String>,
}

impl Secret {
    /// A secret that was given as it stands.
    pub fn fixed(text: &str) -> Self {
        Self { text: Arc::new(RwLock::new(Arc::from(text))), file: None }
    }

    /// A secret kept in a file that a setting names, less the newline at its end.
    ///
    /// # Errors
    /// When the file cannot be read or holds nothing; the message names the file.
    pub fn from_file(setting: &'static str, path: &Path) -> anyhow::Result<Self> {
        let text = Arc::new(RwLock::new(read(path)?));
        Ok(Self {
            text,
            file: Some(SecretFile {
                setting,
                path: path.to_owned(),
                parse: |text| Ok(text.to_owned()),
            }),
        })
    }

    /// The same secret, whose text must be valid, also when it is read again.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn checked(
        mut self,
        parse: fn(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        parse(&self.expose())?;
        if let Some(file) = &mut self.file {
            file.parse = parse;
        }
        Ok(self)
    }

    /// The text itself.
    pub fn expose(&self) -> Arc<str> {
        Arc::clone(&self.text.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again, if there is one, and says whether the text is another now.
    ///
    /// # Errors
    /// When the file cannot be read, or holds nothing or something invalid; the secret then stays
    /// as it was. The message names the setting.
    pub fn reload(&self) -> anyhow::Result<bool> {
        let Some(SecretFile { setting, path, parse }) = &self.file else { return Ok(false) };
        let fresh = read(path).context(*setting)?;
        parse(&fresh).map_err(anyhow::Error::msg).context(*setting)?;
        let mut text = self.text.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *text != fresh;
        *text = fresh;
        Ok(changed)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn read(path: &Path) -> anyhow::Result<Arc<str>> {
    let cannot_read = || format!("cannot read secret file {}", path.display());
    let bytes = files::read_bounded(path, MAX_LEN).with_context(cannot_read)?;
    let text = str::from_utf8(&bytes).with_context(cannot_read)?;
    let text = secret_in(text);
    anyhow::ensure!(!text.is_empty(), "secret file {} is empty", path.display());
    Ok(Arc::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_with(text: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_secret_prints_as_stars() {
        assert_eq!(format!("{:?}", Secret::fixed("hush")), "***");
    }

    #[test]
    fn neither_a_mark_nor_the_last_newline_is_part_of_the_secret() {
        for (text, secret) in [
            ("hush\n", "hush"),
            ("hush\r\n", "hush"),
            ("\u{feff}hush\n", "hush"),
            ("hush", "hush"),
            (" hu\nsh \n\n", " hu\nsh \n"),
        ] {
            let file = file_with(text.as_bytes());
            assert_eq!(&*Secret::from_file("TOKEN_FILE", file.path()).unwrap().expose(), secret);
        }
    }

    #[test]
    fn a_missing_empty_or_binary_file_is_an_error_that_names_it() {
        let (newline, binary) = (file_with(b"\n"), file_with(b"hush\xff"));
        for path in [newline.path(), binary.path(), Path::new("/nowhere/secret")] {
            let error = format!("{:#}", Secret::from_file("TOKEN_FILE", path).unwrap_err());
            assert!(
                error.contains(&path.display().to_string()) && !error.contains("hush"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_fifo_or_a_file_too_large_is_an_error_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let (fifo, large) = (directory.path().join("fifo"), file_with(&[b'x'; MAX_LEN + 1]));
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        for (path, reason) in [(fifo.as_path(), "FIFO"), (large.path(), "larger than 65536 bytes")]
        {
            let error = format!("{:#}", Secret::from_file("TOKEN_FILE", path).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_reload_reaches_every_clone_and_tells_of_a_change() {
        let file = file_with(b"old\n");
        let secret = Secret::from_file("TOKEN_FILE", file.path()).unwrap();
        let clone = secret.clone();
        assert!(!secret.reload().unwrap());
        std::fs::write(file.path(), "new\n").unwrap();
        assert!(secret.reload().unwrap());
        assert_eq!(&*clone.expose(), "new");
    }

    #[test]
    fn a_reload_that_fails_leaves_the_secret_as_it_was() {
        let file = file_with(b"old");
        let secret = Secret::from_file("TOKEN_FILE", file.path()).unwrap();
        std::fs::write(file.path(), "").unwrap();
        assert!(secret.reload().is_err());
        assert_eq!(&*secret.expose(), "old");
    }

    #[test]
    fn a_reload_that_brings_an_invalid_secret_leaves_it_as_it_was() {
        let file = file_with(b"old");
        let never_new =
            |text: &str| if text == "new" { Err("is new".to_owned()) } else { Ok(text.to_owned()) };
        let secret =
            Secret::from_file("TOKEN_FILE", file.path()).unwrap().checked(never_new).unwrap();
        std::fs::write(file.path(), "new").unwrap();
        assert_eq!(format!("{:#}", secret.reload().unwrap_err()), "TOKEN_FILE: is new");
        assert_eq!(&*secret.expose(), "old");
    }

    #[test]
    fn a_secret_that_came_from_no_file_stays() {
        let secret = Secret::fixed("hush");
        assert!(!secret.reload().unwrap());
        assert_eq!(&*secret.expose(), "hush");
    }
}
