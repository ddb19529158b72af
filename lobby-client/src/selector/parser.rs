use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use super::Selector;
use super::condition::{Condition, Key};
use super::error::InvalidSelector;
use super::pattern::Pattern;
use super::token::{self, Kind, Token, is_keyword};

type Parsed<T> = Result<T, InvalidSelector>;

const TWO_CONDITIONS: &str = "put `,` or `and` between two conditions";

const EMPTY: &str = "an empty selector would mean every server, or is an unset variable: \
                     leave it out to ask for all";

/// Most characters of a token that an error quotes.
const MAX_FOUND: usize = 40;

pub(super) fn parse(text: &str) -> Parsed<Condition> {
    if text.len() > Selector::MAX_LEN {
        return Err(InvalidSelector::too_long(text, text.len()));
    }
    if text.trim().is_empty() {
        return Err(
            InvalidSelector::new(text, 0, "expected a condition, found nothing").hint(EMPTY)
        );
    }
    let next = token::next(text, 0)?;
    let mut parser = Parser { text, next, depth: 0, terms: 0, patterns: 0 };
    let condition = parser.any()?;
    if parser.next.kind == Kind::End { Ok(condition) } else { Err(parser.not_the_end("the end")) }
}

/// A recursive descent. Only parentheses recurse, and their depth is limited.
struct Parser<'a> {
    text: &'a str,
    next: Token<'a>,
    depth: usize,
    terms: usize,
    patterns: usize,
}

/// A word, and where it stands with its quotes.
struct Word<'a> {
    text: Cow<'a, str>,
    at: Range<usize>,
}

impl<'a> Parser<'a> {
    fn take(&mut self) -> Parsed<Token<'a>> {
        let next = token::next(self.text, self.next.at.end)?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    /// Takes the next token if it is this one.
    fn take_if(&mut self, kind: &Kind<'_>) -> Parsed<bool> {
        let is_it = self.next.kind == *kind;
        if is_it {
            self.take()?;
        }
        Ok(is_it)
    }

    /// Takes the next token if it is this keyword.
    fn take_keyword(&mut self, keyword: &str) -> Parsed<bool> {
        let is_it = matches!(self.next.kind, Kind::Bare(w) if w.eq_ignore_ascii_case(keyword));
        if is_it {
            self.take()?;
        }
        Ok(is_it)
    }

    fn any(&mut self) -> Parsed<Condition> {
        let mut conditions = vec![self.all()?];
        while self.take_if(&Kind::Or)? || self.take_keyword("or")? {
            conditions.push(self.all()?);
        }
        Ok(Condition::any(conditions))
    }

    fn all(&mut self) -> Parsed<Condition> {
        let mut conditions = vec![self.unary()?];
        while self.take_if(&Kind::And)?
            || self.take_if(&Kind::Comma)?
            || self.take_keyword("and")?
        {
            conditions.push(self.unary()?);
        }
        Ok(Condition::all(conditions))
    }

    fn unary(&mut self) -> Parsed<Condition> {
        let mut negated = false;
        while self.take_if(&Kind::Not)? || self.take_keyword("not")? {
            negated = !negated;
        }
        let condition = match self.next.kind {
            Kind::Open => self.group()?,
            _ => self.term()?,
        };
        Ok(if negated { condition.negated() } else { condition })
    }

    fn group(&mut self) -> Parsed<Condition> {
        if self.depth == Selector::MAX_DEPTH {
            return Err(self.expected(&format!("at most {} parentheses open", self.depth)));
        }
        self.depth += 1;
        self.take()?;
        let condition = self.any()?;
        self.close("`)`")?;
        self.depth -= 1;
        Ok(condition)
    }

    fn close(&mut self, end: &str) -> Parsed<()> {
        if self.take_if(&Kind::Close)? { Ok(()) } else { Err(self.not_the_end(end)) }
    }

    fn term(&mut self) -> Parsed<Condition> {
        let key = self.first_word()?;
        self.terms += 1;
        if self.terms > Selector::MAX_TERMS {
            let problem = format!("expected at most {} conditions", Selector::MAX_TERMS);
            return Err(InvalidSelector::new(self.text, key.at.start, problem));
        }
        self.comparison(key)
    }

    fn comparison(&mut self, key: Word<'a>) -> Parsed<Condition> {
        Ok(match self.next.kind {
            Kind::Equal => self.equal(key)?,
            Kind::NotEqual => self.equal(key)?.negated(),
            Kind::Like => self.like(key)?,
            Kind::NotLike => self.like(key)?.negated(),
            _ => self.membership(key)?,
        })
    }

    /// A word behind which `in` or nothing stands.
    fn membership(&mut self, key: Word<'a>) -> Parsed<Condition> {
        if self.take_keyword("in")? {
            return self.in_list(key);
        }
        if self.take_keyword("not")? {
            if !self.take_keyword("in")? {
                return Err(self.expected("`in` behind `not`").hint(TWO_CONDITIONS));
            }
        } else if !self.take_keyword("notin")? {
            return Ok(alone(key.text));
        }
        self.in_list(key).map(Condition::negated)
    }

