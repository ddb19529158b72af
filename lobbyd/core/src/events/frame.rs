//! Frame: an event as text, as server-sent events or as lines of JSON.

use std::fmt::Write;
use std::sync::Arc;
use std::vec;

use lobby_client::{LinkState, Selector};

use crate::events::event_id::DisplayId;
use crate::events::reader::{Effect, LeaveReason};
use crate::events::status::FeedStatus;
use crate::liveness::connectivity::DriverId;
use crate::registry::change::{Change, ChangeKind, Labels};
use crate::registry::host::Host;
use crate::registry::snapshot::Snapshot;
use crate::render::packets;

/// The form in which events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Server-sent events, as in the HTML standard.
    ServerSentEvents,
    /// A JSON object a line.
    JsonLines,
}

/// The hosts of a snapshot, as an event that is written while it is sent.
#[derive(Debug)]
pub struct SnapshotFrame {
    form: Form,
    /// What comes before the next host.
    before: String,
    hosts: vec::IntoIter<Arc<Host>>,
    is_over: bool,
}

impl SnapshotFrame {
    /// The next piece, which is as long as this in bytes, or somewhat longer; a shorter one is the
    /// last.
    pub fn next_piece(&mut self, len: usize) -> String {
        let mut piece = String::new();
        self.write_until(len, &mut piece);
        piece
    }

    /// Whether all of it was written.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    fn write_until(&mut self, len: usize, text: &mut String) {
        for host in self.hosts.by_ref() {
            text.push_str(&self.before);
            ",".clone_into(&mut self.before);
            packets::write(&host, host.last_check(), text);
            if text.len() >= len {
                return;
            }
        }
        if !self.is_over {
            // An empty list has its beginning still before it.
            text.push_str(self.before.strip_prefix(',').unwrap_or(&self.before));
            text.push(']');
            self.form.end(text);
            self.is_over = true;
        }
    }
}

impl Form {
    /// The hosts of a snapshot that a selector matches, or all of them.
    pub fn snapshot(self, snapshot: &Snapshot, selector: Option<&Selector>) -> String {
        let room = if selector.is_none() { snapshot.text_len() } else { 0 };
        let mut text = String::with_capacity(room + room / 8);
        self.snapshot_frame(snapshot, selector).write_until(usize::MAX, &mut text);
        text
    }

    /// The same, to be written in pieces.
    pub fn snapshot_frame(self, snapshot: &Snapshot, selector: Option<&Selector>) -> SnapshotFrame {
        let id = DisplayId { instance: snapshot.instance(), revision: snapshot.revision() };
        let mut before = String::new();
        self.begin("snapshot", Some(id), &mut before);
        self.next_field("\"hosts\":[", &mut before);
        let hosts: Vec<_> = snapshot.hosts_matching(selector).into_iter().cloned().collect();
        SnapshotFrame { form: self, before, hosts: hosts.into_iter(), is_over: false }
    }

    /// What a change is to a reader.
    pub fn change(self, instance: &str, change: &Change, effect: Effect) -> String {
        let (mut text, host) = (String::new(), &*change.host);
        let id = DisplayId { instance, revision: change.revision };
        self.begin(name(effect), Some(id), &mut text);
        match effect {
            Effect::Join => self.write_host(host, &mut text),
            Effect::Update => {
                self.write_host(host, &mut text);
                write_differences(&change.kind, &mut text);
            }
            Effect::Leave(reason) => {
                self.next_field(packets::name_and_labels(host), &mut text);
                // Writing to a String cannot fail.
                write!(text, ",\"reason\":\"{}\"", word(reason)).ok();
            }
        }
        self.end(&mut text);
        text
    }

