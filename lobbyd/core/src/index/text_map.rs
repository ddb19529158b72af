//! A sorted map with texts for keys that is cheap to copy: copies share what neither side has
//! changed since.

use std::sync::Arc;

/// Most entries of a page. A change copies one page that a copy of the map shares, a copy of the
/// map copies one pointer a page.
const TEXT_PAGE_LEN: usize = 128;

/// A persistent map in the order of its keys, made of shared pages, none of them empty.
#[derive(Debug)]
pub struct TextMap<V> {
    pages: Vec<Arc<Page<V>>>,
    len: usize,
}

/// Some entries that follow each other. The keys stand in one text: a page holds them with little
/// more memory than their letters take.
#[derive(Debug, Clone)]
struct Page<V> {
    keys: String,
    /// Where each key ends.
    ends: Vec<u32>,
    values: Vec<V>,
}

impl<V> Default for TextMap<V> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<V> Clone for TextMap<V> {
    fn clone(&self) -> Self {
        Self { pages: self.pages.clone(), len: self.len }
    }
}

impl<V> TextMap<V> {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.pages.iter().flat_map(|page| &page.values)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&V> {
        let page = self.pages.get(self.page_for(key))?;
        Some(&page.values[page.search(key).ok()?])
    }

    /// The entries from a key on, which need not be there itself, in the order of their keys.
    pub fn iter_from(&self, key: &str) -> impl Iterator<Item = (&str, &V)> {
        let number = self.page_for(key);
        let begin =
            self.pages.get(number).map_or(0, |page| page.search(key).unwrap_or_else(|place| place));
        self.pages.get(number..).unwrap_or_default().iter().flat_map(|page| page.iter()).skip(begin)
    }

    /// The only page that can hold a key: the last one that does not begin behind it.
    fn page_for(&self, key: &str) -> usize {
        self.pages.partition_point(|page| page.is_empty() || page.key(0) <= key).saturating_sub(1)
    }
}

impl<V: Clone> TextMap<V> {
    /// The value of a key, to be changed in this copy of the map.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let number = self.page_for(key);
        let place = self.pages.get(number)?.search(key).ok()?;
        Some(&mut Arc::make_mut(&mut self.pages[number]).values[place])
    }

    /// Sets the value of a key and returns the one it had.
    pub fn insert(&mut self, key: &str, value: V) -> Option<V> {
        if self.pages.is_empty() {
            self.pages.push(Arc::default());
        }
        let number = self.page_for(key);
        let page = Arc::make_mut(&mut self.pages[number]);
        match page.search(key) {
            Ok(place) => Some(std::mem::replace(&mut page.values[place], value)),
            Err(place) => {
                page.insert(place, key, value);
                self.len += 1;
                if page.values.len() > TEXT_PAGE_LEN {
                    let upper = page.split_off(TEXT_PAGE_LEN / 2);
                    self.pages.insert(number + 1, Arc::new(upper));
                }
                None
            }
        }
    }

    /// Removes a key and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<V> {
        let number = self.page_for(key);
        let place = self.pages.get(number)?.search(key).ok()?;
        let page = Arc::make_mut(&mut self.pages[number]);
        let value = page.remove(place);
        self.len -= 1;
        if page.is_empty() {
            self.pages.remove(number);
        }
        Some(value)
    }
}

impl<V> Default for Page<V> {
    fn default() -> Self {
        Self { keys: String::new(), ends: Vec::new(), values: Vec::new() }
    }
}

impl<V> Page<V> {
    /// Room that a page is given when it is full, in entries and in bytes of keys. To double it
    /// would leave half of each page empty.
    const ROOM: (usize, usize) = (8, 256);

    fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn key(&self, place: usize) -> &str {
        &self.keys[self.begin(place)..self.end(place)]
    }

    fn begin(&self, place: usize) -> usize {
        place.checked_sub(1).map_or(0, |before| self.end(before))
    }

    fn end(&self, place: usize) -> usize {
        self.ends[place] as usize
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.values.iter().enumerate().map(|(place, value)| (self.key(place), value))
    }

    /// The place of a key, or the one where it belongs.
    fn search(&self, key: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.key(middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    fn insert(&mut self, place: usize, key: &str, value: V) {
        self.make_room(key.len());
        let (begin, len) = (self.begin(place), offset(key.len()));
        self.keys.insert_str(begin, key);
        self.ends.insert(place, offset(begin));
        self.ends[place..].iter_mut().for_each(|end| *end += len);
        self.values.insert(place, value);
    }

    fn make_room(&mut self, key_len: usize) {
        let (entries, bytes) = Self::ROOM;
        if self.values.len() == self.values.capacity() {
            self.values.reserve_exact(entries);
        }
        if self.ends.len() == self.ends.capacity() {
            self.ends.reserve_exact(entries);
        }
        if self.keys.capacity() - self.keys.len() < key_len {
            self.keys.reserve_exact(key_len + bytes);
        }
    }

    fn remove(&mut self, place: usize) -> V {
        let (begin, end) = (self.begin(place), self.end(place));
        self.keys.drain(begin..end);
        self.ends.remove(place);
        self.ends[place..].iter_mut().for_each(|later| *later -= offset(end - begin));
        self.values.remove(place)
    }

    fn split_off(&mut self, place: usize) -> Self {
        let begin = self.begin(place);
        let (keys, values) = (self.keys.split_off(begin), self.values.split_off(place));
        let ends = self.ends.split_off(place).into_iter().map(|end| end - offset(begin)).collect();
        self.keys.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.values.shrink_to_fit();
        Self { keys, ends, values }
    }
}

/// Keys are names and labels, of which a page holds some kilobytes.
fn offset(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::ops::Bound;

    proptest! {
        #[test]
        fn it_does_what_a_btree_map_does_and_copies_stay_as_they_were(
            steps in prop::collection::vec((any::<bool>(), "[ab]{0,8}é?"), 0..1500),
        ) {
            let (mut map, mut model) = (TextMap::default(), BTreeMap::new());
            let (mut copy, mut model_copy) = (map.clone(), model.clone());
            for (number, (insert, key)) in steps.into_iter().enumerate() {
                if insert {
                    prop_assert_eq!(map.insert(&key, number), model.insert(key.clone(), number));
                } else {
                    prop_assert_eq!(map.remove(&key), model.remove(&key));
                }
                if number == 700 {
                    (copy, model_copy) = (map.clone(), model.clone());
                }
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert_eq!(map.get_mut(&key), model.get_mut(&key));
                let from = model.range::<str, _>((Bound::Included(&*key), Bound::Unbounded));
                let from = from.map(|(key, value)| (key.as_str(), value));
                prop_assert!(map.iter_from(&key).take(3).eq(from.take(3)));
                prop_assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
            }
            for (map, model) in [(map, model), (copy, model_copy)] {
                prop_assert!(map.iter_from("").eq(model.iter().map(|(key, value)| (key.as_str(), value))));
                prop_assert!(map.values().eq(model.values()));
            }
        }
    }
}
