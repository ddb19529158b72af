use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;

/// A text that never shows: it prints as `***`. One that came from a file can be read again while the daemon runs.
///
/// Clones share the text: when one is reloaded, all are.
#[derive(Clone)]
pub struct Secret {
    text: Arc<RwLock<Arc<str>>>,
    file: Option<PathBuf>,
}

impl Secret {
    /// A secret that was given as it stands.
    pub fn fixed(text: &str) -> Self {
        Self { text: Arc::new(RwLock::new(Arc::from(text))), file: None }
    }

    /// A secret kept in a file, less the newline at its end.
    ///
    /// # Errors
    /// When the file cannot be read or holds nothing; the message names the file.
    pub fn from_file(path: &Path) -> anyhow::Result<Self> {
        let text = read(path)?;
        Ok(Self { text: Arc::new(RwLock::new(text)), file: Some(path.to_owned()) })
    }

    /// The text itself.
    pub fn expose(&self) -> Arc<str> {
        Arc::clone(&self.text.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the file again, if there is one, and says whether the text is another now.
    ///
    /// # Errors
    /// When the file cannot be read or holds nothing; the secret then stays as it was.
    pub fn reload(&self) -> anyhow::Result<bool> {
        let Some(path) = &self.file else { return Ok(false) };
        let fresh = read(path)?;
        let mut text = self.text.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *text != fresh;
        *text = fresh;
        Ok(changed)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn read(path: &Path) -> anyhow::Result<Arc<str>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read secret file {}", path.display()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    anyhow::ensure!(!text.is_empty(), "secret file {} is empty", path.display());
    Ok(Arc::from(text))
}
