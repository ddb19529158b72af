//! Duplicates: the other daemons that go by the own name.

use std::collections::BTreeMap;
use std::time::Instant;

use lobby_client::DuplicateName;

use crate::wire::instance_id::InstanceId;

/// Most instances that are remembered. Those beyond are greeted by nobody of their name, so that
/// many clones of a machine do not greet each other for ever.
const MOST_INSTANCES: usize = 64;

/// The other daemons of the own name that were heard in the last TTL.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    /// The last one, and when it is over.
    last: Option<(Instant, DuplicateName)>,
    /// The instances that have said hi, and until when they are remembered.
    instances: BTreeMap<InstanceId, Instant>,
}

impl Duplicates {
    /// A packet of another daemon came in, which counts until then.
    pub(super) fn heard(&mut self, instance: Option<&str>, unix_seconds: i64, until: Instant) {
        let packets = self.last().map_or(0, |last| last.packets) + 1;
        let instance = instance.map(str::to_owned);
        self.last = Some((until, DuplicateName { packets, last_seen: unix_seconds, instance }));
    }

    /// An instance has said hi. Returns whether it was not seen before.
    pub(super) fn is_new(&mut self, instance: InstanceId, until: Instant) -> bool {
        let is_known = self.instances.contains_key(&instance);
        let has_room = self.instances.len() < MOST_INSTANCES;
        if is_known || has_room {
            self.instances.insert(instance, until);
        }
        !is_known && has_room
    }

    /// The last one that was heard.
    pub(super) fn last(&self) -> Option<&DuplicateName> {
        self.last.as_ref().map(|(_, last)| last)
    }

    /// Forgets those that were not heard for TTL.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.last.take_if(|(until, _)| *until <= now);
        self.instances.retain(|_, until| *until > now);
    }
}
