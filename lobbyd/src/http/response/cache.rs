//! Response cache: answers that are made once for all who ask the same, and kept for a while.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lobby_core::render::Query;

use crate::http::response::body::{CachedBody, ContentCoding};

/// Most bytes in all answers that are kept.
pub(super) const MAX_BYTES: usize = 8 << 20;

/// Largest query whose answer is kept, in bytes, as it is kept, too. Long queries are rarely
/// repeated.
const MAX_QUERY_SIZE: usize = 2048;

/// What a regular expression of a query that is kept counts, in bytes: about as much as it may take
/// once it is used.
const PATTERN_SIZE: usize = 128 << 10;

/// Most answers kept.
const MAX_ENTRIES: usize = 1000;

/// The state of the fleet that an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The revision of the snapshot.
    pub revision: u64,
    /// The number of its hosts that are alive.
    pub living: usize,
    /// The number of its hosts that have expired, but were not removed yet.
    pub expired: usize,
}

impl Version {
    /// Whether this is the state of a snapshot, or one that came after it.
    fn is_as_new_as(self, other: Self) -> bool {
        self.revision > other.revision
            || (self.revision == other.revision && self.living <= other.living)
    }
}

/// The moment that an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerTime {
    /// The state of the fleet.
    pub version: Version,
    /// The wall clock, in seconds since the Unix epoch.
    pub unix_seconds: i64,
}

/// What the answers of one moment differ by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    /// The question.
    pub query: Query,
    /// The coding that the client prefers.
    pub coding: ContentCoding,
}

impl CacheKey {
    fn is_kept(&self) -> bool {
        self.query.size() <= MAX_QUERY_SIZE
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The moment that it is about.
    pub at: AnswerTime,
    /// What answers have in common that say the same but for times; `None` where their version
    /// tells.
    pub fingerprint: Option<u64>,
    /// What is sent; `None` if it is too long to be made as a whole.
    pub body: Option<CachedBody>,
}

/// The latest answers, bounded in number and size. Each is made by one request at a time, for all
/// who wait for it.
#[derive(Debug, Default)]
pub struct ResponseCache {
    entries: Mutex<Entries>,
    turns: Mutex<HashMap<CacheKey, Arc<tokio::sync::Mutex<()>>>>,
    /// Makes the fingerprints, which nobody can foretell.
    hasher: RandomState,
}

impl ResponseCache {
    /// The answer to a question that is asked now: one that is kept and still good, or what `make`
    /// makes. An answer about an earlier version is good if it is `unchanged` since. `make` is
    /// called when it is this request's turn, so that it takes the latest state. A request that
    /// waits for another one's answer takes that answer, if its making began later than the request
    /// came.
    ///
    /// # Errors
    /// Those of `make`.
    pub async fn get_or_make<E>(
        &self,
        key: &CacheKey,
        now: AnswerTime,
        unchanged: impl Fn(Version) -> bool,
        make: impl AsyncFnOnce() -> Result<Made, E>,
    ) -> Result<Made, E> {
        if !key.is_kept() {
            return make().await;
        }
        let asked = match self.entries().get(key, now, &unchanged) {
            Ok(made) => return Ok(made),
            Err(asked) => asked,
        };
        let turn = self.turn(key);
        let _held = turn.lock.lock().await;
        let started = match self.entries().get_later(key, now, &unchanged, asked) {
            Ok(made) => return Ok(made),
            Err(started) => started,
        };
        let made = make().await?;
        self.entries().put(key, Entry { started, made: made.clone() });
        Ok(made)
    }

