//! Answers that were given once and are good for a while.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;
use lobby_client::Filter;

/// Longest answer that is kept, and most bytes in all of them.
const MOST_BYTES: usize = 8 << 20;

/// Longest question whose answer is kept, in bytes: it is kept, too. Nobody who asks the same again and again asks for that much.
const LONGEST_QUESTION: usize = 2048;

/// Most answers kept. Who asks for more different things has them made each time.
const MOST_ANSWERS: usize = 1000;

/// How many answers may be made at once.
const TURNS: usize = 16;

/// What can be asked of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Query {
    /// The packets that a filter lets through.
    Packets(Filter),
    /// The names of those that have a label.
    Names(String),
    /// The Prometheus targets of a group.
    Targets(String),
}

impl Query {
    /// Whether the answer tells when hosts were last heard.
    pub fn shows_times(&self) -> bool {
        matches!(self, Self::Packets(_))
    }

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
pub enum ContentCoding {
    /// Not at all.
    Identity,
    /// As gzip does it.
    Gzip,
}

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedBody {
    /// How it is packed. It is not for everybody who would take it so: short ones are not worth it.
    pub coding: ContentCoding,
    /// What is sent, one after the other.
    pub pieces: Arc<[Bytes]>,
}

impl CachedBody {
    /// An answer of these pieces.
    pub fn new(coding: ContentCoding, pieces: Vec<Bytes>) -> Self {
        Self { coding, pieces: pieces.into() }
    }

    fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }
}

/// What an answer tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Of what the registry knew.
    pub revision: u64,
    /// How many of those are alive.
    pub living: usize,
}

/// What somebody wishes to be given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// What is asked.
    pub question: Query,
    /// How the answer is to be packed.
    pub coding: ContentCoding,
}

/// The latest answers, bounded in number and size.
#[derive(Debug, Default)]
pub struct ResponseCache {
    kept: Mutex<Entries>,
    /// Who makes an answer holds the one that the wish is for, so that the others who wish for it wait and find it made.
    turns: [tokio::sync::Mutex<()>; TURNS],
    hasher: RandomState,
}

impl ResponseCache {
    /// The answer to a wish: one that was given before and is still good, or what `make` makes. It is good for the second
    /// `unix_seconds` of the wall clock, or for as long as the state is the same.
    ///
    /// # Errors
    /// Those of `make`.
    pub async fn get_or_make<E>(
        &self,
        wish: &CacheKey,
        state: Version,
        unix_seconds: Option<i64>,
        make: impl Future<Output = Result<CachedBody, E>>,
    ) -> Result<CachedBody, E> {
        if let Some(body) = self.kept().get(wish, state, unix_seconds) {
            return Ok(body);
        }
        let _turn = self.turn(wish).lock().await;
        let made_meanwhile = self.kept().get(wish, state, unix_seconds);
        if let Some(body) = made_meanwhile {
            return Ok(body);
        }
        let body = make.await?;
        self.kept().put(wish.clone(), state, unix_seconds, body.clone());
        Ok(body)
    }

    fn turn(&self, wish: &CacheKey) -> &tokio::sync::Mutex<()> {
        &self.turns[usize::try_from(self.hasher.hash_one(wish)).unwrap_or_default() % TURNS]
    }

    fn kept(&self) -> MutexGuard<'_, Entries> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers about one state.
#[derive(Debug, Default)]
struct Entries {
    state: Option<Version>,
    answers: HashMap<CacheKey, (Option<i64>, CachedBody)>,
    bytes: usize,
}

impl Entries {
    fn get(&self, wish: &CacheKey, state: Version, unix_seconds: Option<i64>) -> Option<CachedBody> {
        let (made, body) = self.answers.get(wish).filter(|_| self.state == Some(state))?;
        // Who waited while it was made may have asked a second earlier.
        let good = *made == unix_seconds || *made == unix_seconds.map(|asked| asked + 1);
        good.then(|| body.clone())
    }

