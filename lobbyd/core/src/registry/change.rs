//! Changes of the registry: what happened to which host.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use lobby_client::selector::Condition;

use crate::registry::host::Host;
use crate::select::selection::Selection;
use crate::wire::packet_json::{PacketJson, unquoted};

/// The memory that a short label takes beside its letters, in bytes: pointer, length, and what the
/// allocator rounds up to.
const LABEL_OVERHEAD: usize = 48;

/// Most bytes of labels that a [`LabelSummary`] writes.
const SUMMARY_LEN: usize = 256;

/// A change of the list of hosts or of their labels.
#[derive(Debug, Clone)]
pub struct Change {
    /// The revision of the registry that the change made. Each change has its own, one higher than
    /// the one before.
    pub revision: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// The host as it is now, or as it was last.
    pub host: Arc<Host>,
}

impl Change {
    /// What it keeps alive, in bytes, as far as strangers decide on it.
    pub(crate) fn text_len(&self) -> usize {
        self.host.text().len() + self.kind.text_len()
    }
}

impl PartialEq for Change {
    fn eq(&self, other: &Self) -> bool {
        self.revision == other.revision
            && self.kind == other.kind
            && self.host.name() == other.host.name()
    }
}

impl Eq for Change {}

/// What happened to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was not here before.
    Joined,
    /// It has other labels than before. Both lists are sorted.
    Relabelled {
        /// The labels that it did not have before.
        added: Labels,
        /// The labels that it has no more.
        removed: Labels,
    },
    /// It said goodbye.
    Left,
    /// It was not heard for TTL.
    Expired,
    /// Its connection to the broker was closed, and it was not heard again.
    Lost,
}

/// Some labels, sorted.
pub type Labels = Box<[Box<str>]>;

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Joined => "host joined",
            Self::Relabelled { .. } => "host changed its labels",
            Self::Left => "host left",
            Self::Expired => "host expired",
            Self::Lost => "host lost",
        })
    }
}

impl Change {
    /// Whether the change is one of a host that a selector chooses now or chose before; otherwise
    /// whether it added or removed a label that a selection matches, with its host or alone.
    pub fn concerns(&self, selection: &Selection) -> bool {
        match (selection, &self.kind) {
            // A host without labels is one of all hosts, too.
            (Selection::All, _) => true,
            (Selection::Selector(selector), _) => {
                let condition = selector.condition();
                self.host.meets(condition) || self.met_before(condition)
            }
            (_, ChangeKind::Relabelled { added, removed }) => {
                added.iter().chain(removed).any(|label| selection.matches(label))
            }
            (_, ChangeKind::Joined | ChangeKind::Left | ChangeKind::Expired | ChangeKind::Lost) => {
                self.host.labels().any(|label| selection.matches(&label))
            }
        }
    }
}

impl Change {
    /// Whether a condition held for the host before the change; for one that left, as long as it
    /// was here.
    pub fn met_before(&self, condition: &Condition) -> bool {
        match &self.kind {
            ChangeKind::Joined => false,
            ChangeKind::Left | ChangeKind::Expired | ChangeKind::Lost => self.host.meets(condition),
            ChangeKind::Relabelled { added, removed } => {
                let kept = self.host.labels().filter(|label| !holds_label(added, label));
                let before = kept.chain(removed.iter().map(|label| Cow::Borrowed(&**label)));
                condition.holds(self.host.name().as_str(), before)
            }
        }
    }
}

fn holds_label(sorted: &Labels, label: &str) -> bool {
    sorted.binary_search_by(|other| (**other).cmp(label)).is_ok()
}

impl ChangeKind {
    /// The labels of `after` are not those of `before`.
    pub(crate) fn relabelled(before: &PacketJson, after: &PacketJson) -> Self {
        let (mut old, mut new) = (before.json_labels(), after.json_labels());
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        loop {
            let (gone, come) = (old.peek(), new.peek());
            if gone.is_some() && gone == come {
                old.next();
                new.next();
                continue;
            }
            let (gone, come) = (gone.map(unquoted), come.map(unquoted));
            match (gone, come) {
                (Some(gone), come) if come.as_ref().is_none_or(|come| gone < *come) => {
                    removed.push(gone.into());
                    old.next();
                }
                (_, Some(come)) => {
                    added.push(come.into());
                    new.next();
                }
                (_, None) => break,
            }
        }
        Self::Relabelled { added: added.into(), removed: removed.into() }
    }