    /// What fingerprints of answers are made with.
    pub fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    fn turn<'a>(&'a self, key: &'a CacheKey) -> Turn<'a> {
        let lock = Arc::clone(lock(&self.turns).entry(key.clone()).or_default());
        Turn { cache: self, key, lock }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        lock(&self.entries)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to make an answer, shared by those who wait for it.
struct Turn<'a> {
    cache: &'a ResponseCache,
    key: &'a CacheKey,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut turns = lock(&self.cache.turns);
        // Given up while the table is locked: of two that end at once, the later one sees it.
        drop(std::mem::take(&mut self.lock));
        if turns.get(self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            turns.remove(self.key);
        }
    }
}

/// The number of an event in the cache: of two events the later one has the greater number.
type Tick = u64;

/// Answers that are kept.
#[derive(Debug, Default)]
struct Entries {
    answers: HashMap<CacheKey, Entry>,
    bytes: usize,
    last_tick: Tick,
}

#[derive(Debug)]
struct Entry {
    /// When the making began.
    started: Tick,
    made: Made,
}

/// The memory that is counted for an answer and its question, in bytes.
fn size(key: &CacheKey, entry: &Entry) -> usize {
    let body = entry.made.body.as_ref().map_or(0, |body| body.bytes.len());
    body + key.query.selection.patterns() * PATTERN_SIZE
}

impl Entries {
    /// An answer that is as good as one made now, else the tick of this question.
    fn get(
        &mut self,
        key: &CacheKey,
        now: AnswerTime,
        unchanged: impl Fn(Version) -> bool,
    ) -> Result<Made, Tick> {
        let made = self.answers.get_mut(key).map(|entry| &mut entry.made);
        let in_time =
            |made: &Made| !key.query.shows_times() || made.at.unix_seconds == now.unix_seconds;
        let Some(made) = made.filter(|made| in_time(made)) else { return Err(self.last_tick) };
        if !made.at.version.is_as_new_as(now.version) {
            if !unchanged(made.at.version) {
                return Err(self.last_tick);
            }
            made.at.version = now.version;
        }
        Ok(made.clone())
    }

    /// An answer that is as good as one made at the time of a question, or that was begun later,
    /// else the tick at which this request may begin to make one.
    fn get_later(
        &mut self,
        key: &CacheKey,
        now: AnswerTime,
        unchanged: impl Fn(Version) -> bool,
        asked: Tick,
    ) -> Result<Made, Tick> {
        if let Ok(made) = self.get(key, now, unchanged) {
            return Ok(made);
        }
        if let Some(entry) = self.answers.get(key).filter(|entry| entry.started > asked) {
            return Ok(entry.made.clone());
        }
        self.last_tick += 1;
        Err(self.last_tick)
    }

    fn put(&mut self, key: &CacheKey, entry: Entry) {
        let len = size(key, &entry);
        if len > MAX_BYTES {
            return;
        }
        self.remove(key);
        if self.is_full(len) {
            self.retain(|kept| kept.made.at.version == entry.made.at.version);
        }
        if self.is_full(len) {
            self.retain(|_| false);
        }
        self.bytes += len;
        self.answers.insert(key.clone(), entry);
    }

    /// Whether there is no room for an answer of this length.
    fn is_full(&self, len: usize) -> bool {
        self.answers.len() >= MAX_ENTRIES || self.bytes + len > MAX_BYTES
    }

    fn remove(&mut self, key: &CacheKey) {
        let removed = self.answers.remove_entry(key);
        self.bytes -= removed.map_or(0, |(key, entry)| size(&key, &entry));
    }

