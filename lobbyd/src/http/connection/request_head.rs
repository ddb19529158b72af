//! Request heads: found in what a client sends, so that raw characters of a target are escaped
//! before a parser refuses them.
//!
//! lobby 1.x and its clients never escape: `GET /v1/resolve?label=město:Praha` is sent as it
//! stands, and Go's parser takes it.

use std::borrow::Cow;

use memchr::memchr;

/// Greatest length of a line's beginning that is remembered, in bytes: enough for the headers that
/// are looked at.
const MAX_LINE_LEN: usize = 128;

/// What is wrong with a request, as far as that can be told without parsing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The first line.
    #[error("the request line is not valid: expected a method, a path without spaces and HTTP/1.1")]
    RequestLine,
    /// The version.
    #[error("the version of HTTP is not supported: use HTTP/1.1")]
    Version,
    /// A header.
    #[error("a header is not valid: expected lines of the form \"Name: value\"")]
    Header,
    /// The number of `Host` headers.
    #[error("exactly one Host header is needed")]
    Host,
    /// A `Content-Length` header.
    #[error(
        "Content-Length is not valid: expected one whole number of bytes, and no Transfer-Encoding beside it"
    )]
    ContentLength,
    /// A `Transfer-Encoding` header, or the chunks that follow it.
    #[error("the chunks of the body are not valid, or its Transfer-Encoding is not \"chunked\"")]
    Chunks,
}

/// Follows the requests of a connection. The rules are those of the parser behind it; where they
/// might differ, bytes pass as they are.
#[derive(Debug, Default)]
pub(super) struct RequestHeads {
    place: Place,
    /// The beginning of the line that is being read.
    line: Vec<u8>,
    head: Head,
    fault: Option<Fault>,
    /// Whether the first head is behind.
    first_is_read: bool,
}

/// Where in a request the next byte stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Before or in the method.
    #[default]
    Method,
    Target,
    /// Behind the target, in the same line.
    Version,
    /// In the headers.
    Headers,
    /// In a body of which so many bytes are to come.
    Body(u64),
    /// In the line with the length of a chunk.
    ChunkLength,
    /// In a chunk of which so many bytes are to come, the line break behind it included.
    Chunk(u64),
    /// Behind the last chunk.
    LastChunk,
    /// In a body of unknown length: no further request is looked for.
    Unknown,
}

/// What the headers of a request say about its body.
#[derive(Debug, Default)]
struct Head {
    content_length: Option<u64>,
    /// Whether its version knows no chunks.
    is_old: bool,
    is_chunked: bool,
    is_unknown: bool,
    hosts: usize,
}

impl RequestHeads {
    /// What is wrong with the request that is being read, if that is known.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Whether a head has begun and is not there as a whole, on a connection that had one before.
    pub(super) fn is_in_later_head(&self) -> bool {
        let begun = match self.place {
            Place::Method => !self.line.trim_ascii().is_empty(),
            Place::Target | Place::Version | Place::Headers => true,
            _ => false,
        };
        begun && self.first_is_read
    }

