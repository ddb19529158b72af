//! Packets of the own name: those of this daemon itself, and of others that go by its name.

use super::{Applied, HostRegistry, SenderNews};
use crate::liveness::reception::Reception;
use crate::wire::envelope::MessageKind;
use crate::wire::instance_id::InstanceId;

impl HostRegistry {
    /// Applies a packet of the own name. What a channel kept from before the start does not count.
    ///
    /// Another instance that says hi is a newcomer as any other host is: only if this server greets
    /// it does a third one hear at once that they are two.
    pub(super) fn apply_own(
        &mut self,
        kind: MessageKind,
        instance: Option<&str>,
        reception: Reception,
    ) -> (Applied, Option<SenderNews>) {
        if instance == Some(&*self.instance) {
            self.touch_own(reception.unix_seconds());
            return (Applied::Unchanged, None);
        }
        if reception.sent_at() < self.started {
            return (Applied::Unchanged, None);
        }
        let until = reception.sent_at() + self.liveness.ttl_of(reception);
        self.duplicates.heard(instance, reception.unix_seconds(), until);
        let greets = kind == MessageKind::Hi && !reception.is_kept();
        let sender = InstanceId::named(instance).filter(|_| greets);
        let is_new = sender.is_some_and(|sender| self.duplicates.is_new(sender, until));
        (Applied::DuplicateName, is_new.then_some(SenderNews::Newcomer))
    }
}