    fn equal(&mut self, key: Word<'a>) -> Parsed<Condition> {
        let key = self.key(key)?;
        self.take()?;
        Ok(Condition::In(key, BTreeSet::from([self.value()?.text.into_owned()])))
    }

    fn like(&mut self, key: Word<'a>) -> Parsed<Condition> {
        let key = self.key(key)?;
        self.take()?;
        let word = self.value()?;
        self.patterns += 1;
        if self.patterns > Selector::MAX_PATTERNS {
            let most = Selector::MAX_PATTERNS;
            let problem = format!("expected at most {most} regular expressions");
            return Err(InvalidSelector::new(self.text, word.at.start, problem));
        }
        Ok(Condition::Matches(key, self.pattern(word)?))
    }

    fn in_list(&mut self, key: Word<'a>) -> Parsed<Condition> {
        let key = self.key(key)?;
        if !self.take_if(&Kind::Open)? {
            return Err(self.expected("`(` and a list of values"));
        }
        let mut values = BTreeSet::from([self.value()?.text.into_owned()]);
        while self.take_if(&Kind::Comma)? {
            values.insert(self.value()?.text.into_owned());
        }
        if !self.take_if(&Kind::Close)? {
            return Err(self.expected("`,` or `)`"));
        }
        Ok(Condition::In(key, values))
    }

    /// The word that a term begins with, which is a keyword only in quotes.
    fn first_word(&mut self) -> Parsed<Word<'a>> {
        let condition = "a condition: a key, a label, `not` or `(`";
        match &self.next.kind {
            Kind::Bare(word) if is_keyword(word) => Err(self
                .expected(condition)
                .hint("a key that is called like an operator is put into quotes: 'in'=x")),
            Kind::Bare(_) | Kind::Quoted(_) => self.word(),
            _ => Err(self.expected(condition)),
        }
    }

    fn value(&mut self) -> Parsed<Word<'a>> {
        match self.next.kind {
            Kind::Bare(_) | Kind::Quoted(_) => self.word(),
            Kind::End | Kind::Comma | Kind::Close => {
                Err(self.expected("a value").hint("an empty value is written ''"))
            }
            _ => {
                let hint = "put values with such characters into quotes: k=~'(a|b).*'";
                Err(self.expected("a value").hint(hint))
            }
        }
    }

    fn word(&mut self) -> Parsed<Word<'a>> {
        let Token { kind, at } = self.take()?;
        let text = match kind {
            Kind::Bare(text) => Cow::Borrowed(text),
            Kind::Quoted(text) => text,
            _ => Cow::Borrowed(""),
        };
        Ok(Word { text, at })
    }

    /// The key of a comparison, which has no colon, as a key ends at the first one.
    fn key(&self, word: Word<'a>) -> Parsed<Key> {
        if !word.text.contains(':') {
            return Ok(Key::new(word.text.into_owned()));
        }
        let problem = "expected a key without a colon: this is a whole label";
        let hint = "write KEY=VALUE, or the label alone";
        Err(InvalidSelector::new(self.text, word.at.start, problem).hint(hint))
    }

    fn pattern(&self, word: Word<'a>) -> Parsed<Pattern> {
        let source = &self.text[word.at.clone()];
        // Unknown if the word was written with escapes.
        let offset = source.find(&*word.text);
        Pattern::new(word.text.into_owned()).map_err(|invalid| {
            let fault = offset.and_then(|offset| {
                let (at, _) = source[offset..].char_indices().nth(invalid.at)?;
                Some(offset + at)
            });
            let problem = format!("expected a regular expression: {}", invalid.reason);
            InvalidSelector::new(self.text, word.at.start + fault.unwrap_or_default(), problem)
        })
    }

    /// The error where a condition is over, and neither an operator nor its end follows.
    fn not_the_end(&self, end: &str) -> InvalidSelector {
        let error = self.expected(&format!("`and`, `or` or {end}"));
        match self.next.kind {
            Kind::Bare(_) | Kind::Quoted(_) | Kind::Not | Kind::Open => error.hint(TWO_CONDITIONS),
            _ => error,
        }
    }

    /// The error that something else stands at the next token.
    fn expected(&self, what: &str) -> InvalidSelector {
        let at = self.next.at.clone();
        let found = match self.next.kind {
            Kind::End => "the end".to_owned(),
            _ => format!("{:?}", self.text[at.clone()].chars().take(MAX_FOUND).collect::<String>()),
        };
        InvalidSelector::new(self.text, at.start, format!("expected {what}, found {found}"))
    }
}

/// The condition of a word that is not compared: a key or a whole label.
fn alone(word: Cow<'_, str>) -> Condition {
    match word.split_once(':') {
        Some((key, value)) => {
            Condition::In(Key::new(key.to_owned()), BTreeSet::from([value.to_owned()]))
        }
        None => Condition::Has(Key::new(word.into_owned())),
    }
}
