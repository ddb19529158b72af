//! The imports of a source file.

use std::path::Path;

/// A source file, without comments and without its inline tests.
pub(crate) struct Source {
    /// The path of its module in the crate: `wire::envelope` for `wire/envelope.rs` and
    /// `wire/envelope/mod.rs`.
    module: Vec<String>,
    is_folder: bool,
    text: String,
}

impl Source {
    /// `path` is that of the file below the crate's `src`.
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        let mut module: Vec<_> = path
            .with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        let is_folder = module.pop_if(|last| last == "mod").is_some();
        Self { module, is_folder, text: without_comments(without_tests(text)) }
    }

    /// The room that it belongs to: the first folder or file below `src`.
    pub(crate) fn room(&self) -> &str {
        &self.module[0]
    }

    /// Its module, as a path.
    pub(crate) fn name(&self) -> String {
        self.module.join("/")
    }

    /// Its code.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Its module, if that is a folder.
    pub(crate) fn folder(&self) -> Option<&Vec<String>> {
        self.is_folder.then_some(&self.module)
    }

    /// The paths below the crate's root that its code names.
    pub(crate) fn imports(&self) -> Vec<Vec<String>> {
        let mut imports = Vec::new();
        for root in ["crate::", "lobbyd::"] {
            imports.extend(rests_after(&self.text, root).flat_map(tree));
        }
        for rest in rests_after(&self.text, "super::") {
            let deeper = rest.split("super::").take_while(|part| part.is_empty()).count();
            let base = &self.module[..self.module.len().saturating_sub(1 + deeper)];
            let paths = tree(rest.trim_start_matches("super::")).into_iter();
            imports.extend(paths.map(|path| [base, &path].concat()));
        }
        imports
    }

    /// For each import the two modules, in one folder, that it connects: one of this file and one
    /// of the imported.
    pub(crate) fn neighbours(&self) -> Vec<(Vec<String>, Vec<String>)> {
        let connected = self.imports().into_iter().filter_map(|path| {
            let common =
                self.module.iter().zip(&path).take_while(|(ours, theirs)| ours == theirs).count();
            let (ours, theirs) = (self.module.get(..=common)?, path.get(..=common)?);
            Some((ours.to_vec(), theirs.to_vec()))
        });
        connected.collect()
    }
}

/// The text behind each place where a root begins a path; behind the first of several `super::`.
fn rests_after<'a>(text: &'a str, root: &str) -> impl Iterator<Item = &'a str> {
    text.match_indices(root).filter_map(move |(start, root)| {
        let continues = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
        (!text[..start].ends_with(continues)).then(|| &text[start + root.len()..])
    })
}

/// The paths of a tree of imports at the beginning of a text: `a::{b, c::d}` is `a::b` and
/// `a::c::d`.
fn tree(text: &str) -> Vec<Vec<String>> {
    if let Some(group) = text.strip_prefix('{') {
        return items(group).into_iter().flat_map(|item| tree(item.trim())).collect();
    }
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if name.is_empty() {
        return vec![Vec::new()];
    }
    let below = text[name.len()..].strip_prefix("::").map_or_else(|| vec![Vec::new()], tree);
    below.into_iter().map(|path| [vec![name.clone()], path].concat()).collect()
}

/// The items of a group, without its closing brace.
fn items(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                items.push(&group[start..at]);
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items.retain(|item| !item.trim().is_empty());
    items
}

/// The text before the inline tests, which stand last.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").map_or(text, |start| &text[..start])
}

fn without_comments(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn imports_of(path: &str, text: &str) -> Vec<String> {
    Source::new(Path::new(path), text).imports().iter().map(|path| path.join("::")).collect()
}

#[test]
fn each_form_of_an_import_is_read() {
    assert_eq!(imports_of("a.rs", "use crate::b::c;"), ["b::c"]);
    assert_eq!(
        imports_of("a.rs", "use crate::{b::{c, d::e}, f,};\nuse std::io;"),
        ["b::c", "b::d::e", "f"]
    );
    assert_eq!(imports_of("main.rs", "use lobbyd::{logging, run};"), ["logging", "run"]);
    assert_eq!(
        imports_of("a/b/c.rs", "use super::d::E; use super::super::f::G;"),
        ["a::b::d::E", "a::f::G"]
    );
    assert_eq!(imports_of("a/mod.rs", "use super::b::{C, D};"), ["b::C", "b::D"]);
    assert_eq!(
        imports_of("a.rs", "fn f() -> crate::b::C { crate::d::e::<u8>() }"),
        ["b::C", "d::e"]
    );
}

#[test]
fn comments_tests_and_other_crates_are_not_imports() {
    let text = "/// See [`crate::b`].\nuse subcrate::c;\npub(super) fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::d;\n}\n";
    assert_eq!(imports_of("a.rs", text), [""; 0]);
}
