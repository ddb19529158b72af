//! Problems that come up: each is logged once each time, not at every look.

use std::collections::BTreeSet;

/// The problems of the last look.
#[derive(Debug)]
pub struct Transitions<P>(BTreeSet<P>);

impl<P> Default for Transitions<P> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<P: Ord + Clone> Transitions<P> {
    /// Takes the problems of a new look and returns those that the last one did not have. A problem
    /// that went away is new again when it returns.
    pub fn news(&mut self, problems: Vec<P>) -> Vec<P> {
        let news = problems.iter().filter(|problem| !self.0.contains(problem)).cloned().collect();
        self.0 = problems.into_iter().collect();
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_new_once_and_again_after_it_was_gone() {
        let mut known = Transitions::default();
        assert_eq!(known.news(vec!["x", "y"]), ["x", "y"]);
        assert_eq!(known.news(vec!["x", "y", "z"]), ["z"]);
        assert_eq!(known.news(vec!["y"]), [""; 0]);
        assert_eq!(known.news(vec!["y", "x"]), ["x"]);
    }
}
