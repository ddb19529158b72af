//! Postings: the hosts of a name, by what can be said of them, so that an answer costs as much as
//! it says however many hosts have the name.

use crate::index::host_id::HostId;

/// What an answer says of hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    /// Their IPv4 addresses.
    V4,
    /// Their IPv6 addresses.
    V6,
    /// Their ports of a service.
    Service,
    /// Their labels, for hosts asked by name.
    Labels,
}

/// Which aspects a host has under a name.
pub(super) type Aspects = [bool; 4];

/// The hosts of a name. Most names have one.
#[derive(Debug, Clone)]
pub(super) enum Postings {
    /// One host.
    One(HostId, Aspects),
    /// Several hosts, or one that is left of them.
    Many(Box<Lists>),
}

/// Hosts with each of the aspects, sorted by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Lists {
    all: usize,
    by_aspect: [Vec<HostId>; 4],
}

impl Postings {
    /// The hosts that have an aspect, from one place on and then from the beginning.
    pub(super) fn with(&self, aspect: Aspect, rotation: usize) -> impl Iterator<Item = HostId> {
        let hosts: &[HostId] = match self {
            Self::One(host, aspects) if aspects[aspect as usize] => std::slice::from_ref(host),
            Self::One(..) => &[],
            Self::Many(lists) => &lists.by_aspect[aspect as usize],
        };
        let (end, begin) = hosts.split_at(rotation.checked_rem(hosts.len()).unwrap_or_default());
        begin.iter().chain(end).copied()
    }

    /// Adds a host that is not here.
    pub(super) fn insert(&mut self, host: HostId, aspects: Aspects) {
        if let Self::One(first, its_aspects) = *self {
            let mut lists = Box::<Lists>::default();
            lists.insert(first, its_aspects);
            *self = Self::Many(lists);
        }
        if let Self::Many(lists) = self {
            lists.insert(host, aspects);
        }
    }

    /// Removes a host that is here. Returns whether nobody is left.
    pub(super) fn remove(&mut self, host: HostId) -> bool {
        match self {
            Self::One(..) => true,
            Self::Many(lists) => lists.remove(host),
        }
    }
}

impl Lists {
    fn insert(&mut self, host: HostId, aspects: Aspects) {
        self.all += 1;
        for (list, _) in self.by_aspect.iter_mut().zip(aspects).filter(|(_, has_it)| *has_it) {
            if let Err(place) = list.binary_search(&host) {
                list.insert(place, host);
            }
        }
    }

    fn remove(&mut self, host: HostId) -> bool {
        self.all = self.all.saturating_sub(1);
        for list in &mut self.by_aspect {
            if let Ok(place) = list.binary_search(&host) {
                list.remove(place);
            }
        }
        self.all == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(postings: &Postings, aspect: Aspect, rotation: usize) -> Vec<u32> {
        postings.with(aspect, rotation).map(|host| host.0).collect()
    }

    #[test]
    fn hosts_are_found_by_aspect_in_any_rotation() {
        let mut postings = Postings::One(HostId(7), [true, false, false, false]);
        assert_eq!(
            (with(&postings, Aspect::V4, 9), with(&postings, Aspect::V6, 9)),
            (vec![7], vec![])
        );
        postings.insert(HostId(3), [true, true, false, false]);
        postings.insert(HostId(5), [true, false, false, false]);
        assert_eq!(with(&postings, Aspect::V4, 0), [3, 5, 7]);
        assert_eq!(with(&postings, Aspect::V4, 7), [5, 7, 3]);
        assert_eq!(with(&postings, Aspect::V6, 7), [3]);
        assert!(with(&postings, Aspect::Service, 7).is_empty());
    }

    #[test]
    fn nobody_is_left_when_the_last_one_goes() {
        let mut postings = Postings::One(HostId(7), [false; 4]);
        postings.insert(HostId(3), [true; 4]);
        assert!(!postings.remove(HostId(3)));
        assert!(with(&postings, Aspect::V4, 0).is_empty());
        assert!(postings.remove(HostId(7)));
        assert!(Postings::One(HostId(7), [true; 4]).remove(HostId(7)));
    }
}
