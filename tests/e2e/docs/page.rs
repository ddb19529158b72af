//! A page in Markdown.

use std::path::{Path, PathBuf};

/// A page by its path below the root of the repository.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

impl Page {
    /// Any text of the repository.
    pub(super) fn read(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        let text = std::fs::read_to_string(root().join(&path));
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    /// The README and all pages below `docs/`.
    pub(super) fn all() -> Vec<Self> {
        let mut paths = files_below(&root().join("docs"), "md");
        paths.push(root().join("README.md"));
        paths.iter().map(|path| Self::read(path.strip_prefix(root()).unwrap())).collect()
    }

    /// The contents of its code blocks of one kind.
    pub(super) fn blocks(&self, kind: &str) -> Vec<String> {
        let (opening, mut rest, mut blocks) =
            (format!("\n```{kind}\n"), self.text.as_str(), Vec::new());
        while let Some((_, block)) = rest.split_once(&opening) {
            let (block, behind) = block.split_once("```\n").expect("a code block is closed");
            blocks.push(block.to_owned());
            rest = behind;
        }
        blocks
    }

    /// The files that it shows: code blocks whose kind is followed by the name of a file.
    pub(super) fn files(&self) -> Vec<(&str, String)> {
        let named = self.text.lines().filter_map(|line| line.strip_prefix("```")?.split_once(' '));
        named
            .flat_map(|(kind, name)| {
                let blocks = self.blocks(&format!("{kind} {name}"));
                blocks.into_iter().map(move |text| (name, text))
            })
            .collect()
    }

    /// Its lines outside of code blocks.
    fn prose(&self) -> impl Iterator<Item = &str> {
        let mut is_code = false;
        self.text.lines().filter(move |line| {
            let fence = line.starts_with("```");
            is_code ^= fence;
            !is_code && !fence
        })
    }

    /// Where its links lead, as written.
    pub(super) fn links(&self) -> Vec<String> {
        let prose = self.prose().collect::<Vec<_>>().join("\n");
        prose
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .map(str::to_owned)
            .collect()
    }

    /// What its headings are called in links.
    pub(super) fn anchors(&self) -> Vec<String> {
        self.prose().filter(|line| line.starts_with('#')).map(anchor).collect()
    }

    /// The rows of the table under this head, each as its cells.
    pub(super) fn table(&self, head: &str) -> Vec<Vec<String>> {
        let rows = self
            .text
            .lines()
            .skip_while(|line| *line != head)
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        let rows: Vec<_> = rows.map(cells).collect();
        assert!(!rows.is_empty(), "{}: no table under {head}", self.path.display());
        rows
    }
}

/// The files with this extension in a directory and below it, sorted.
pub(super) fn files_below(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
    {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The cells of a row of a table, less the white space around them.
fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
}

/// A text between backquotes, without them.
pub(super) fn unquoted(cell: &str) -> &str {
    cell.trim_matches('`')
}

fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    words.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}
