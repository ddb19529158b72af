//! The part of a page that a run writes anew.

use std::path::Path;

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- begin: written by make bench -->\n";
const END: &str = "<!-- end: written by make bench -->\n";

/// Puts a text between the marks of a page and leaves the rest as it is.
///
/// # Errors
/// When the page cannot be read or written, or has no marks.
pub fn write_into(page: &Path, text: &str) -> Result<()> {
    let named = || format!("cannot rewrite {}", page.display());
    let old = std::fs::read_to_string(page).with_context(named)?;
    let new = replaced(&old, text).context("its marks are missing").with_context(named)?;
    std::fs::write(page, new).with_context(named)
}

fn replaced(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n\n{END}{after}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page = format!("title\n{BEGIN}old\n{END}rest\n");
        assert_eq!(replaced(&page, "new\n"), Some(format!("title\n{BEGIN}\nnew\n\n{END}rest\n")));
        assert_eq!(replaced("no marks", "new"), None);
    }
}
