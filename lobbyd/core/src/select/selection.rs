//! Selection: which hosts of a snapshot are asked for.

use std::collections::BTreeSet;

use lobby_client::{Filter, Selector};

use crate::select::prefix_set::PrefixSet;

/// A choice of hosts by their labels. However long its list is and however often it repeats itself,
/// each text is kept but once, so that two selections of the same hosts are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Selection {
    /// Every host.
    #[default]
    All,
    /// Hosts that have any of these labels.
    Labels(BTreeSet<String>),
    /// Hosts that have any label that begins with one of these texts.
    Prefixes(PrefixSet),
    /// Hosts that a selector chooses, as a whole.
    Selector(Selector),
}

impl Selection {
    /// Hosts that have exactly this label.
    pub fn label(label: &str) -> Self {
        Self::Labels(BTreeSet::from([label.to_owned()]))
    }

    /// Hosts that have any label that begins so.
    pub fn prefix(prefix: &str) -> Self {
        Self::Prefixes(PrefixSet::new([prefix.to_owned()]))
    }

    /// Whether hosts are selected as a whole, and not by some of their labels.
    pub fn is_of_whole_hosts(&self) -> bool {
        matches!(self, Self::All | Self::Selector(_))
    }

    /// Whether a label is one of those that a host is selected by; any is, if it is selected as a
    /// whole.
    pub fn matches(&self, label: &str) -> bool {
        match self {
            Self::All | Self::Selector(_) => true,
            Self::Labels(labels) => labels.contains(label),
            Self::Prefixes(prefixes) => prefixes.matches(label),
        }
    }

    /// Its selector, if it is one.
    pub fn selector_mut(&mut self) -> Option<&mut Selector> {
        if let Self::Selector(selector) = self { Some(selector) } else { None }
    }

    /// The memory that its texts take, in bytes.
    pub fn size(&self) -> usize {
        let size = |text: &String| text.len() + size_of::<String>();
        match self {
            Self::All => 0,
            Self::Labels(labels) => labels.iter().map(size).sum(),
            Self::Prefixes(prefixes) => prefixes.iter().map(size).sum(),
            Self::Selector(selector) => selector.as_str().len(),
        }
    }

    /// The number of its regular expressions, which take memory of their own.
    pub fn patterns(&self) -> usize {
        if let Self::Selector(selector) = self { selector.patterns() } else { 0 }
    }
}

impl From<Filter> for Selection {
    fn from(filter: Filter) -> Self {
        match filter {
            Filter::All => Self::All,
            Filter::Labels(labels) => Self::Labels(labels.into_iter().collect()),
            Filter::Prefixes(prefixes) => Self::Prefixes(PrefixSet::new(prefixes)),
            Filter::Selector(selector) => Self::Selector(selector),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_of_the_same_hosts_are_equal() {
        let [one, other] =
            [["b", "a", "b"], ["a", "b", "a"]].map(|list| list.map(str::to_owned).to_vec());
        assert_eq!(Selection::from(Filter::Labels(one)), Selection::from(Filter::Labels(other)));
        let [one, other] =
            [vec!["ab", "a"], vec!["a"]].map(|list| list.into_iter().map(str::to_owned).collect());
        assert_eq!(
            Selection::from(Filter::Prefixes(one)),
            Selection::from(Filter::Prefixes(other))
        );
    }

    #[test]
    fn labels_match_whole_and_prefixes_match_beginnings() {
        assert!(Selection::label("service:web").matches("service:web"));
        assert!(!Selection::label("service:web").matches("service:webmail"));
        assert!(Selection::prefix("service:web").matches("service:webmail"));
        assert!(Selection::All.matches("anything"));
    }
}