    /// The next bytes of the connection, with the raw characters of targets escaped.
    pub(super) fn escape<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let (mut escaped, mut rest) = (Cow::Borrowed(&[][..]), bytes);
        while !rest.is_empty() {
            let in_target = self.place == Place::Target;
            let (part, behind) = rest.split_at(self.pass(rest));
            rest = behind;
            if in_target && part.iter().any(|byte| needs_escape(*byte)) {
                part.iter().for_each(|byte| push_escaped(*byte, escaped.to_mut()));
            } else {
                match &mut escaped {
                    // All so far stands in one row.
                    Cow::Borrowed(_) => escaped = Cow::Borrowed(&bytes[..bytes.len() - rest.len()]),
                    Cow::Owned(escaped) => escaped.extend_from_slice(part),
                }
            }
        }
        escaped
    }

    /// Passes over what belongs to the present place; returns its length.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        match self.place {
            Place::Method => self.pass_method(bytes),
            Place::Target => self.pass_target(bytes),
            Place::Version => self.pass_line(bytes, Self::end_request_line),
            Place::Headers => self.pass_line(bytes, Self::end_header),
            Place::Body(left) => {
                let passed = part(left, bytes);
                self.begin_body(left - passed as u64);
                passed
            }
            Place::ChunkLength => self.pass_line(bytes, Self::end_chunk_length),
            Place::Chunk(left) => {
                let passed = part(left, bytes);
                self.place = match left - passed as u64 {
                    0 => Place::ChunkLength,
                    left => Place::Chunk(left),
                };
                passed
            }
            Place::LastChunk => self.pass_line(bytes, Self::end_last_chunk),
            Place::Unknown => bytes.len(),
        }
    }

    fn pass_method(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.iter().position(|byte| matches!(byte, b' ' | b'\n')).unwrap_or(bytes.len());
        self.remember(&bytes[..len]);
        match bytes.get(len) {
            None => return len,
            Some(b' ') => self.place = Place::Target,
            // Empty lines before a request do not count.
            Some(_) if self.line.trim_ascii().is_empty() => {}
            Some(_) => self.give_up(Fault::RequestLine),
        }
        self.line.clear();
        len + 1
    }

    fn pass_target(&mut self, bytes: &[u8]) -> usize {
        let len = bytes
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\r' | b'\n'))
            .unwrap_or(bytes.len());
        match bytes.get(len) {
            None => len,
            Some(b' ') => {
                self.place = Place::Version;
                len + 1
            }
            Some(_) => {
                self.give_up(Fault::RequestLine);
                len
            }
        }
    }

    /// Passes over a line, or over what there is of it. At its end it is given to `end`, without
    /// its line break.
    fn pass_line(&mut self, bytes: &[u8], end: impl FnOnce(&mut Self, &[u8])) -> usize {
        let Some(len) = memchr(b'\n', bytes) else {
            self.remember(bytes);
            return bytes.len();
        };
        if self.line.is_empty() {
            end(self, without_return(&bytes[..len]));
        } else {
            self.remember(&bytes[..len]);
            let line = std::mem::take(&mut self.line);
            end(self, without_return(&line));
        }
        len + 1
    }

    fn end_request_line(&mut self, version: &[u8]) {
        self.head = Head { is_old: version == b"HTTP/1.0", ..Head::default() };
        self.place = Place::Headers;
        self.fault = match version {
            b"HTTP/1.1" | b"HTTP/1.0" => None,
            _ if version.starts_with(b"HTTP/") && !version.contains(&b' ') => Some(Fault::Version),
            _ => Some(Fault::RequestLine),
        };
    }

    fn end_header(&mut self, line: &[u8]) {
        if line.is_empty() {
            return self.end_head();
        }
        let Some(colon) = memchr(b':', line) else { return self.note(Fault::Header) };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || name.contains(&b' ') || name.contains(&b'\t') {
            self.note(Fault::Header);
        } else if name.eq_ignore_ascii_case(b"content-length") && line.len() >= MAX_LINE_LEN {
            // The end of the line may be missing, and with it digits.
            self.note(Fault::ContentLength);
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let len =
                std::str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit));
            match len
                .and_then(|len| len.parse().ok())
                .filter(|_| self.head.content_length.is_none())
            {
                Some(len) => self.head.content_length = Some(len),
                None => self.note(Fault::ContentLength),
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_known = value.eq_ignore_ascii_case(b"chunked") && !self.head.is_old;
            self.head.is_unknown |= !is_known || self.head.is_chunked;
            self.head.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            self.head.hosts += 1;
        }
    }

    fn end_head(&mut self) {
        let Head { content_length, is_chunked, is_unknown, hosts, .. } = self.head;
        self.first_is_read = true;
        match content_length {
            _ if self.fault.is_some() => self.place = Place::Unknown,
            Some(_) if is_chunked => self.give_up(Fault::ContentLength),
            // Said only if the body is refused.
            None if is_unknown => self.give_up(Fault::Chunks),
            None if is_chunked => self.place = Place::ChunkLength,
            len => self.begin_body(len.unwrap_or_default()),
        }
        if hosts != 1 {
            self.note(Fault::Host);
        }
    }

    fn begin_body(&mut self, left: u64) {
        self.place = if left == 0 { Place::Method } else { Place::Body(left) };
    }

    /// Behind the length there may be an extension.
    fn end_chunk_length(&mut self, line: &[u8]) {
        let len = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
        let len = std::str::from_utf8(&line[..len]).ok();
        match len.and_then(|len| u64::from_str_radix(len, 16).ok()?.checked_add(2)) {
            Some(2) => self.place = Place::LastChunk,
            Some(len) => self.place = Place::Chunk(len),
            None => self.give_up(Fault::Chunks),
        }
    }

    /// The parser knows no trailers.
    fn end_last_chunk(&mut self, line: &[u8]) {
        if line.is_empty() {
            self.place = Place::Method;
        } else {
            self.give_up(Fault::Chunks);
        }
    }

    /// Keeps the beginning of a line that is not there as a whole.
    fn remember(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_LEN.saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        if self.place == Place::Headers {
            self.head.is_unknown = true;
        }
    }

    /// Looks for no further request: this one, or its body, is not understood.
    fn give_up(&mut self, fault: Fault) {
        self.note(fault);
        self.place = Place::Unknown;
    }
}

