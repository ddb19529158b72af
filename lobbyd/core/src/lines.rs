//! Labels in text, one a line: label files and the bodies of requests.

use std::str::Utf8Error;

use lobby_client::text::is_invisible;
use lobby_client::{InvalidLabel, Label};

/// A line that is not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// The number of the line, from 1; blank lines count.
    pub number: usize,
    /// The line as it was written, without its line feed.
    pub text: &'a [u8],
    /// The label of the line, or why it has none.
    pub label: Result<Label, InvalidLine>,
}

/// Why a line is not a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    /// The line is not text; this is where.
    #[error("a label must be UTF-8")]
    NotUtf8(#[from] Utf8Error),
    /// The text is not a valid label.
    #[error(transparent)]
    InvalidLabel(#[from] InvalidLabel),
}

/// What some editors write before a text to say that it is UTF-8; it is not a part of the text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The lines of a text that are not blank, in their order. They end in `\n` or `\r\n`; white space
/// around a label does not count, and neither does a byte order mark before it, on whatever line:
/// it stays there when files are put together.
pub fn parse(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    (1..).zip(text.split(|&byte| byte == b'\n')).filter_map(|(number, text)| {
        match parse_label(text) {
            Err(InvalidLine::InvalidLabel(InvalidLabel::Empty)) => None,
            label => Some(Line { number, text, label }),
        }
    })
}

/// A character of a label that cannot be seen: one without width, or one that turns the direction
/// of writing. The label is valid, but is not what it looks like.
pub fn invisible_character(label: &Label) -> Option<char> {
    label.as_str().chars().find(|&character| is_invisible(character))
}

fn parse_label(line: &[u8]) -> Result<Label, InvalidLine> {
    let text = std::str::from_utf8(line)?;
    let is_before_label =
        |character: char| character == BYTE_ORDER_MARK || character.is_whitespace();
    Ok(Label::parse(text.trim_start_matches(is_before_label))?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The number of each line, with its label or what is wrong with it.
    fn lines(text: &[u8]) -> Vec<(usize, String)> {
        let told = |line: Line<'_>| {
            (
                line.number,
                line.label.map_or_else(|error| error.to_string(), |label| label.to_string()),
            )
        };
        parse(text).map(told).collect()
    }

    fn numbered(labels: &[(usize, &str)]) -> Vec<(usize, String)> {
        labels.iter().map(|&(number, label)| (number, label.to_owned())).collect()
    }

    #[test]
    fn each_line_is_a_label() {
        assert_eq!(lines(b"a:1\nb:2"), numbered(&[(1, "a:1"), (2, "b:2")]));
        assert_eq!(lines(b"a:1\r\nb:2\r\n"), numbered(&[(1, "a:1"), (2, "b:2")]));
    }

    #[test]
    fn blank_lines_and_white_space_are_skipped_but_counted() {
        assert_eq!(lines(b"\n a:1 \n\t\n\r\n\nb:2\n\n"), numbered(&[(2, "a:1"), (6, "b:2")]));
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn a_byte_order_mark_is_not_a_part_of_a_label() {
        let text = "\u{feff}a:1\n \u{feff} b:2\n\u{feff}\nc:\u{feff}3";
        assert_eq!(lines(text.as_bytes()), numbered(&[(1, "a:1"), (2, "b:2"), (4, "c:\u{feff}3")]));
    }

    #[test]
    fn an_invalid_line_says_why_and_spoils_no_other() {
        let long = "x".repeat(1025);
        let text = [b"a\rb\nb:\xff\n".as_slice(), long.as_bytes(), b"\nd:4"].concat();
        let expected = [
            (1, "label \"a\\rb\" holds a control character"),
            (2, "a label must be UTF-8"),
            (3, "a label of 1025 bytes is too long: at most 1024 are allowed"),
            (4, "d:4"),
        ];
        assert_eq!(lines(&text), numbered(&expected));
    }

    #[test]
    fn an_invisible_character_is_found_anywhere_in_a_label() {
        let found = |label| invisible_character(&Label::parse(label).unwrap());
        assert_eq!(found("service:we\u{200b}b"), Some('\u{200b}'));
        assert_eq!(found("\u{202e}service:web"), Some('\u{202e}'));
        assert_eq!(found("service:web\u{feff}"), Some('\u{feff}'));
        assert_eq!(found("město:Praha 東京 🚀"), None);
    }

    #[test]
    fn the_text_of_a_line_stays_as_it_was_written() {
        let texts: Vec<_> = parse(b" a:1\r\n\n\xff \n").map(|line| line.text).collect();
        assert_eq!(texts, [b" a:1\r".as_slice(), b"\xff "]);
    }

    proptest! {
        #[test]
        fn labels_that_were_written_one_a_line_come_back(wanted in prop::collection::vec("[!-~é]{1,20}", 0..8), crlf: bool) {
            let text = wanted.join(if crlf { "\r\n" } else { "\n" });
            let labels: Vec<_> = parse(text.as_bytes()).map(|line| line.label.unwrap().to_string()).collect();
            prop_assert_eq!(labels, wanted);
        }
    }
}
