//! A set of hosts that is cheap to copy: copies share what neither side has changed since.

use std::sync::Arc;

use crate::index::host_id::HostId;

/// Most members of a page. A change copies one page that a copy of the set shares.
const ID_PAGE_LEN: usize = 256;

/// Room that a page is given when it is full. To double it would leave half of each page empty.
const ROOM: usize = 8;

/// A persistent sorted set, made of shared sorted pages, none of them empty.
#[derive(Debug, Clone, Default)]
pub struct IdSet {
    pages: Vec<Arc<Vec<HostId>>>,
}

impl IdSet {
    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.pages.iter().map(|page| page.len()).sum()
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = HostId> {
        self.pages.iter().flat_map(|page| page.iter().copied())
    }

    /// Adds a host, if it is not in it yet.
    pub fn insert(&mut self, id: HostId) {
        if self.pages.is_empty() {
            self.pages.push(Arc::default());
        }
        let number = self.page_for(id);
        let Err(place) = self.pages[number].binary_search(&id) else { return };
        let page = Arc::make_mut(&mut self.pages[number]);
        if page.len() == page.capacity() {
            page.reserve_exact(ROOM);
        }
        page.insert(place, id);
        if page.len() > ID_PAGE_LEN {
            let upper = page.split_off(ID_PAGE_LEN / 2);
            page.shrink_to_fit();
            self.pages.insert(number + 1, Arc::new(upper));
        }
    }

    /// Removes a host, if it is in it.
    pub fn remove(&mut self, id: HostId) {
        let number = self.page_for(id);
        let Some(Ok(place)) = self.pages.get(number).map(|page| page.binary_search(&id)) else {
            return;
        };
        let page = Arc::make_mut(&mut self.pages[number]);
        page.remove(place);
        if page.is_empty() {
            self.pages.remove(number);
        }
    }

    /// The only page that can hold a host: the last one that does not begin behind it.
    fn page_for(&self, id: HostId) -> usize {
        self.pages
            .partition_point(|page| page.first().is_none_or(|first| *first <= id))
            .saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_does_what_a_btree_set_does_and_copies_stay_as_they_were(steps in prop::collection::vec((any::<bool>(), 0..900_u32), 0..2500)) {
            let (mut set, mut model) = (IdSet::default(), BTreeSet::new());
            let (mut copy, mut model_copy) = (set.clone(), model.clone());
            for (number, (insert, id)) in steps.into_iter().enumerate() {
                let id = HostId(id);
                if insert {
                    set.insert(id);
                    model.insert(id);
                } else {
                    set.remove(id);
                    model.remove(&id);
                }
                if number == 1200 {
                    (copy, model_copy) = (set.clone(), model.clone());
                }
                prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
            }
            prop_assert!(set.iter().eq(model));
            prop_assert!(copy.iter().eq(model_copy));
        }
    }
}
