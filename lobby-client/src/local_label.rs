use serde::{Deserialize, Serialize};

use crate::Label;
use crate::object::serde_as_object;

/// A label of the daemon's own server with where it comes from: what `GET /v1/labels` lists.
///
/// A label that comes from several places is listed once for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct LocalLabel {
    /// The label.
    pub label: Label,
    /// Where it comes from.
    pub source: LabelOrigin,
    /// The file that holds it, for [`LabelOrigin::File`] and [`LabelOrigin::Runtime`].
    #[serde(default)]
    pub file: Option<String>,
    /// When it ends, in seconds since the Unix epoch, for [`LabelOrigin::Lease`].
    #[serde(default)]
    pub until: Option<i64>,
}

serde_as_object!(LocalLabel);

/// Where a label of the daemon's own server comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LabelOrigin {
    /// The setting LABELS.
    Env,
    /// A label file.
    File,
    /// It was added at run time, for good.
    Runtime,
    /// It was added at run time, for a while.
    Lease,
    /// The daemon found it out (FACTS).
    Fact,
    /// Another place, which this library does not know.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_with_its_origin_also_an_unknown_one() {
        let json = r#"{"label":"a:1","source":"lease","file":null,"until":7}"#;
        let label: LocalLabel = serde_json::from_str(json).unwrap();
        assert_eq!((label.source, label.until), (LabelOrigin::Lease, Some(7)));
        assert_eq!(serde_json::to_string(&label).unwrap(), json);
        let later: LocalLabel =
            serde_json::from_str(r#"{"label":"a:1","source":"cloud","more":1}"#).unwrap();
        assert_eq!(later.source, LabelOrigin::Other);
        assert!(serde_json::from_str::<LocalLabel>(r#"["a:1","env",null,null]"#).is_err());
    }
}