    fn retain(&mut self, good: impl Fn(&Entry) -> bool) {
        self.answers.retain(|_, entry| good(entry));
        self.bytes = self.answers.iter().map(|(key, entry)| size(key, entry)).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;
    use std::future::pending;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use lobby_client::Filter;

    use super::*;

    const NOW: AnswerTime =
        AnswerTime { version: Version { revision: 7, living: 3, expired: 0 }, unix_seconds: 100 };

    fn changed(_: Version) -> bool {
        false
    }

    fn at_revision(revision: u64) -> AnswerTime {
        AnswerTime { version: Version { revision, ..NOW.version }, ..NOW }
    }

    fn key(query: Query) -> CacheKey {
        CacheKey { query, coding: ContentCoding::Identity }
    }

    fn names(label: &str) -> CacheKey {
        key(Query::names(label))
    }

    fn made(at: AnswerTime, bytes: impl Into<Vec<u8>>) -> Made {
        let bytes = bytes.into().into();
        Made {
            at,
            fingerprint: None,
            body: Some(CachedBody { coding: ContentCoding::Identity, bytes }),
        }
    }

    /// Asks at a moment; what is made then is this text.
    async fn ask(cache: &ResponseCache, key: &CacheKey, at: AnswerTime, new: &str) -> String {
        let Ok::<_, Infallible>(made) =
            cache.get_or_make(key, at, changed, async || Ok(made(at, new))).await;
        String::from_utf8(made.body.unwrap().bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_answer_is_good_while_the_state_is_the_same() {
        let (cache, key) = (ResponseCache::default(), names("a"));
        assert_eq!(ask(&cache, &key, NOW, "1").await, "1");
        assert_eq!(ask(&cache, &key, AnswerTime { unix_seconds: 101, ..NOW }, "2").await, "1");
        let death = AnswerTime { version: Version { living: 2, ..NOW.version }, ..NOW };
        assert_eq!(ask(&cache, &key, death, "3").await, "3");
        assert_eq!(ask(&cache, &key, at_revision(8), "4").await, "4");
    }

    #[tokio::test]
    async fn an_answer_with_times_is_good_for_its_second() {
        let (cache, key) = (ResponseCache::default(), key(Query::ALL_PACKETS));
        assert_eq!(ask(&cache, &key, NOW, "1").await, "1");
        assert_eq!(ask(&cache, &key, NOW, "2").await, "1");
        assert_eq!(ask(&cache, &key, AnswerTime { unix_seconds: 101, ..NOW }, "3").await, "3");
        assert_eq!(
            ask(&cache, &key, AnswerTime { unix_seconds: 20, ..NOW }, "4").await,
            "4",
            "the clock was put back"
        );
    }

    #[tokio::test]
    async fn an_answer_that_no_change_concerns_is_good_for_later_states() {
        let (cache, key) = (ResponseCache::default(), names("a"));
        let ask = async |revision, unchanged: bool| {
            let make =
                async || Ok::<_, Infallible>(made(at_revision(revision), revision.to_string()));
            let Ok(made) =
                cache.get_or_make(&key, at_revision(revision), |_| unchanged, make).await;
            (
                made.at.version.revision,
                String::from_utf8(made.body.unwrap().bytes.to_vec()).unwrap(),
            )
        };
        assert_eq!(ask(7, false).await, (7, "7".to_owned()));
        assert_eq!(ask(8, true).await, (8, "7".to_owned()));
        assert_eq!(ask(7, false).await, (8, "7".to_owned()), "a request that saw an older state");
        assert_eq!(ask(9, false).await, (9, "9".to_owned()));
    }

    #[tokio::test]
    async fn another_state_takes_no_answer_to_another_question_away() {
        let cache = ResponseCache::default();
        assert_eq!(ask(&cache, &names("a"), NOW, "1").await, "1");
        assert_eq!(ask(&cache, &names("b"), at_revision(6), "2").await, "2");
        assert_eq!(ask(&cache, &names("a"), NOW, "3").await, "1");
    }

    /// Makes an answer that says how many were made before, while others have their turn.
    async fn count(number: &Cell<u64>) -> Result<Made, Infallible> {
        number.set(number.get() + 1);
        tokio::task::yield_now().await;
        Ok(made(at_revision(number.get()), number.get().to_string()))
    }

    #[tokio::test]
    async fn an_answer_is_made_once_for_all_who_ask_in_one_state() {
        let (cache, key, number) = (ResponseCache::default(), names("a"), Cell::new(0));
        let ask =
            || cache.get_or_make(&key, at_revision(1), changed, async || count(&number).await);
        join_all((0..50).map(|_| ask())).await;
        assert_eq!(number.get(), 1);
    }

    #[tokio::test]
    async fn an_answer_is_made_once_for_all_who_wait_in_many_states() {
        let (cache, key, number) = (ResponseCache::default(), names("a"), Cell::new(0));
        let ask = |revision| {
            cache.get_or_make(&key, at_revision(revision), changed, async || count(&number).await)
        };
        let answers = join_all((100..150).map(ask)).await;
        let revisions: Vec<_> =
            answers.into_iter().flatten().map(|answer| answer.at.version.revision).collect();
        // All but the first asked after the first answer was begun: it may lack what they know of.
        assert_eq!((revisions[0], &revisions[1..], number.get()), (1, &[2; 49][..], 2));
    }

    #[tokio::test]
    async fn requests_that_are_given_up_leave_no_turn_behind() {
        let (cache, key) = (ResponseCache::default(), names("a"));
        let never = async || pending::<Result<Made, Infallible>>().await;
        let mut asked: Vec<_> =
            (0..10).map(|_| Box::pin(cache.get_or_make(&key, NOW, changed, never))).collect();
        assert!(asked.iter_mut().all(|ask| ask.as_mut().now_or_never().is_none()));
        asked.truncate(1);
        assert_eq!(lock(&cache.turns).len(), 1);
        drop(asked);
        assert_eq!(lock(&cache.turns).len(), 0);
        assert_eq!(ask(&cache, &key, NOW, "next").await, "next");
    }

    #[tokio::test]
    async fn a_slow_answer_holds_up_no_other_question() {
        let cache = ResponseCache::default();
        let never = async || pending::<Result<Made, Infallible>>().await;
        let slow = names("slow");
        let mut slow = Box::pin(cache.get_or_make(&slow, NOW, changed, never));
        assert!(slow.as_mut().now_or_never().is_none());
        for number in 0..100 {
            let label = number.to_string();
            assert_eq!(
                ask(&cache, &names(&label), NOW, "quick").now_or_never().as_deref(),
                Some("quick")
            );
        }
    }

    #[tokio::test]
    async fn when_a_maker_gives_up_the_next_one_makes_it() {
        let (cache, key) = (ResponseCache::default(), names("a"));
        let never = async || pending::<Result<Made, Infallible>>().await;
        let mut first = Box::pin(cache.get_or_make(&key, NOW, changed, never));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(ask(&cache, &key, NOW, "made"));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert_eq!(second.await, "made");
        assert!(lock(&cache.turns).is_empty());
    }

    #[tokio::test]
    async fn a_long_query_is_not_kept() {
        let cache = ResponseCache::default();
        let long = [
            Filter::Labels(vec!["x".repeat(60_000)]),
            Filter::Prefixes((10_000..20_000).map(|number| number.to_string()).collect()),
        ];
        for key in long.map(|filter| key(Query::packets(filter.into()))) {
            assert_eq!(ask(&cache, &key, NOW, "1").await, "1");
            assert_eq!(ask(&cache, &key, NOW, "2").await, "2");
        }
    }

    #[test]
    fn neither_many_nor_long_answers_fill_the_memory() {
        let mut entries = Entries::default();
        let mut put = |key: CacheKey, len| {
            entries.put(&key, Entry { started: 1, made: made(NOW, vec![0; len]) });
            assert!(entries.bytes <= MAX_BYTES && entries.answers.len() <= MAX_ENTRIES);
            assert_eq!(
                entries.bytes,
                entries.answers.iter().map(|(key, entry)| size(key, entry)).sum::<usize>()
            );
            entries.get(&key, NOW, changed).is_ok()
        };
        assert!(!put(names("long"), MAX_BYTES + 1));
        for number in 0..10 {
            assert!(put(names(&number.to_string()), MAX_BYTES / 4));
        }
        assert!(put(names("0"), 7));
        for number in 0..MAX_ENTRIES * 2 {
            assert!(put(names(&number.to_string()), 0));
        }
        for number in 0..MAX_BYTES / PATTERN_SIZE * 2 {
            let selector = format!("a=~{number} or b=~x").parse().unwrap();
            assert!(put(key(Query::names_of(selector)), 0));
        }
        assert!(entries.answers.len() <= MAX_BYTES / PATTERN_SIZE / 2);
    }

    #[test]
    fn answers_about_an_older_state_go_first() {
        let mut entries = Entries::default();
        for (label, at) in [("old", at_revision(6)), ("a", NOW), ("b", NOW), ("c", NOW)] {
            entries
                .put(&names(label), Entry { started: 1, made: made(at, vec![0; MAX_BYTES / 3]) });
        }
        let kept = ["old", "a", "b", "c"].map(|label| entries.answers.contains_key(&names(label)));
        assert_eq!(kept, [false, true, true, true]);
    }
}
