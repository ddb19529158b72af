//! Plan: how the hosts that a selector chooses are found over the index.
//!
//! Of operands that must all hold, the one that leaves the fewest hosts is looked up, and those
//! hosts are asked for the others. Operands of which any may hold are looked up each. Only what
//! cannot be looked up is asked of every host.

use lobby_client::selector::{Condition, Key};

use crate::index::host_id::HostId;
use crate::index::label_index::LabelIndex;

#[cfg(test)]
mod tests;

/// The hosts among which a plan looks.
pub(crate) trait Fleet {
    /// Their labels.
    fn labels(&self) -> &LabelIndex;

    /// The number of hosts.
    fn count(&self) -> usize;

    /// Every host.
    fn all(&self) -> Vec<HostId>;

    /// The host of a name.
    fn named(&self, name: &str) -> Option<HostId>;

    /// Whether a condition holds for a host.
    fn holds(&self, id: HostId, condition: &Condition) -> bool;
}

/// The hosts for which a condition holds, in no order, some more than once.
pub(crate) fn find(condition: &Condition, fleet: &impl Fleet) -> Vec<HostId> {
    match condition {
        Condition::Has(Key::HostName) => fleet.all(),
        Condition::Has(Key::Label(key)) => {
            let (labels, with_value) = (fleet.labels(), format!("{key}:"));
            labels.with_label(key).chain(labels.with_prefix(&with_value)).collect()
        }
        Condition::In(Key::HostName, names) => {
            names.iter().filter_map(|name| fleet.named(name)).collect()
        }
        Condition::In(Key::Label(key), values) => {
            let labels = values.iter().map(|value| format!("{key}:{value}"));
            labels.flat_map(|label| fleet.labels().with_label(&label).collect::<Vec<_>>()).collect()
        }
        Condition::Matches(Key::HostName, _) => scan(condition, fleet),
        Condition::Matches(Key::Label(key), pattern) => {
            let begin = format!("{key}:{}", pattern.literal_prefix());
            let matches = |label: &str| pattern.matches(&label[key.len() + 1..]);
            fleet.labels().with_prefix_if(&begin, matches).collect()
        }
        Condition::Not(inner) if is_looked_up(inner) => all_but(find(inner, fleet), fleet),
        Condition::All(operands) => find_all(operands, fleet),
        Condition::Any(operands) if is_looked_up(condition) => {
            operands.iter().flat_map(|operand| find(operand, fleet)).collect()
        }
        Condition::Not(_) | Condition::Any(_) => scan(condition, fleet),
    }
}

/// Whether the index tells some hosts among which are all those for which a condition holds.
fn is_looked_up(condition: &Condition) -> bool {
    match condition {
        Condition::Has(Key::HostName)
        | Condition::Matches(Key::HostName, _)
        | Condition::Not(_) => false,
        Condition::Has(Key::Label(_))
        | Condition::In(..)
        | Condition::Matches(Key::Label(_), _) => true,
        Condition::All(operands) => operands.iter().any(is_looked_up),
        Condition::Any(operands) => operands.iter().all(is_looked_up),
    }
}

/// The hosts that [`find`] looks at, if the index tells that they are `most` or fewer.
pub(crate) fn looked_at(
    condition: &Condition,
    fleet: &impl Fleet,
    most: usize,
) -> Option<Vec<HostId>> {
    match condition {
        Condition::All(operands) => looked_at(rarest(operands, fleet)?, fleet, most),
        Condition::Has(_) | Condition::In(..) | Condition::Matches(..) => {
            let are_few = estimate(condition, fleet, most.saturating_add(1)) <= most;
            are_few.then(|| find(condition, fleet))
        }
        Condition::Any(_) | Condition::Not(_) => None,
    }
}

/// The operand that leaves the fewest hosts, if any leaves fewer than all.
fn rarest<'c>(operands: &'c [Condition], fleet: &impl Fleet) -> Option<&'c Condition> {
    // Those that take the least to be estimated come first: they limit how far others are looked
    // at.
    let (first, then): (Vec<_>, Vec<_>) =
        operands.iter().partition(|operand| matches!(operand, Condition::In(..)));
    let (mut rarest, mut limit) = (None, fleet.count().saturating_add(1));
    for operand in first.into_iter().chain(then) {
        let hosts = estimate(operand, fleet, limit);
        if hosts < limit {
            (rarest, limit) = (Some(operand), hosts);
        }
    }
    rarest
}

/// The hosts for which all operands hold.
fn find_all(operands: &[Condition], fleet: &impl Fleet) -> Vec<HostId> {
    let rarest = rarest(operands, fleet);
    let mut hosts = rarest.map_or_else(|| fleet.all(), |operand| find(operand, fleet));
    let others =
        operands.iter().filter(|operand| !rarest.is_some_and(|r| std::ptr::eq(r, *operand)));
    others.for_each(|other| hosts.retain(|host| fleet.holds(*host, other)));
    hosts
}

/// The greatest number of hosts that are looked up for a condition; it is not counted far beyond
/// `limit`.
fn estimate(condition: &Condition, fleet: &impl Fleet, limit: usize) -> usize {
    let labels = fleet.labels();
    match condition {
        Condition::Has(Key::HostName)
        | Condition::Matches(Key::HostName, _)
        | Condition::Not(_) => usize::MAX,
        Condition::Has(Key::Label(key)) => {
            labels.count_with_label(key) + labels.count_with_prefix(&format!("{key}:"), limit)
        }
        Condition::In(Key::HostName, names) => names.len(),
        Condition::In(Key::Label(key), values) => {
            values.iter().map(|value| labels.count_with_label(&format!("{key}:{value}"))).sum()
        }
        Condition::Matches(Key::Label(key), pattern) => {
            labels.count_with_prefix(&format!("{key}:{}", pattern.literal_prefix()), limit)
        }
        Condition::All(operands) => {
            let estimates = operands.iter().map(|operand| estimate(operand, fleet, limit));
            estimates.min().unwrap_or(usize::MAX)
        }
        Condition::Any(operands) => {
            let estimates = operands.iter().map(|operand| estimate(operand, fleet, limit));
            estimates.fold(0, usize::saturating_add)
        }
    }
}

fn scan(condition: &Condition, fleet: &impl Fleet) -> Vec<HostId> {
    let mut hosts = fleet.all();
    hosts.retain(|host| fleet.holds(*host, condition));
    hosts
}

fn all_but(mut others: Vec<HostId>, fleet: &impl Fleet) -> Vec<HostId> {
    others.sort_unstable();
    let mut hosts = fleet.all();
    hosts.retain(|host| others.binary_search(host).is_err());
    hosts
}
