//! Things that were pointed out already, so that none is said again and again.

use std::collections::HashSet;
use std::hash::Hash;

/// Most things remembered. Further ones are not pointed out at all.
const MOST: usize = 10_000;

/// Things that were noticed once.
#[derive(Debug)]
pub struct Once<T>(HashSet<T>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<T: Eq + Hash + Clone> Once<T> {
    /// Those that were not noticed before; from now on they are.
    pub fn fresh(&mut self, things: Vec<T>) -> Vec<T> {
        things
            .into_iter()
            .filter(|thing| self.0.len() < MOST && self.0.insert(thing.clone()))
            .collect()
    }

    /// The things that were noticed.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_fresh_once() {
        let mut noticed = Once::default();
        assert_eq!(noticed.fresh(vec!["a", "b", "a"]), ["a", "b"]);
        assert_eq!(noticed.fresh(vec!["b", "c"]), ["c"]);
        assert_eq!(noticed.iter().count(), 3);
    }

    #[test]
    fn memory_is_bounded() {
        let mut noticed = Once::default();
        assert_eq!(noticed.fresh((0..MOST + 5).collect()).len(), MOST);
    }
}
