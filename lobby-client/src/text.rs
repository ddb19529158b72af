//! Foreign texts: what others wrote, made safe for a terminal or a log.

use std::borrow::Cow;

/// Greatest length of a foreign text in a message, in characters.
pub const MAX_MESSAGE: usize = 500;

/// The text without characters that act instead of being seen: control characters, marks that turn
/// the direction of writing, and characters without width. A terminal that prints the result shows
/// all of it, in one line, and does nothing else.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_invisible) {
        Cow::Owned(text.chars().filter(|&c| !is_invisible(c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// A foreign text as one printable line of at most [`MAX_MESSAGE`] characters: every run of white
/// space and control characters becomes a space.
pub fn one_line(text: &str) -> String {
    let words =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.map(printable).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Whether a character acts on its neighbours or on the terminal and shows nothing itself.
///
/// Beside the control characters these are the bidirectional marks, embeddings and isolates
/// (Unicode Standard Annex 9), the characters without width, and tags, which can hide a text in
/// another.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_taken_out() {
        assert_eq!(printable("\u{1b}[2J\nforged\u{9b}31m"), "[2Jforged31m");
        assert_eq!(printable("a\u{202e}b\u{2066}c\u{200b}d\u{feff}e\u{e0041}"), "abcde");
    }

    #[test]
    fn what_can_be_seen_stays() {
        for text in ["service:web", "město:Praha", "東京", "a b", "🚀"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn a_foreign_text_becomes_one_line() {
        assert_eq!(one_line("a\r\n b\x1b[31m\u{9b}c\u{202e}\n"), "a b [31m c");
        assert_eq!(one_line("\u{200b} x"), "x");
    }

    #[test]
    fn a_foreign_text_is_cut_between_characters() {
        assert_eq!(one_line(&"ž".repeat(501)), format!("{}…", "ž".repeat(500)));
        assert_eq!(one_line(&"ž".repeat(500)), "ž".repeat(500));
    }
}
