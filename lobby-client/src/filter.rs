use crate::Selector;

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
