//! What Prometheus takes as an answer of its HTTP service discovery. It refuses the whole of it for
//! a single fault.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// These two keys, each once, and no other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(rename = "Labels")]
    labels: Entries,
    #[serde(rename = "Targets")]
    targets: Vec<String>,
}

/// An object in the order in which it is written, repetitions included.
struct Entries(Vec<(String, String)>);

/// Panics unless Prometheus takes the document, and everything in it is sorted and there once.
pub(crate) fn assert_prometheus_takes(json: &[u8]) {
    let groups: Vec<Group> = serde_json::from_slice(json).expect("a list of groups");
    for Group { labels: Entries(labels), targets } in groups {
        assert!(labels.iter().all(|(name, _)| is_label_name(name)), "{labels:?}");
        assert!(labels.is_sorted_by(|(a, _), (b, _)| a < b), "{labels:?}");
        assert!(
            targets.iter().all(|target| !target.is_empty() && !target.contains('/')),
            "{targets:?}"
        );
        assert!(targets.is_sorted_by(|a, b| a < b), "{targets:?}");
    }
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
fn is_label_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
