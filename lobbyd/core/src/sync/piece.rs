//! Pieces: the answer to the question for everybody, as bytes.
//!
//! ```text
//! 1234 {"discovery":{…},"message":"hi",…}    a packet, and how old it is in milliseconds
//! 880 {"discovery":{…},"message":"hi",…}
//! end 2 0                                    how many packets were told, and how many left out
//! ```
//!
//! Each piece holds whole lines. The last one ends with `end`. `busy` alone means that another
//! question is being answered.

use std::time::Duration;

use crate::wire::envelope::MAX_ENVELOPE_LEN;

/// Greatest length of a piece, in bytes.
pub const MAX_PIECE_LEN: usize = 512_000;

/// The piece of a daemon that is answering another question.
pub const BUSY: &[u8] = b"busy\n";

/// What the last line begins with.
const END: &str = "end";

/// Most digits of an age: more would be longer than a packet can be good.
const MAX_AGE_DIGITS: usize = 7;

/// A line of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A packet as it was heard.
    Packet {
        /// How long ago that was.
        age: Duration,
        /// The packet, encoded.
        payload: &'a [u8],
    },
    /// The end of the answer.
    End {
        /// How many packets were told.
        told: usize,
        /// How many hosts were left out, because their packets cannot be told.
        left_out: usize,
    },
    /// There is no answer now.
    Busy,
}

/// The reason why a piece is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPiece {
    /// Its length in bytes exceeds [`MAX_PIECE_LEN`].
    #[error("a piece of {0} bytes is too large: at most {MAX_PIECE_LEN} are allowed")]
    TooLarge(usize),
    /// A line is not one of an answer; its number, from 1 on.
    #[error("line {0} is not valid: expected an age and a packet, or an end")]
    BadLine(usize),
}

/// The lines of a piece.
///
/// # Errors
/// The [`InvalidPiece`] of one that is not to be used, not even in part.
pub fn parse(piece: &[u8]) -> Result<Vec<Line<'_>>, InvalidPiece> {
    if piece.len() > MAX_PIECE_LEN {
        return Err(InvalidPiece::TooLarge(piece.len()));
    }
    let lines = piece.strip_suffix(b"\n").ok_or(InvalidPiece::BadLine(1))?;
    let lines = lines.split(|byte| *byte == b'\n').enumerate();
    lines.map(|(index, line)| parse_line(line).ok_or(InvalidPiece::BadLine(index + 1))).collect()
}

fn parse_line(line: &[u8]) -> Option<Line<'_>> {
    if BUSY.strip_suffix(b"\n") == Some(line) {
        return Some(Line::Busy);
    }
    let space = memchr::memchr(b' ', line)?;
    let (first, rest) = (std::str::from_utf8(&line[..space]).ok()?, &line[space + 1..]);
    if first == END {
        let (told, left_out) = std::str::from_utf8(rest).ok()?.split_once(' ')?;
        return Some(Line::End { told: count(told)?, left_out: count(left_out)? });
    }
    let is_age = first.len() <= MAX_AGE_DIGITS && first.bytes().all(|byte| byte.is_ascii_digit());
    let age = first.parse().ok().filter(|_| is_age && rest.len() <= MAX_ENVELOPE_LEN)?;
    Some(Line::Packet { age: Duration::from_millis(age), payload: rest })
}

fn count(text: &str) -> Option<usize> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A line with a packet.
pub(crate) fn packet_line(age_millis: u64, payload: &[u8], piece: &mut Vec<u8>) {
    piece.extend(age_millis.to_string().as_bytes());
    piece.push(b' ');
    piece.extend(payload);
    piece.push(b'\n');
}

/// The most bytes of the line of such a packet.
pub(super) fn packet_line_len(payload: &[u8]) -> usize {
    MAX_AGE_DIGITS + payload.len() + 2
}

/// The last line.
pub(crate) fn end_line(told: usize, left_out: usize, piece: &mut Vec<u8>) {
    piece.extend(format!("{END} {told} {left_out}\n").as_bytes());
}

/// The greatest length of the last line.
pub(super) const END_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_read_as_they_are_written() {
        let mut piece = Vec::new();
        packet_line(1234, br#"{"x": 1}"#, &mut piece);
        packet_line(0, b"", &mut piece);
        end_line(2, 1, &mut piece);
        let packet = |millis, payload| Line::Packet { age: Duration::from_millis(millis), payload };
        let expected =
            [packet(1234, br#"{"x": 1}"#), packet(0, b""), Line::End { told: 2, left_out: 1 }];
        assert_eq!(parse(&piece).unwrap(), expected);
        assert_eq!(parse(BUSY), Ok(vec![Line::Busy]));
    }

    #[test]
    fn what_is_not_a_line_is_refused_by_its_number() {
        for (odd, line) in [
            ("", 1),
            ("1 {}", 1),
            ("1 {}\n\n", 2),
            ("1 {}\nx {}\n", 2),
            ("-1 {}\n", 1),
            ("+1 {}\n", 1),
            ("12345678 {}\n", 1),
            ("1\n", 1),
            ("end\n", 1),
            ("end 1\n", 1),
            ("end +1 0\n", 1),
            ("end 1 0 0\n", 1),
            ("end 1 -1\n", 1),
            ("busy busy\n", 1),
        ] {
            assert_eq!(parse(odd.as_bytes()), Err(InvalidPiece::BadLine(line)), "{odd:?}");
        }
        let long = vec![b'1'; MAX_PIECE_LEN + 1];
        assert_eq!(parse(&long), Err(InvalidPiece::TooLarge(MAX_PIECE_LEN + 1)));
        let huge = [b"1 ".to_vec(), vec![b'x'; MAX_ENVELOPE_LEN + 1], b"\n".to_vec()].concat();
        assert_eq!(parse(&huge), Err(InvalidPiece::BadLine(1)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(piece in prop::collection::vec(any::<u8>(), 0..200), text in "[0-9 \nendbusy]{0,60}") {
            let _ = (parse(&piece), parse(text.as_bytes()));
        }
    }
}
