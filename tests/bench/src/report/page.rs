//! The part of a page that a run writes anew.

use std::path::Path;

use anyhow::{Context, Result};

/// Puts a text between the marks of a page that name its maker, such as `make bench`, and leaves
/// the rest as it is.
///
/// # Errors
/// When the page cannot be read or written, or has no marks.
pub fn write_into(page: &Path, maker: &str, text: &str) -> Result<()> {
    let named = || format!("cannot rewrite {}", page.display());
    let old = std::fs::read_to_string(page).with_context(named)?;
    let new = replaced(&old, maker, text).context("its marks are missing").with_context(named)?;
    std::fs::write(page, new).with_context(named)
}

fn replaced(page: &str, maker: &str, text: &str) -> Option<String> {
    let [begin, end] =
        ["begin", "end"].map(|side| format!("<!-- {side}: written by {maker} -->\n"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let [begin, end] = ["begin", "end"].map(|side| format!("<!-- {side}: written by it -->\n"));
        let page = format!("title\n{begin}old\n{end}rest\n");
        let expected = format!("title\n{begin}\nnew\n\n{end}rest\n");
        assert_eq!(replaced(&page, "it", "new\n"), Some(expected));
        assert_eq!(replaced(&page, "another", "new"), None);
        assert_eq!(replaced("no marks", "it", "new"), None);
    }
}
