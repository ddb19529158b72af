//! Similar names: hosts whose names people take for one, although they are several.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::log::once::Once;

/// Finds host names that differ only in case or in a final dot, and tells of each once.
#[derive(Debug, Default)]
pub struct SimilarNames {
    /// How many hosts have a name that is not in its plain form, by that form. Hosts with plain
    /// names, which most have, cost nothing.
    odd: HashMap<Box<str>, usize>,
    told: Once<Box<str>>,
}

impl SimilarNames {
    /// A host joined. Returns whether to tell that there is one of a similar name; `is_known` says
    /// whether a host is here.
    pub fn joined(&mut self, name: &str, is_known: impl Fn(&str) -> bool) -> bool {
        let plain = plain(name);
        let odd = self.odd.get(&*plain).copied().unwrap_or_default();
        let is_odd = *plain != *name;
        if is_odd {
            self.odd.insert(plain.as_ref().into(), odd + 1);
        }
        let is_similar = odd > 0 || (is_odd && is_known(&plain));
        is_similar && !self.told.fresh(vec![name.into()]).is_empty()
    }

    /// A host left or expired.
    pub fn left(&mut self, name: &str) {
        let plain = plain(name);
        if *plain == *name {
            return;
        }
        if let Some(odd) = self.odd.get_mut(&*plain) {
            *odd -= 1;
            if *odd == 0 {
                self.odd.remove(&*plain);
            }
        }
    }
}

/// The form in which similar names are the same.
fn plain(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.chars().any(char::is_uppercase) { name.to_lowercase().into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Which of the names are told of if they join in this order.
    fn told<'a>(names: &[&'a str]) -> Vec<&'a str> {
        let (mut similar, mut here) = (SimilarNames::default(), BTreeSet::new());
        let mut joins = |name: &&&'a str| {
            here.insert(**name);
            similar.joined(name, |other| here.contains(other))
        };
        names.iter().filter(|name| joins(name)).copied().collect()
    }

    #[test]
    fn names_that_differ_in_case_or_a_dot_are_told_of() {
        assert_eq!(told(&["SRV9", "srv9", "srv9.", "Srv9"]), ["srv9", "srv9.", "Srv9"]);
        assert_eq!(told(&["srv9", "srv9.", "SRV9"]), ["srv9.", "SRV9"]);
        assert_eq!(told(&["SRV1", "srv2", "srv3.", "srv", "SRV"]), ["SRV"]);
    }

    #[test]
    fn a_name_is_told_of_once_and_not_beside_one_that_left() {
        let mut similar = SimilarNames::default();
        assert!(!similar.joined("SRV9", |_| false));
        similar.left("SRV9");
        assert!(!similar.joined("srv9", |_| false));
        similar.left("srv9");
        assert!(!similar.joined("SRV9", |_| false));
        assert!(similar.joined("srv9", |_| false));
        similar.left("srv9");
        assert!(!similar.joined("srv9", |_| false));
        similar.left("SRV9");
        assert!(similar.odd.is_empty());
    }
}
