use serde::Deserialize;

use crate::client::decode::{LoosePacket, valid_labels};
use crate::object::deserialize_from_object;
use crate::{DriverState, Event, FeedStatus, HostName, LeaveReason};

/// A line of a feed: the fields of all events.
#[derive(Deserialize)]
#[serde(remote = "Self")]
struct Line {
    event: String,
    id: Option<String>,
    #[serde(default)]
    hosts: Vec<LoosePacket>,
    host: Option<LoosePacket>,
    #[serde(default)]
    added: Vec<String>,
    #[serde(default)]
    removed: Vec<String>,
    hostname: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    reason: Option<LeaveReason>,
    #[serde(default)]
    warm: bool,
    #[serde(default)]
    drivers: Vec<DriverState>,
}

deserialize_from_object!(Line);

/// Reads a line: an event, unless it tells nothing or nothing that is known here, and the id that
/// came with it.
pub(super) fn event(line: &[u8]) -> Result<(Option<Event>, Option<String>), String> {
    if line.trim_ascii().is_empty() {
        return Ok((None, None));
    }
    let mut line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let id = line.id.take();
    Ok((line.into_event(), id))
}

impl Line {
    /// A server whose name is not a valid one is left out.
    fn into_event(self) -> Option<Event> {
        let host = || self.host.and_then(|host| host.checked().ok());
        Some(match self.event.as_str() {
            "snapshot" => {
                let hosts = self.hosts.into_iter().filter_map(|host| host.checked().ok());
                Event::Snapshot { hosts: hosts.collect() }
            }
            "join" => Event::Join { host: host()? },
            "update" => Event::Update {
                host: host()?,
                added: valid_labels(&self.added),
                removed: valid_labels(&self.removed),
            },
            "leave" => Event::Leave {
                hostname: HostName::parse(&self.hostname?).ok()?,
                labels: valid_labels(&self.labels),
                reason: self.reason.unwrap_or(LeaveReason::Other),
            },
            "status" => Event::Status(FeedStatus { warm: self.warm, drivers: self.drivers }),
            "bye" => Event::Bye,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Discovery, Label, LinkState};

    fn host(name: &str, labels: &[&str]) -> Discovery {
        let labels = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
        Discovery { last_check: 7, ..Discovery::new(HostName::parse(name).unwrap(), labels) }
    }

    fn read(line: &str) -> Option<Event> {
        event(line.as_bytes()).unwrap().0
    }

    #[test]
    fn each_event_is_read() {
        let packet = r#"{"hostname":"a","labels":["x:1"],"last_check":7}"#;
        let a = host("a", &["x:1"]);
        let snapshot =
            format!(r#"{{"event":"snapshot","id":"i-1","hosts":[{packet},{{"hostname":""}}]}}"#);
        let hosts = vec![a.clone()];
        let expected = (Some(Event::Snapshot { hosts }), Some("i-1".to_owned()));
        assert_eq!(event(snapshot.as_bytes()), Ok(expected));
        let join = format!(r#"{{"event":"join","id":"i-2","host":{packet}}}"#);
        assert_eq!(read(&join), Some(Event::Join { host: a.clone() }));
        let update =
            format!(r#"{{"event":"update","host":{packet},"added":["x:1"],"removed":["y"]}}"#);
        let (added, removed) = (host("a", &["x:1"]).labels, host("a", &["y"]).labels);
        assert_eq!(read(&update), Some(Event::Update { host: a.clone(), added, removed }));
        let leave = r#"{"event":"leave","hostname":"a","labels":["x:1"],"reason":"expired"}"#;
        let (hostname, labels, reason) = (a.hostname, a.labels, LeaveReason::Expired);
        assert_eq!(read(leave), Some(Event::Leave { hostname, labels, reason }));
        let status = r#"{"event":"status","warm":true,"drivers":[{"name":"NATS","state":"down"}]}"#;
        let drivers = vec![DriverState { name: "NATS".to_owned(), state: LinkState::Down }];
        let status_read = FeedStatus { warm: true, drivers };
        assert!(status_read.is_blind());
        assert_eq!(read(status), Some(Event::Status(status_read)));
        assert_eq!(read(r#"{"event":"bye"}"#), Some(Event::Bye));
    }

    #[test]
    fn what_is_not_known_is_passed_over() {
        for line in ["", " ", r#"{"event":"comment"}"#, r#"{"event":"new","id":"i-1","more":[]}"#] {
            assert_eq!(read(line), None, "{line}");
        }
        let leave = r#"{"event":"leave","hostname":"a","labels":[],"reason":"bored"}"#;
        assert!(matches!(read(leave), Some(Event::Leave { reason: LeaveReason::Other, .. })));
    }

    #[test]
    fn what_is_not_an_event_is_an_error() {
        for line in ["<html>", "[]", "{}", r#"{"event":"join","host":["a",[],7]}"#] {
            assert!(event(line.as_bytes()).is_err(), "{line}");
        }
    }
}
