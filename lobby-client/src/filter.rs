use crate::{Label, Selector};

/// Which servers of a list are wanted, and which of their labels are shown.
///
/// The texts are compared as they stand: any text may be asked for, also one that no label can
/// have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Filter {
    /// Every server with all of its labels.
    #[default]
    All,
    /// Servers with at least one of these exact labels, each with its matching labels only.
    Labels(Vec<String>),
    /// Servers with at least one label that begins with one of these texts, each with its matching
    /// labels only.
    Prefixes(Vec<String>),
    /// Servers that a selector chooses, each with all of its labels.
    Selector(Selector),
}

impl Filter {
    /// Whether a label is one that is shown.
    pub fn matches(&self, label: &Label) -> bool {
        let label = label.as_str();
        match self {
            Self::All | Self::Selector(_) => true,
            Self::Labels(wanted) => wanted.iter().any(|wanted| wanted == label),
            Self::Prefixes(wanted) => {
                wanted.iter().any(|prefix| label.starts_with(prefix.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(filter: &Filter, label: &str) -> bool {
        filter.matches(&Label::parse(label).unwrap())
    }

    #[test]
    fn exact_labels_match_whole_and_prefixes_match_beginnings() {
        let wanted = vec!["service:web".to_owned()];
        assert!(matches(&Filter::Labels(wanted.clone()), "service:web"));
        assert!(!matches(&Filter::Labels(wanted.clone()), "service:webmail"));
        assert!(matches(&Filter::Prefixes(wanted), "service:webmail"));
    }

    #[test]
    fn the_empty_prefix_matches_every_label() {
        assert!(matches(&Filter::Prefixes(vec![String::new()]), "a"));
    }
}