/// How many of these bytes belong to what has so many left.
fn part(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a character of a target is one that the parser refuses. Those that would end the target
/// are not among them.
fn needs_escape(byte: u8) -> bool {
    matches!(byte, 0x80..|b'"'| b'<' | b'>' | b'`' | b'^' | b'\\' | b'|' | b'{' | b'}')
}

fn push_escaped(byte: u8, bytes: &mut Vec<u8>) {
    if needs_escape(byte) {
        let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
        bytes.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
    } else {
        bytes.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is made of bytes that come in pieces of this length.
    fn escaped(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut heads = RequestHeads::default();
        bytes.chunks(piece).flat_map(|piece| heads.escape(piece).into_owned()).collect()
    }

    fn assert_escaped(raw: &str, expected: &str) {
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(
                String::from_utf8(escaped(raw.as_bytes(), piece)).unwrap(),
                expected,
                "pieces of {piece}"
            );
        }
    }

    #[test]
    fn raw_characters_of_targets_are_escaped_and_nothing_else() {
        assert_escaped(
            "GET /v1/resolve?label=město:\"<Praha>\" HTTP/1.1\r\nX: město\r\n\r\n",
            "GET /v1/resolve?label=m%C4%9Bsto:%22%3CPraha%3E%22 HTTP/1.1\r\nX: město\r\n\r\n",
        );
    }

    #[test]
    fn bodies_pass_as_they_are_and_the_next_target_is_escaped() {
        let post = "POST /v1/labels HTTP/1.1\r\nContent-Length: 13\r\n\r\nGET /ěšč<>";
        let get = "GET /?labels=é HTTP/1.1\r\n\r\n";
        assert_escaped(
            &format!("{post}{get}"),
            &format!("{post}GET /?labels=%C3%A9 HTTP/1.1\r\n\r\n"),
        );
    }

    #[test]
    fn behind_a_body_of_unknown_length_all_passes_as_it_is() {
        for header in [
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Content-Length: +3",
            "Content-Length: 1\r\nContent-Length: 1",
        ] {
            let requests = format!("POST / HTTP/1.1\r\n{header}\r\n\r\nGET /é HTTP/1.1\r\n\r\n");
            assert_escaped(&requests, &requests);
        }
    }

    #[test]
    fn behind_the_last_chunk_the_next_target_is_escaped() {
        let post = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                    c;note=1\r\nGET /é\r\n\"<>\r\n3\r\na:1\r\n0\r\n\r\n";
        assert_escaped(
            &format!("{post}GET /é HTTP/1.1\r\n\r\n"),
            &format!("{post}GET /%C3%A9 HTTP/1.1\r\n\r\n"),
        );
    }

    #[test]
    fn a_fault_of_a_later_request_is_not_laid_on_chunks_before_it() {
        let chunked = "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na:1\r\n0\r\n\r\n";
        let requests = |next: &str| fault(&format!("POST / HTTP/1.1\r\n{chunked}{next}"));
        assert_eq!(requests(""), None);
        assert_eq!(requests("GARBAGE\r\n\r\n"), Some(Fault::RequestLine));
        let broken = chunked.replace("0\r\n\r\n", "x\r\n");
        assert_eq!(fault(&format!("POST / HTTP/1.1\r\n{broken}")), Some(Fault::Chunks));
    }

    #[test]
    fn a_long_content_length_line_is_a_fault_wherever_it_is_cut() {
        // Cut at 128 bytes, this one would be read as a shorter length.
        let line = format!("Content-Length:{}12345", " ".repeat(110));
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
        for piece in [1, 100, 1000] {
            let mut heads = RequestHeads::default();
            request.as_bytes().chunks(piece).for_each(|piece| drop(heads.escape(piece)));
            assert_eq!(heads.fault(), Some(Fault::ContentLength), "pieces of {piece}");
        }
    }

    #[test]
    fn heads_after_the_first_are_known_while_they_are_read() {
        let mut heads = RequestHeads::default();
        let mut read = |bytes: &str| {
            heads.escape(bytes.as_bytes());
            heads.is_in_later_head()
        };
        assert!(!read("GET / HTTP/1.1\r\n"), "the first");
        assert!(!read("Content-Length: 1\r\n\r\n"));
        assert!(!read("x"));
        assert!(!read("\r\n"));
        for part in ["G", "ET /", " HT", "TP/1.1\r\n", "Host: a\r\n"] {
            assert!(read(part), "{part}");
        }
        assert!(!read("\r\n"));
    }

    fn fault(request: &str) -> Option<Fault> {
        let mut heads = RequestHeads::default();
        heads.escape(request.as_bytes());
        heads.fault()
    }

    #[test]
    fn faults_are_told_apart() {
        let header =
            |header: &str| fault(&format!("GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n"));
        assert_eq!(header("X: y"), None);
        assert_eq!(fault("GARBAGE\r\n\r\n"), Some(Fault::RequestLine));
        assert_eq!(fault("GET /a b HTTP/1.1\r\n"), Some(Fault::RequestLine));
        assert_eq!(fault("GET /\r\n\r\n"), Some(Fault::RequestLine));
        assert_eq!(fault("GET / HTTP/9.9\r\n"), Some(Fault::Version));
        assert_eq!(header("X y"), Some(Fault::Header));
        assert_eq!(header("X : y"), Some(Fault::Header));
        assert_eq!(header("Host: b"), Some(Fault::Host));
        assert_eq!(header("Content-Length: -3"), Some(Fault::ContentLength));
        assert_eq!(
            header("Content-Length: 3\r\nTransfer-Encoding: chunked"),
            Some(Fault::ContentLength)
        );
        assert_eq!(header("Transfer-Encoding: gzip"), Some(Fault::Chunks));
    }

    proptest! {
        #[test]
        fn the_parser_takes_every_target_without_white_space(target in "/[!-~é\u{80}-\u{ffff}]{0,30}") {
            let request = format!("GET {target} HTTP/1.1\r\n");
            let escaped = String::from_utf8(escaped(request.as_bytes(), 5)).unwrap();
            let escaped = escaped.split(' ').nth(1).unwrap();
            prop_assert!(escaped.parse::<actix_web::http::Uri>().is_ok(), "{escaped}");
            let decoded = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<_>>();
            prop_assert_eq!(decoded(escaped), decoded(&target));
        }

        #[test]
        fn pieces_of_any_length_give_the_same(
            parts in prop::collection::vec(prop_oneof![
                Just("GET /é\" HTTP/1.1\r\n".to_owned()), Just("\r\n".to_owned()), Just("Content-Length: 5\r\n".to_owned()),
                Just("transfer-encoding: chunked\r\n".to_owned()), Just("5\r\n".to_owned()), Just("0\r\n\r\n".to_owned()),
                "[ \r\n:a-z0-9é<]{0,20}",
            ], 0..12),
            piece in 1..20_usize,
        ) {
            let bytes = parts.concat().into_bytes();
            prop_assert_eq!(escaped(&bytes, piece), escaped(&bytes, usize::MAX));
        }
    }
}