    /// How much a reader may rely on what it knows. `drivers` are the names of the active ones.
    pub fn status(self, status: FeedStatus, drivers: &[&str]) -> String {
        let drivers: Vec<_> = drivers
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let up = DriverId::new(index).is_some_and(|id| status.is_up(id));
                let state = if up { LinkState::Up } else { LinkState::Down };
                serde_json::json!({ "name": name, "state": state })
            })
            .collect();
        let drivers = serde_json::Value::from(drivers);
        self.without_id("status", &format!("\"warm\":{},\"drivers\":{drivers}", status.warm))
    }

    /// The end of the feed: the daemon stops.
    pub fn bye(self) -> String {
        self.without_id("bye", "")
    }

    /// A sign of life, which tells nothing.
    pub fn comment(self) -> String {
        match self {
            Self::ServerSentEvents => ":\n\n".to_owned(),
            Self::JsonLines => self.without_id("comment", ""),
        }
    }

    fn without_id(self, event: &str, fields: &str) -> String {
        let mut text = String::new();
        self.begin(event, None, &mut text);
        if !fields.is_empty() {
            self.next_field(fields, &mut text);
        }
        self.end(&mut text);
        text
    }

    fn begin(self, event: &str, id: Option<DisplayId<'_>>, text: &mut String) {
        // Writing to a String cannot fail.
        match (self, id) {
            (Self::ServerSentEvents, Some(id)) => {
                write!(text, "event: {event}\nid: {id}\ndata: {{")
            }
            (Self::ServerSentEvents, None) => write!(text, "event: {event}\ndata: {{"),
            (Self::JsonLines, Some(id)) => write!(text, "{{\"event\":\"{event}\",\"id\":\"{id}\""),
            (Self::JsonLines, None) => write!(text, "{{\"event\":\"{event}\""),
        }
        .ok();
    }

    /// Writes the first of the event's own fields.
    fn next_field(self, field: &str, text: &mut String) {
        if self == Self::JsonLines {
            text.push(',');
        }
        text.push_str(field);
    }

    fn write_host(self, host: &Host, text: &mut String) {
        self.next_field("\"host\":", text);
        packets::write(host, host.last_check(), text);
    }

    fn end(self, text: &mut String) {
        text.push_str(match self {
            Self::ServerSentEvents => "}\n\n",
            Self::JsonLines => "}\n",
        });
    }
}

fn write_differences(kind: &ChangeKind, text: &mut String) {
    let json = |labels: &Labels| serde_json::json!(labels);
    if let ChangeKind::Relabelled { added, removed } = kind {
        // Writing to a String cannot fail.
        write!(text, ",\"added\":{},\"removed\":{}", json(added), json(removed)).ok();
    }
}

fn name(effect: Effect) -> &'static str {
    match effect {
        Effect::Join => "join",
        Effect::Update => "update",
        Effect::Leave(_) => "leave",
    }
}

fn word(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::Goodbye => "goodbye",
        LeaveReason::Expired => "expired",
        LeaveReason::Lost => "lost",
        LeaveReason::Unmatched => "unmatched",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::host_id::HostId;
    use crate::testsuite::fixtures::{name, packet};
    use crate::wire::packet_json::PacketJson;

    fn change(kind: ChangeKind) -> Change {
        let text = PacketJson::new(&packet("a", &["b:\"2\"", "c"]));
        Change { revision: 7, kind, host: Arc::new(Host::own(HostId(0), name("a"), text, 99)) }
    }

    fn labels(texts: &[&str]) -> Labels {
        texts.iter().map(|text| (*text).into()).collect()
    }

    const PACKET: &str = r#"{"hostname":"a","labels":["b:\"2\"","c"],"last_check":99}"#;

    #[test]
    fn a_change_is_an_event_with_an_id_and_a_line_of_data() {
        let join = change(ChangeKind::Joined);
        assert_eq!(
            Form::ServerSentEvents.change("a1", &join, Effect::Join),
            format!("event: join\nid: a1-7\ndata: {{\"host\":{PACKET}}}\n\n")
        );
        assert_eq!(
            Form::JsonLines.change("a1", &join, Effect::Join),
            format!("{{\"event\":\"join\",\"id\":\"a1-7\",\"host\":{PACKET}}}\n")
        );
    }

    #[test]
    fn an_update_tells_what_came_and_went_and_a_leave_why() {
        let (added, removed) = (labels(&["b:\"2\""]), labels(&[]));
        let update = change(ChangeKind::Relabelled { added, removed });
        let line = Form::JsonLines.change("a1", &update, Effect::Update);
        let expected = format!(
            "{{\"event\":\"update\",\"id\":\"a1-7\",\"host\":{PACKET},\"added\":[\"b:\\\"2\\\"\"],\"removed\":[]}}\n"
        );
        assert_eq!(line, expected);
        for (reason, word) in [
            (LeaveReason::Goodbye, "goodbye"),
            (LeaveReason::Expired, "expired"),
            (LeaveReason::Lost, "lost"),
            (LeaveReason::Unmatched, "unmatched"),
        ] {
            let leave = Form::ServerSentEvents.change("a1", &update, Effect::Leave(reason));
            let data = r#"{"hostname":"a","labels":["b:\"2\"","c"],"reason":""#;
            assert_eq!(leave, format!("event: leave\nid: a1-7\ndata: {data}{word}\"}}\n\n"));
        }
    }

    #[test]
    fn what_tells_of_no_change_has_no_id() {
        assert_eq!(Form::ServerSentEvents.bye(), "event: bye\ndata: {}\n\n");
        assert_eq!(Form::JsonLines.bye(), "{\"event\":\"bye\"}\n");
        assert_eq!(Form::ServerSentEvents.comment(), ":\n\n");
        assert_eq!(Form::JsonLines.comment(), "{\"event\":\"comment\"}\n");
    }
}
