use std::fmt;

use super::Selector;
use crate::text::is_invisible;

/// Most characters of a selector that are shown before the place of a fault.
const SHOWN_BEFORE: usize = 60;

/// Most characters of a selector that are shown from the place of a fault on.
const SHOWN_FROM: usize = 40;

/// Why a text is not a selector.
///
/// Prints itself in lines: the text, a caret under the place, what was expected there, and often a
/// hint. [`InvalidSelector::one_line`] is for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSelector(Box<Fault>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    text: String,
    /// The place, in bytes.
    at: usize,
    problem: String,
    hint: Option<&'static str>,
}

impl InvalidSelector {
    pub(super) fn new(text: &str, at: usize, problem: impl Into<String>) -> Self {
        let (text, problem) = (text.to_owned(), problem.into());
        Self(Box::new(Fault { text, at, problem, hint: None }))
    }

    pub(super) fn hint(mut self, hint: &'static str) -> Self {
        self.0.hint = Some(hint);
        self
    }

    /// The text is longer than allowed, as written or in canonical form.
    pub(super) fn too_long(text: &str, len: usize) -> Self {
        let max = Selector::MAX_LEN;
        let problem = format!("a selector of {len} bytes is too long: at most {max} are allowed");
        let at = (0..=max).rfind(|at| text.is_char_boundary(*at)).unwrap_or_default();
        Self::new(text, at, problem)
    }

    /// The text that is not a selector.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The place of the fault, in characters from 1.
    pub fn column(&self) -> usize {
        self.0.text[..self.0.at].chars().count() + 1
    }

    /// What was expected there.
    pub fn problem(&self) -> &str {
        &self.0.problem
    }

    /// The error as one line, without the text.
    pub fn one_line(&self) -> String {
        let (column, problem) = (self.column(), self.problem());
        match self.0.hint {
            Some(hint) => format!("column {column}: {problem}; {hint}"),
            None => format!("column {column}: {problem}"),
        }
    }
}

impl fmt::Display for InvalidSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { text, at, problem, hint } = &*self.0;
        if !text.trim().is_empty() {
            let (before, behind) = text.split_at(*at);
            let before = shown_end(before);
            writeln!(f, "{before}{}", shown_start(behind))?;
            writeln!(f, "{:width$}^", "", width = before.chars().count())?;
        }
        f.write_str(problem)?;
        hint.map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl std::error::Error for InvalidSelector {}

fn shown_end(text: &str) -> String {
    match text.char_indices().rev().nth(SHOWN_BEFORE) {
        Some((cut, _)) => format!("…{}", visible(&text[cut..])),
        None => visible(text),
    }
}

fn shown_start(text: &str) -> String {
    match text.char_indices().nth(SHOWN_FROM) {
        Some((cut, _)) => format!("{}…", visible(&text[..cut])),
        None => visible(text),
    }
}

/// The text with a sign in the place of each character that cannot be seen, so that what stands
/// below it is in line.
fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        c if c.is_whitespace() => ' ',
        c if is_invisible(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}
