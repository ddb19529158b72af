use serde::{Deserialize, Deserializer, Serialize};

use crate::object::serde_as_object;
use crate::{HostName, Label};

/// One server of the lobby as it tells about itself: the discovery packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Discovery {
    /// The server's name.
    pub hostname: HostName,
    /// Its labels, sorted bytewise and unique.
    #[serde(default, deserialize_with = "sorted_labels")]
    pub labels: Vec<Label>,
    /// When the answering daemon last heard from the server, in seconds since the Unix epoch; 0 in
    /// packets on the wire.
    #[serde(default)]
    pub last_check: i64,
}

serde_as_object!(Discovery);

impl Discovery {
    /// A packet as a server sends it: labels in order, `last_check` 0.
    pub fn new(hostname: HostName, mut labels: Vec<Label>) -> Self {
        labels.sort_unstable();
        labels.dedup();
        Self { hostname, labels, last_check: 0 }
    }
}

/// Reads labels in any order and with repetitions; lobby 1.x writes `null` for none.
fn sorted_labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Label>, D::Error> {
    let mut labels = Option::<Vec<Label>>::deserialize(deserializer)?.unwrap_or_default();
    labels.sort_unstable();
    labels.dedup();
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Discovery {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn null_and_missing_labels_are_no_labels() {
        assert_eq!(read(r#"{"hostname":"a","labels":null,"last_check":7}"#).labels, []);
        assert_eq!(
            read(r#"{"hostname":"a"}"#),
            Discovery::new(HostName::parse("a").unwrap(), vec![])
        );
    }

    #[test]
    fn an_array_is_not_a_packet() {
        let refused =
            serde_json::from_str::<Discovery>(r#"["a",["x"],7]"#).unwrap_err().to_string();
        assert!(refused.contains("sequence, expected an object"), "{refused}");
        assert!(serde_json::from_str::<Discovery>(r#"{"hostname":"a","hostname":"b"}"#).is_err());
        assert!(serde_json::from_str::<Vec<Discovery>>(r#"[["a"]]"#).is_err());
    }

    #[test]
    fn labels_come_out_sorted_and_unique_whatever_their_order() {
        let packet = read(r#"{"hostname":"a","labels":["b:2","a:1","b:2"],"extra":{}}"#);
        assert_eq!(
            serde_json::to_string(&packet).unwrap(),
            r#"{"hostname":"a","labels":["a:1","b:2"],"last_check":0}"#
        );
    }
}
