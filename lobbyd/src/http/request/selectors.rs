//! Selectors of requests. They are kept, as they take a while to read and are asked again and
//! again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lobby_client::{InvalidSelector, Selector};
use lobby_core::select::params::QueryParams;

use crate::http::errors::ApiError;

/// Most regular expressions that are kept. Each may take half a megabyte.
const MAX_PATTERNS: usize = 64;

/// Most bytes of the texts of the selectors that are kept. What is made of a text may take twenty
/// times as much.
const MAX_TEXT_LEN: usize = 64 << 10;

/// The selectors that were asked of late.
#[derive(Debug, Default)]
pub struct SelectorCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By their text.
    selectors: HashMap<String, Selector>,
    patterns: usize,
    text_len: usize,
}

impl SelectorCache {
    /// The selector of a request.
    ///
    /// # Errors
    /// When it is invalid, or given beside another choice of servers.
    pub fn of(&self, params: &QueryParams) -> Result<Option<Selector>, ApiError> {
        let Some(text) = params.selector()? else { return Ok(None) };
        Ok(Some(self.parse(text)?))
    }

    fn parse(&self, text: &str) -> Result<Selector, InvalidSelector> {
        let known = self.kept().selectors.get(text).cloned();
        match known {
            Some(selector) => Ok(selector),
            // Not while others wait.
            None => Selector::parse(text).inspect(|selector| self.kept().keep(text, selector)),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Keeps a selector, and nothing else if it were too much.
    fn keep(&mut self, text: &str, selector: &Selector) {
        if self.patterns + selector.patterns() > MAX_PATTERNS
            || self.text_len + text.len() > MAX_TEXT_LEN
        {
            *self = Self::default();
        }
        if self.selectors.insert(text.to_owned(), selector.clone()).is_none() {
            self.patterns += selector.patterns();
            self.text_len += text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_means_what_it_did() {
        let cache = SelectorCache::default();
        let long = "b".repeat(1000);
        for number in 0..200 {
            for text in [format!("a=~'{number}' and b=~x"), format!("a={number} or {long}")] {
                let first = cache.parse(&text).unwrap();
                assert_eq!(cache.kept().selectors.get(&text), Some(&first));
                assert_eq!(cache.parse(&text).unwrap(), first);
                let (kept, mut patterns, mut text_len) = (cache.kept(), 0, 0);
                for (text, selector) in &kept.selectors {
                    patterns += selector.patterns();
                    text_len += text.len();
                }
                assert_eq!((kept.patterns, kept.text_len), (patterns, text_len));
                assert!(patterns <= MAX_PATTERNS && text_len <= MAX_TEXT_LEN);
            }
        }
    }

    #[test]
    fn errors_are_not_kept() {
        let cache = SelectorCache::default();
        assert!(cache.parse("a=~'('").is_err());
        assert!(cache.kept().selectors.is_empty());
    }
}
