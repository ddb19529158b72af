//! Selectors of requests. Those with regular expressions are kept, as they take long to compile and
//! are asked again and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lobby_client::{InvalidSelector, Selector};
use lobby_core::select::params::QueryParams;

use crate::http::errors::ApiError;

/// Most regular expressions that are kept. Each may take half a megabyte.
const MAX_PATTERNS: usize = 64;

/// The selectors with regular expressions that were asked of late, by their text.
#[derive(Debug, Default)]
pub struct SelectorCache(Mutex<HashMap<String, Selector>>);

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
        if !text.contains('~') {
            return Selector::parse(text);
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(text).cloned();
        match known {
            Some(selector) => Ok(selector),
            None => Selector::parse(text).inspect(|selector| self.keep(text, selector)),
        }
    }

    fn keep(&self, text: &str, selector: &Selector) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let patterns: usize = kept.values().map(Selector::patterns).sum();
        if patterns + selector.patterns() > MAX_PATTERNS {
            kept.clear();
        }
        // One with a ~ in quotes only takes no time.
        if selector.patterns() > 0 {
            kept.insert(text.to_owned(), selector.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_means_what_it_did() {
        let cache = SelectorCache::default();
        for number in 0..200 {
            let text = format!("a=~'{number}' and b=~x");
            let first = cache.parse(&text).unwrap();
            let kept = cache.0.lock().unwrap().get(&text).cloned();
            assert_eq!((cache.parse(&text).unwrap(), kept), (first.clone(), Some(first)));
            let patterns: usize = cache.0.lock().unwrap().values().map(Selector::patterns).sum();
            assert!(patterns <= MAX_PATTERNS);
        }
    }

    #[test]
    fn neither_errors_nor_plain_selectors_are_kept() {
        let cache = SelectorCache::default();
        assert!(cache.parse("a=~'('").is_err());
        assert!(cache.parse("a='~' and b").is_ok());
        assert!(cache.0.lock().unwrap().is_empty());
    }
}
