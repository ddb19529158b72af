use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::HostName;
use crate::object::serde_as_object;

/// The beginning of all names of labels for relabelling.
const META_PREFIX: &str = "__meta_lobby_";

/// One element of a Prometheus HTTP SD document: the targets of one server and the labels they get.
///
/// The keys are written `Labels` and `Targets`, as lobby 1.x does; Prometheus takes them in any
/// case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct TargetGroup {
    /// Labels of every target of the group.
    #[serde(rename = "Labels", alias = "labels", default)]
    pub labels: BTreeMap<String, String>,
    /// What to scrape: `host:port`.
    #[serde(rename = "Targets", alias = "targets")]
    pub targets: Vec<String>,
}

serde_as_object!(TargetGroup);

impl TargetGroup {
    /// The labels for relabelling of a server: `__meta_lobby_hostname`, and
    /// `__meta_lobby_label_KEY` for each key of its labels, with `_` in the place of what cannot
    /// be in such a name. The values of a name stand between commas, also the first and the last
    /// one, so that `.*,VALUE,.*` matches any of them.
    pub fn meta_labels<L: AsRef<str>>(
        hostname: &HostName,
        labels: impl Iterator<Item = L>,
    ) -> BTreeMap<String, String> {
        let mut meta = BTreeMap::new();
        for label in labels {
            let (key, value) = label.as_ref().split_once(':').unwrap_or((label.as_ref(), ""));
            let name = format!("{META_PREFIX}label_{}", characters_of_name(key));
            // Several keys may become one name.
            let values: &mut String = meta.entry(name).or_insert_with(|| ",".to_owned());
            values.push_str(value);
            values.push(',');
        }
        meta.insert(format!("{META_PREFIX}hostname"), hostname.to_string());
        meta
    }
}

/// The key with `_` in the place of every character that a Prometheus label name cannot have behind
/// its first one.
fn characters_of_name(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_in_either_case_and_written_capitalised() {
        let group: TargetGroup =
            serde_json::from_str(r#"{"targets":["h:9100"],"labels":{"dc":"prague"}}"#).unwrap();
        let written = r#"{"Labels":{"dc":"prague"},"Targets":["h:9100"]}"#;
        assert_eq!(serde_json::to_string(&group).unwrap(), written);
        assert_eq!(serde_json::from_str::<TargetGroup>(written).unwrap(), group);
    }

    #[test]
    fn keys_that_become_one_name_keep_all_their_values() {
        let labels = ["a-b:1", "a_b:2", "drain"];
        let meta = TargetGroup::meta_labels(&HostName::parse("h").unwrap(), labels.into_iter());
        let expected = [
            ("__meta_lobby_hostname", "h"),
            ("__meta_lobby_label_a_b", ",1,2,"),
            ("__meta_lobby_label_drain", ",,"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(meta, BTreeMap::from(expected));
    }
}