    /// The memory that its labels take, in bytes.
    fn text_len(&self) -> usize {
        match self {
            Self::Relabelled { added, removed } => {
                added.iter().chain(removed).map(|label| label.len() + LABEL_OVERHEAD).sum()
            }
            Self::Joined | Self::Left | Self::Expired | Self::Lost => 0,
        }
    }
}

/// Writes some labels for a log, the first ones as they are and the others as their number.
#[derive(Debug, Clone, Copy)]
pub struct LabelSummary<'a>(pub &'a [Box<str>]);

impl fmt::Display for LabelSummary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut len = 0;
        for (number, label) in self.0.iter().enumerate() {
            len += label.len();
            if len > SUMMARY_LEN {
                return write!(
                    f,
                    "{}{} more",
                    if number == 0 { "" } else { " and " },
                    self.0.len() - number
                );
            }
            f.write_str(if number == 0 { "" } else { ", " })?;
            f.write_str(label)?;
        }
        Ok(())
    }
}

/// What a packet did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It told nothing new.
    Unchanged,
    /// It changed the registry.
    Changed(Arc<Change>),
    /// It came from another daemon that goes by the own name. The own host stands.
    DuplicateName,
}

impl From<Option<Arc<Change>>> for Applied {
    fn from(change: Option<Arc<Change>>) -> Self {
        change.map_or(Self::Unchanged, Self::Changed)
    }
}

#[cfg(test)]
mod tests {
    use lobby_client::{Discovery, HostName, Label};

    use super::*;
    use crate::index::host_id::HostId;

    fn packet(labels: &[&str]) -> PacketJson {
        let labels = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
        PacketJson::new(&Discovery::new(HostName::parse("a").unwrap(), labels))
    }

    fn labels(texts: &[&str]) -> Labels {
        texts.iter().map(|text| (*text).into()).collect()
    }

    #[test]
    fn a_change_of_labels_tells_what_came_and_what_went() {
        for (before, after, added, removed) in [
            (&["a", "b", "d"][..], &["b", "c", "e"][..], &["c", "e"][..], &["a", "d"][..]),
            (&[], &["x", "\"y\""], &["\"y\"", "x"], &[]),
            (&["x"], &[], &[], &["x"]),
        ] {
            let expected =
                ChangeKind::Relabelled { added: labels(added), removed: labels(removed) };
            assert_eq!(ChangeKind::relabelled(&packet(before), &packet(after)), expected);
        }
    }

    #[test]
    fn a_change_concerns_a_selector_that_chose_its_host_or_does_now() {
        let change = |before: &[&str], after: &[&str]| Change {
            revision: 1,
            kind: ChangeKind::relabelled(&packet(before), &packet(after)),
            host: Arc::new(Host::own(HostId(0), HostName::parse("a").unwrap(), packet(after), 0)),
        };
        let of = |selector: &str| Selection::Selector(selector.parse().unwrap());
        for (selector, before, after, expected) in [
            ("x and y", &["x", "z"][..], &["x", "y", "z"][..], [false, true]),
            ("x and y", &["x", "y", "z"], &["x", "z"], [true, true]),
            ("x", &["x"], &["x", "other"], [true, true]),
            ("x", &["y"], &["z"], [false, false]),
            ("not x", &["x"], &["y"], [false, true]),
            ("@hostname=a", &["x"], &[], [true, true]),
        ] {
            let change = change(before, after);
            let Selection::Selector(parsed) = of(selector) else { panic!("{selector}") };
            let before = change.met_before(parsed.condition());
            assert_eq!([before, change.concerns(&of(selector))], expected, "{selector}");
        }
    }

    #[test]
    fn a_summary_counts_the_labels_that_it_has_no_room_for() {
        let long = "x".repeat(SUMMARY_LEN - 1);
        for (texts, expected) in [
            (&["a", "b:1"][..], "a, b:1"),
            (&[], ""),
            (&["a", &long, "c", "d"], &format!("a, {long} and 2 more")),
            (&[&format!("{long}yy"), "z"], "2 more"),
        ] {
            assert_eq!(LabelSummary(&labels(texts)).to_string(), expected);
        }
    }
}
