//! lobbyctl render: files that follow the lobby.

mod chains;
mod examples;
mod files;
mod load_balancer;
mod watching;

use std::path::{Path, PathBuf};

use lobby_tests::{Lobbyd, Outcome, lobbyctl};
use tempfile::TempDir;

/// A directory with a template, and where it is rendered to.
struct Place {
    directory: TempDir,
}

impl Place {
    fn with(template: &str) -> Self {
        let place = Self { directory: TempDir::new().unwrap() };
        std::fs::write(place.template(), template).unwrap();
        place
    }

    fn template(&self) -> PathBuf {
        self.directory.path().join("template.j2")
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("file")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap_or_else(|_| "no file".to_owned())
    }

    /// Renders to the file.
    async fn render(&self, daemon: &Lobbyd, options: &[&str]) -> Outcome {
        let (template, file) = (self.template(), self.file());
        let words = ["render", word(&template), "-o", word(&file)];
        lobbyctl(daemon, &[&words[..], options].concat()).await
    }

    /// What is in the directory beside the template.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name != "template.j2").collect();
        names.sort();
        names
    }
}

fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}
