//! Texts of lobby as labels of a DNS name. What is not legal in a host name, or would be taken for
//! something else, is written as `x-` and the hexadecimal digits of its bytes.

/// Most bytes of a text that one label of a name holds in hexadecimal digits: with `x-`, and with
/// the underscore of a service before it, that is 63 bytes.
const MAX_CHUNK: usize = 30;

/// Most bytes of a label of a name.
const MAX_LABEL: usize = 63;

/// The text that labels of a name stand for, if it is one. Between two labels is a dot, but not
/// between two in hexadecimal digits: a long text has several of them.
pub(super) fn of_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let (mut text, mut before) = (Vec::new(), None);
    for label in labels {
        let hex = from_hex(label);
        if before.is_some_and(|before_is_hex: bool| !(before_is_hex && hex.is_some())) {
            text.push(b'.');
        }
        before = Some(hex.is_some());
        text.extend_from_slice(hex.as_deref().unwrap_or(label));
    }
    let text = String::from_utf8(text).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// The labels that stand for a text. Those of a long text in hexadecimal digits are as long as they
/// may be, but for the first one.
pub(super) fn to_labels(text: &str) -> Vec<Vec<u8>> {
    if text.split('.').all(is_plain) {
        return text.split('.').map(|piece| piece.as_bytes().to_vec()).collect();
    }
    let chunks: Vec<_> = text.as_bytes().rchunks(MAX_CHUNK).map(to_hex).collect();
    chunks.into_iter().rev().collect()
}

/// Whether more of a text may stand before this label.
pub(super) fn may_continue(label: &[u8]) -> bool {
    from_hex(label).is_some_and(|bytes| bytes.len() == MAX_CHUNK)
}

/// The bytes that a label in hexadecimal digits stands for.
pub(super) fn from_hex(label: &[u8]) -> Option<Vec<u8>> {
    let digits = label.strip_prefix(b"x-").or_else(|| label.strip_prefix(b"X-"))?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

fn to_hex(bytes: &[u8]) -> Vec<u8> {
    let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
    let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    b"x-".iter().copied().chain(digits).collect()
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// Whether a text without dots can be a label of a name as it stands.
fn is_plain(piece: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_LABEL).contains(&piece.len())
        && piece.bytes().all(is_legal)
        && from_hex(piece.as_bytes()).is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(text: &str) -> Vec<String> {
        to_labels(text).into_iter().map(|label| String::from_utf8(label).unwrap()).collect()
    }

    fn text(labels: &[&str]) -> Option<String> {
        of_labels(labels.iter().map(|label| label.as_bytes()))
    }

    #[test]
    fn a_text_that_is_legal_in_host_names_stands_as_it_is() {
        assert_eq!(labels("alpha.example_1.org"), ["alpha", "example_1", "org"]);
        assert_eq!(labels("x-ray"), ["x-ray"]);
        assert_eq!(text(&["alpha", "example_1", "org"]).as_deref(), Some("alpha.example_1.org"));
    }

    #[test]
    fn all_else_stands_in_hexadecimal_digits() {
        assert_eq!(labels("a b"), ["x-612062"]);
        assert_eq!(labels("a..b"), ["x-612e2e62"]);
        assert_eq!(labels("x-61"), ["x-782d3631"]);
        assert_eq!(labels(&"é".repeat(16)), ["x-c3a9", &format!("x-{}", "c3a9".repeat(15))]);
        assert_eq!(labels(&"a".repeat(64)).len(), 3);
    }

    #[test]
    fn labels_in_digits_join_and_others_have_dots_between() {
        assert_eq!(text(&["x-61", "X-6D6d"]).as_deref(), Some("amm"));
        assert_eq!(text(&["a", "x-62", "c"]).as_deref(), Some("a.b.c"));
        assert_eq!(text(&["x-6", "x-", "x-zz"]).as_deref(), Some("x-6.x-.x-zz"));
    }

    #[test]
    fn what_no_label_of_lobby_holds_is_not_a_text() {
        assert_eq!(text(&["x-ff"]), None);
        assert_eq!(text(&["x-00"]), None);
        assert_eq!(of_labels([&b"a\0b"[..]]), None);
        assert_eq!(of_labels([&b"\xff"[..]]), None);
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(written in "[a-z.x\\-0-9_é\" ]{1,100}") {
            let labels = to_labels(&written);
            prop_assert!(labels.iter().all(|label| (1..=MAX_LABEL).contains(&label.len())));
            prop_assert!(labels.iter().skip(1).all(|label| from_hex(label).is_none() || may_continue(label)));
            prop_assert_eq!(of_labels(labels.iter().map(Vec::as_slice)), Some(written));
        }
    }
}
