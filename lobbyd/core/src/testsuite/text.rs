//! The rules for texts, written once more and without a look at the program's.

/// Trimmed, 1 to 1,024 bytes, no control characters.
pub(crate) fn assert_is_label(text: &str) {
    assert!(
        (1..=1024).contains(&text.len()) && text.trim() == text && !holds_control_character(text),
        "{text:?}"
    );
}

/// 1 to 253 bytes without white space and control characters.
pub(crate) fn assert_is_host_name(text: &str) {
    let spaced = text.contains(char::is_whitespace);
    assert!(
        (1..=253).contains(&text.len()) && !spaced && !holds_control_character(text),
        "{text:?}"
    );
}

/// 1 to 64 bytes without white space, control characters, and marks that turn the direction of
/// writing or have no width.
pub(crate) fn assert_is_instance(text: &str) {
    let hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let invalid = |c: char| c.is_whitespace() || c.is_control() || hidden(c);
    assert!((1..=64).contains(&text.len()) && !text.contains(invalid), "{text:?}");
}

/// What is told of a fault is one line, whatever the fault holds.
pub(crate) fn assert_one_line(message: &str) {
    assert!(!message.is_empty() && !holds_control_character(message), "{message:?}");
}

fn holds_control_character(text: &str) -> bool {
    text.contains(char::is_control)
}
