//! Prefix set: beginnings of labels, of which none begins with another.

use std::collections::BTreeSet;
use std::ops::Bound::{Included, Unbounded};

/// A minimal set of prefixes. One that begins with another would only find the same labels again,
/// so it is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PrefixSet(BTreeSet<String>);

impl PrefixSet {
    /// The shortest prefixes of a list that match what the whole list matches.
    pub fn new(wanted: impl IntoIterator<Item = String>) -> Self {
        let mut prefixes = BTreeSet::<String>::new();
        // Sorted, a prefix stands directly before all texts that begin with it.
        for prefix in wanted.into_iter().collect::<BTreeSet<_>>() {
            if prefixes.last().is_none_or(|shortest| !prefix.starts_with(shortest.as_str())) {
                prefixes.insert(prefix);
            }
        }
        Self(prefixes)
    }

    /// The prefixes themselves, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &String> {
        self.0.iter()
    }

    /// Whether a label begins with one of them. Only the greatest prefix up to the label can be
    /// that one: whatever stands between a prefix and a text that begins with it begins with it
    /// as well.
    pub fn matches(&self, label: &str) -> bool {
        let greatest = self.0.range::<str, _>((Unbounded, Included(label))).next_back();
        greatest.is_some_and(|prefix| label.starts_with(prefix.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefixes(list: &[&str]) -> Vec<String> {
        PrefixSet::new(list.iter().map(|text| (*text).to_owned())).iter().cloned().collect()
    }

    #[test]
    fn a_prefix_of_another_stands_for_both() {
        assert_eq!(prefixes(&["ab", "b", "abc", "a", "b", "ac", "c:"]), ["a", "b", "c:"]);
        assert_eq!(prefixes(&["x", "", "y"]), [""]);
    }

    proptest! {
        #[test]
        fn a_label_matches_if_it_begins_with_any_of_the_list(wanted in prop::collection::vec("[ab:]{0,3}", 0..6), label in "[ab:]{1,5}") {
            let expected = wanted.iter().any(|prefix| label.starts_with(prefix));
            prop_assert_eq!(PrefixSet::new(wanted).matches(&label), expected);
        }
    }
}
