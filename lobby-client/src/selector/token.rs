use std::borrow::Cow;
use std::ops::Range;

use super::error::InvalidSelector;

/// A token, and where it stands in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) at: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A word without quotes, which may be a keyword.
    Bare(&'a str),
    /// A word in quotes, without them.
    Quoted(Cow<'a, str>),
    Equal,
    NotEqual,
    Like,
    NotLike,
    And,
    Or,
    Not,
    Comma,
    Open,
    Close,
    End,
}

/// Operators, each before those that it begins with.
const OPERATORS: [(&str, Kind<'static>); 11] = [
    ("==", Kind::Equal),
    ("=~", Kind::Like),
    ("=", Kind::Equal),
    ("!=", Kind::NotEqual),
    ("!~", Kind::NotLike),
    ("!", Kind::Not),
    ("&&", Kind::And),
    ("||", Kind::Or),
    (",", Kind::Comma),
    ("(", Kind::Open),
    (")", Kind::Close),
];

/// Whether a character may stand in a word without quotes.
pub(super) fn is_bare(c: char) -> bool {
    c.is_alphanumeric() || "_-./:@+".contains(c)
}

/// Whether a word is an operator where one may stand.
pub(super) fn is_keyword(word: &str) -> bool {
    ["and", "or", "not", "in", "notin"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// Reads the next token, from this place on.
pub(super) fn next(text: &str, from: usize) -> Result<Token<'_>, InvalidSelector> {
    let rest = text[from..].trim_start();
    let start = text.len() - rest.len();
    let token = |kind, len| Ok(Token { kind, at: start..start + len });
    if let Some((operator, kind)) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return token(kind.clone(), operator.len());
    }
    match rest.chars().next() {
        None => token(Kind::End, 0),
        Some('\'') => single_quoted(text, start),
        Some('"') => double_quoted(text, start),
        Some(c) if is_bare(c) => {
            let len = rest.find(|c| !is_bare(c)).unwrap_or(rest.len());
            token(Kind::Bare(&rest[..len]), len)
        }
        Some(c) => Err(stray(text, start, c)),
    }
}

fn single_quoted(text: &str, start: usize) -> Result<Token<'_>, InvalidSelector> {
    let inner = &text[start + 1..];
    let len = inner.find('\'').ok_or_else(|| not_closed(text, start, '\''))?;
    quoted(text, start..start + len + 2, Cow::Borrowed(&inner[..len]))
}

/// `\"` and `\\` are a quote and a backslash; any other backslash stays, as regular expressions are
/// full of them.
fn double_quoted(text: &str, start: usize) -> Result<Token<'_>, InvalidSelector> {
    let (mut word, mut chars) = (String::new(), text[start + 1..].char_indices().peekable());
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' => return quoted(text, start..start + offset + 2, Cow::Owned(word)),
            '\\' => {
                let escaped = chars.next_if(|(_, c)| matches!(c, '"' | '\\'));
                word.push(escaped.map_or('\\', |(_, c)| c));
            }
            c => word.push(c),
        }
    }
    Err(not_closed(text, start, '"'))
}

fn quoted<'a>(
    text: &str,
    at: Range<usize>,
    word: Cow<'a, str>,
) -> Result<Token<'a>, InvalidSelector> {
    let Some(offset) = text[at.clone()].find(char::is_control) else {
        return Ok(Token { kind: Kind::Quoted(word), at });
    };
    let problem = "expected a label or a part of one, which has no control characters";
    Err(InvalidSelector::new(text, at.start + offset, problem))
}

fn not_closed(text: &str, start: usize, quote: char) -> InvalidSelector {
    let problem = format!("expected a {quote} that closes the one here");
    let hint = match quote {
        '\'' => "a word with a ' in it is put into \"…\"",
        _ => "in \"…\" a quote is written \\\"",
    };
    InvalidSelector::new(text, start, problem).hint(hint)
}

/// A character that begins no token.
fn stray(text: &str, at: usize, c: char) -> InvalidSelector {
    let problem = format!("expected a word or an operator, found {:?}", c.to_string());
    let before_word = text[..at].trim_end_matches(is_bare).trim_end();
    let is_in_regex = before_word.ends_with("=~") || before_word.ends_with("!~");
    InvalidSelector::new(text, at, problem).hint(match c {
        _ if is_in_regex => "put regular expressions with such characters into quotes: k=~'a|b'",
        '*' => "there are no wildcards: =~ compares with a regular expression, k=~'web.*'",
        '&' => "write `and` or &&",
        '|' => "write `or` or ||",
        '~' => "write =~ or !~",
        '<' | '>' => "values are not compared by size: use =~ with a regular expression",
        _ => "put words with other characters than letters, digits and _-./:@+ into quotes",
    })
}
