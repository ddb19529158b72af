use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::object::serde_as_object;

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
}