    fn put(&mut self, wish: CacheKey, state: Version, unix_seconds: Option<i64>, body: CachedBody) {
        let len = body.len();
        if len > MOST_BYTES || wish.question.len() > LONGEST_QUESTION {
            return;
        }
        if self.state != Some(state) || self.answers.len() >= MOST_ANSWERS || self.bytes + len > MOST_BYTES {
            *self = Self { state: Some(state), ..Self::default() };
        }
        self.bytes += len;
        let replaced = self.answers.insert(wish, (unix_seconds, body));
        self.bytes -= replaced.map_or(0, |(_, body)| body.len());
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    const STATE: Version = Version { revision: 7, living: 3 };

    fn names(label: &str) -> CacheKey {
        CacheKey { question: Query::Names(label.to_owned()), coding: ContentCoding::Identity }
    }

    fn body(bytes: Vec<u8>) -> CachedBody {
        CachedBody::new(ContentCoding::Identity, vec![bytes.into()])
    }

    fn made(text: &str) -> impl Future<Output = Result<CachedBody, Infallible>> {
        ready(Ok(body(text.into())))
    }

    #[tokio::test]
    async fn an_answer_is_good_while_the_state_is_the_same_and_one_with_times_for_its_second() {
        let answers = ResponseCache::default();
        let ask = async |state, second, new| {
            answers.get_or_make(&names("a"), state, second, made(new)).await.unwrap().pieces[0].clone()
        };
        assert_eq!(ask(STATE, None, "1").await, "1");
        assert_eq!(ask(STATE, None, "2").await, "1");
        assert_eq!(ask(Version { living: 2, ..STATE }, None, "3").await, "3");
        assert_eq!(ask(STATE, None, "4").await, "4");
        assert_eq!(ask(STATE, Some(100), "5").await, "5");
        assert_eq!(ask(STATE, Some(100), "6").await, "5");
        assert_eq!(ask(STATE, Some(99), "7").await, "5", "it was made while one waited");
        assert_eq!(ask(STATE, Some(101), "8").await, "8");
        assert_eq!(ask(STATE, Some(20), "9").await, "9", "the clock was put back");
    }

    #[tokio::test]
    async fn who_asks_the_same_at_the_same_time_waits_for_one_maker() {
        let (answers, wish, made) = (ResponseCache::default(), names("a"), AtomicUsize::new(0));
        let make = async || {
            made.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(body(b"[]".to_vec()))
        };
        join_all((0..50).map(|_| answers.get_or_make(&wish, STATE, Some(100), make()))).await;
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn when_a_maker_gives_up_the_next_one_makes_it() {
        let (answers, wish) = (ResponseCache::default(), names("a"));
        let mut first = Box::pin(answers.get_or_make(&wish, STATE, None, pending::<Result<CachedBody, Infallible>>()));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(answers.get_or_make(&wish, STATE, None, made("made")));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert_eq!(second.await.unwrap().pieces[0], "made");
    }

    #[test]
    fn neither_many_nor_long_answers_fill_the_memory() {
        let mut kept = Entries::default();
        kept.put(names("long"), STATE, None, body(vec![0; MOST_BYTES + 1]));
        assert_eq!(kept.get(&names("long"), STATE, None), None);
        for number in 0..10 {
            kept.put(names(&number.to_string()), STATE, None, body(vec![0; MOST_BYTES / 4]));
        }
        for filter in [Filter::Labels(vec!["x".repeat(60_000)]), Filter::Prefixes(vec![String::new(); 60_000])] {
            let wish = CacheKey { question: Query::Packets(filter), coding: ContentCoding::Identity };
            kept.put(wish.clone(), STATE, None, body(b"[]".to_vec()));
            assert_eq!(kept.get(&wish, STATE, None), None);
        }
        assert!(kept.bytes <= MOST_BYTES);
        assert_eq!(kept.bytes, kept.answers.len() * MOST_BYTES / 4);
        for number in 0..MOST_ANSWERS * 2 {
            kept.put(names(&number.to_string()), STATE, None, body(vec![]));
        }
        assert!(kept.answers.len() <= MOST_ANSWERS);
    }
}
