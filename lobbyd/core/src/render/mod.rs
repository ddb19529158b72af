//! Rendering: hosts in, text out.

pub(crate) mod indent;
pub mod list;
pub mod metrics;
pub(crate) mod names;
pub(crate) mod packets;
pub mod prometheus;
pub mod status_text;

use lobby_client::Selector;

use crate::registry::snapshot::Snapshot;
use crate::render::prometheus::Meta;
use crate::select::selection::Selection;

/// A question about the fleet: which hosts, and in what form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// The hosts.
    pub selection: Selection,
    /// What is written of each.
    pub format: Format,
    /// How the list is laid out.
    pub layout: Layout,
}

/// The form in which a host is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Format {
    /// Its packet.
    Packets,
    /// Its packet, with those of its labels only that the selection matches.
    MatchingLabels,
    /// Its name.
    Names,
    /// Its Prometheus target group.
    TargetGroups {
        /// The name of the group.
        name: String,
        /// The port of targets that have none of their own.
        default_port: u16,
        /// Whether they have labels for relabelling, too.
        meta: Meta,
    },
}

/// The layout of JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Without white space.
    #[default]
    Compact,
    /// On several lines, indented, with a newline at the end.
    Pretty,
}

impl Query {
    /// All hosts as whole packets.
    pub const ALL_PACKETS: Self =
        Self { selection: Selection::All, format: Format::Packets, layout: Layout::Compact };

    /// The packets of a selection. Except for a selection of whole hosts, each shows the labels
    /// that it was selected by, as lobby 1.x does it.
    pub fn packets(selection: Selection) -> Self {
        let whole = selection.is_of_whole_hosts();
        let format = if whole { Format::Packets } else { Format::MatchingLabels };
        Self { selection, format, layout: Layout::Compact }
    }

    /// The names of the hosts that have a label.
    pub fn names(label: &str) -> Self {
        Self { selection: Selection::label(label), format: Format::Names, layout: Layout::Compact }
    }

    /// The names of the hosts that a selector chooses.
    pub fn names_of(selector: Selector) -> Self {
        let selection = Selection::Selector(selector);
        Self { selection, format: Format::Names, layout: Layout::Compact }
    }

    /// The Prometheus targets of a group.
    pub fn target_groups(name: String, default_port: u16) -> Self {
        let selection = Selection::prefix(&prometheus::label_prefix(&name));
        Self {
            selection,
            format: Format::TargetGroups { name, default_port, meta: Meta::Hidden },
            layout: Layout::Compact,
        }
    }

    /// The same question with labels for relabelling beside those of a Prometheus group.
    #[must_use]
    pub fn with_meta(mut self) -> Self {
        if let Format::TargetGroups { meta, .. } = &mut self.format {
            *meta = Meta::Shown;
        }
        self
    }

    /// The same question about those hosts that a selector chooses, as a whole.
    #[must_use]
    pub fn among(self, selector: Selector) -> Self {
        Self { selection: Selection::Selector(selector), ..self }
    }

    /// The same question with its answer in another layout.
    #[must_use]
    pub fn in_layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }

    /// Whether the answer shows when hosts were last heard, and so is another each second.
    pub fn shows_times(&self) -> bool {
        matches!(self.format, Format::Packets | Format::MatchingLabels)
    }

    /// Whether the answer is still that of an earlier revision, but for times.
    pub fn is_unchanged_since(&self, revision: u64, snapshot: &Snapshot) -> bool {
        // Labels for relabelling are made of labels by which no host was selected.
        let shows_others = matches!(self.format, Format::TargetGroups { meta: Meta::Shown, .. })
            && !self.selection.is_of_whole_hosts();
        !shows_others && snapshot.is_unchanged_since(revision, &self.selection)
    }

    /// The memory that its texts take, in bytes.
    pub fn size(&self) -> usize {
        let name =
            if let Format::TargetGroups { name, .. } = &self.format { name.len() } else { 0 };
        self.selection.size() + name
    }
}
