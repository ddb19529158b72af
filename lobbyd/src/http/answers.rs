//! Answers that were given once and are good for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use lobby_client::Filter;

/// Longest answer that is kept, in bytes. Making one is quick against sending it when it is longer than that.
const LONGEST: usize = 2 << 20;

/// Longest question whose answer is kept, in bytes: it is kept, too. Nobody who asks the same again and again asks for that much.
const LONGEST_QUESTION: usize = 2048;

/// Most answers kept, and most bytes in all of them. Who asks for more different things has them made each time.
const MOST_ANSWERS: usize = 1000;
const MOST_BYTES: usize = 6 << 20;

/// What can be asked of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// The packets that a filter lets through.
    Packets(Filter),
    /// The names of those that have a label.
    Names(String),
    /// The Prometheus targets of a group.
    Targets(String),
}

impl Question {
    /// How much memory it takes, in bytes.
    fn len(&self) -> usize {
        let list = |texts: &[String]| texts.iter().map(|text| text.len() + size_of::<String>()).sum();
        match self {
            Self::Packets(Filter::All) => 0,
            Self::Packets(Filter::Labels(wanted) | Filter::Prefixes(wanted)) => list(wanted),
            Self::Names(text) | Self::Targets(text) => text.len(),
        }
    }
}

/// How an answer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// As gzip does it.
    Gzip,
}

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// How it is packed. It is not for everybody who would take it so: short ones are not worth it.
    pub coding: Coding,
    /// What is sent.
    pub bytes: Bytes,
}

/// When an answer is good: it tells of so many living hosts and of when they were last heard, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// How many are alive.
    pub living: usize,
    /// Seconds since the Unix epoch.
    pub unix_seconds: i64,
}

/// Answers of one snapshot, bounded in number and size.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<(Question, Coding), (Freshness, Body)>,
    bytes: usize,
}

impl Answers {
    /// The answer to a question for somebody who takes this coding, if it was given before and is still good.
    pub fn get(&self, question: &(Question, Coding), freshness: Freshness) -> Option<Body> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.answers.get(question).filter(|(given, _)| *given == freshness).map(|(_, answer)| answer.clone())
    }

    /// Keeps an answer, if neither it nor the question is too long.
    pub fn put(&self, question: (Question, Coding), freshness: Freshness, answer: Body) {
        if answer.bytes.len() <= LONGEST && question.0.len() <= LONGEST_QUESTION {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).put(question, freshness, answer);
        }
    }
}

impl Kept {
    fn put(&mut self, question: (Question, Coding), freshness: Freshness, answer: Body) {
        if self.answers.len() >= MOST_ANSWERS || self.bytes + answer.bytes.len() > MOST_BYTES {
            *self = Self::default();
        }
        self.bytes += answer.bytes.len();
        let replaced = self.answers.insert(question, (freshness, answer));
        self.bytes -= replaced.map_or(0, |(_, answer)| answer.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(label: &str) -> (Question, Coding) {
        (Question::Names(label.to_owned()), Coding::Identity)
    }

    fn body(bytes: Vec<u8>) -> Body {
        Body { coding: Coding::Identity, bytes: bytes.into() }
    }

    const NOW: Freshness = Freshness { living: 3, unix_seconds: 100 };

    #[test]
    fn an_answer_is_good_for_its_second_and_while_nobody_dies() {
        let answers = Answers::default();
        answers.put(names("a"), NOW, body(b"[]".to_vec()));
        assert_eq!(answers.get(&names("a"), NOW), Some(body(b"[]".to_vec())));
        assert_eq!(answers.get(&names("b"), NOW), None);
        assert_eq!(answers.get(&names("a"), Freshness { unix_seconds: 101, ..NOW }), None);
        assert_eq!(answers.get(&names("a"), Freshness { living: 2, ..NOW }), None);
    }

    #[test]
    fn neither_many_nor_long_answers_fill_the_memory() {
        let answers = Answers::default();
        answers.put(names("long"), NOW, body(vec![0; LONGEST + 1]));
        assert_eq!(answers.get(&names("long"), NOW), None);
        for number in 0..10 {
            answers.put(names(&number.to_string()), NOW, body(vec![0; LONGEST]));
        }
        for filter in [Filter::Labels(vec!["x".repeat(60_000)]), Filter::Prefixes(vec![String::new(); 60_000])] {
            let question = (Question::Packets(filter), Coding::Identity);
            answers.put(question.clone(), NOW, body(b"[]".to_vec()));
            assert_eq!(answers.get(&question, NOW), None);
        }
        let kept = answers.0.lock().unwrap();
        assert!(kept.bytes <= MOST_BYTES);
        assert_eq!(kept.bytes, kept.answers.len() * LONGEST);
    }
}
