//! What a filter asks for, in order: however long its list is and however often it repeats itself, each label is looked up but once.

use std::collections::BTreeSet;

/// The whole labels that are wanted.
pub fn labels(wanted: &[String]) -> BTreeSet<&str> {
    wanted.iter().map(String::as_str).collect()
}

/// The beginnings of labels that are wanted. None of them begins with another, which would only find the same labels again.
#[derive(Debug)]
pub struct PrefixSet<'a>(BTreeSet<&'a str>);

impl<'a> PrefixSet<'a> {
    /// The shortest of a list that stand for all of it.
    pub fn new(wanted: &'a [String]) -> Self {
        let mut shortest: Option<&str> = None;
        let mut prefixes = labels(wanted);
        // What begins with a prefix follows it in order.
        prefixes.retain(|prefix| {
            let new = shortest.is_none_or(|shortest| !prefix.starts_with(shortest));
            if new {
                shortest = Some(prefix);
            }
            new
        });
        Self(prefixes)
    }

    /// The prefixes themselves.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().copied()
    }

    /// Whether a label begins with one of them. Only the last one up to the label can be it: between a prefix and what begins with it
    /// stands nothing that does not begin with it, too.
    pub fn fit(&self, label: &str) -> bool {
        self.0.range(..=label).next_back().is_some_and(|prefix| label.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_prefix_of_another_stands_for_both() {
        let wanted = texts(&["ab", "b", "abc", "a", "b", "ac", "c:"]);
        assert_eq!(PrefixSet::new(&wanted).iter().collect::<Vec<_>>(), ["a", "b", "c:"]);
        assert_eq!(PrefixSet::new(&texts(&["x", "", "y"])).iter().collect::<Vec<_>>(), [""]);
    }

    proptest! {
        #[test]
        fn a_label_fits_if_it_begins_with_any_of_the_list(wanted in prop::collection::vec("[ab:]{0,3}", 0..6), label in "[ab:]{1,5}") {
            let expected = wanted.iter().any(|prefix| label.starts_with(prefix));
            prop_assert_eq!(PrefixSet::new(&wanted).fit(&label), expected);
        }
    }
}
