//! A sorted map that is cheap to copy: copies share what neither side has changed since.

use std::borrow::Borrow;
use std::sync::Arc;

/// Most entries of a chunk. A change copies one chunk, a copy of the map copies one pointer a chunk.
const CHUNK_LEN: usize = 128;

/// A persistent map in the order of its keys, made of shared sorted chunks, none of them empty.
#[derive(Debug)]
pub struct SortedMap<K, V> {
    chunks: Vec<Arc<Vec<(K, V)>>>,
    len: usize,
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<K, V> Clone for SortedMap<K, V> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), len: self.len }
    }
}

impl<K, V> SortedMap<K, V> {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value)))
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord + Clone, V: Clone> SortedMap<K, V> {
    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let chunk = self.chunks.get(self.chunk_for(key))?;
        let place = search(chunk, key).ok()?;
        Some(&chunk[place].1)
    }

    /// The value of a key, to be changed in this copy of the map.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let number = self.chunk_for(key);
        let place = search(self.chunks.get(number)?, key).ok()?;
        Some(&mut Arc::make_mut(&mut self.chunks[number])[place].1)
    }

    /// The entries from a key on, which need not be there itself, in the order of their keys.
    pub fn iter_from<Q: Ord + ?Sized>(&self, key: &Q) -> impl Iterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        let number = self.chunk_for(key);
        let begin = self.chunks.get(number).map_or(0, |chunk| chunk.partition_point(|(here, _)| here.borrow() < key));
        let chunks = self.chunks.get(number..).unwrap_or_default();
        chunks.iter().flat_map(|chunk| chunk.iter()).skip(begin).map(|(key, value)| (key, value))
    }

    /// Sets the value of a key and returns the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.chunks.is_empty() {
            self.chunks.push(Arc::default());
        }
        let number = self.chunk_for(&key);
        let chunk = Arc::make_mut(&mut self.chunks[number]);
        match search(chunk, &key) {
            Ok(place) => Some(std::mem::replace(&mut chunk[place].1, value)),
            Err(place) => {
                chunk.insert(place, (key, value));
                self.len += 1;
                self.split_if_full(number);
                None
            }
        }
    }

    /// Removes a key and returns its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let number = self.chunk_for(key);
        let place = search(self.chunks.get(number)?, key).ok()?;
        let chunk = Arc::make_mut(&mut self.chunks[number]);
        let (_, value) = chunk.remove(place);
        self.len -= 1;
        if chunk.is_empty() {
            self.chunks.remove(number);
        }
        Some(value)
    }

    /// The only chunk that can hold a key: the last one that does not begin behind it.
    fn chunk_for<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        let behind =
            self.chunks.partition_point(|chunk| chunk[..].first().is_some_and(|(first, _)| first.borrow() <= key));
        behind.saturating_sub(1)
    }

    fn split_if_full(&mut self, number: usize) {
        let chunk = Arc::make_mut(&mut self.chunks[number]);
        if chunk.len() > CHUNK_LEN {
            let upper = chunk.split_off(CHUNK_LEN / 2);
            chunk.shrink_to_fit();
            self.chunks.insert(number + 1, Arc::new(upper));
        }
    }
}

fn search<K: Borrow<Q>, V, Q: Ord + ?Sized>(chunk: &[(K, V)], key: &Q) -> Result<usize, usize> {
    chunk.binary_search_by(|(here, _)| here.borrow().cmp(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_does_what_a_btree_map_does_and_copies_stay_as_they_were(steps in prop::collection::vec((any::<bool>(), 0..600_u16), 0..1500)) {
            let (mut map, mut model) = (SortedMap::default(), BTreeMap::new());
            let (mut copy, mut model_copy) = (map.clone(), model.clone());
            for (number, (insert, key)) in steps.into_iter().enumerate() {
                if insert {
                    prop_assert_eq!(map.insert(key, number), model.insert(key, number));
                } else {
                    prop_assert_eq!(map.remove(&key), model.remove(&key));
                }
                if number == 700 {
                    (copy, model_copy) = (map.clone(), model.clone());
                }
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert_eq!(map.get_mut(&key), model.get_mut(&key));
                prop_assert!(map.iter_from(&key).take(3).eq(model.range(key..).take(3)));
                prop_assert_eq!(map.len(), model.len());
            }
            prop_assert!(map.iter().eq(model.iter()));
            prop_assert!(copy.iter().eq(model_copy.iter()));
        }
    }
}
