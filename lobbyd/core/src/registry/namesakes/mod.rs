//! Namesakes: two or more daemons that go by one host name. Without this their packets would change
//! the host's labels to and fro for ever.

use std::collections::BTreeMap;
use std::time::Instant;

use lobby_client::HostName;

use crate::liveness::Liveness;
use crate::liveness::connectivity::DriverId;
use crate::liveness::last_heard::LastHeard;
use crate::liveness::reception::Reception;
use crate::registry::host::Host;
use crate::wire::instance_id::InstanceId;
use crate::wire::packet_json::PacketJson;

/// Most instances of a name that are remembered: more clones of a machine than that, which send one
/// after the other, would each be forgotten before they come back.
const MOST_INSTANCES: usize = 8;

/// So many packets of a superseded instance prove that there are two, even if each of them may be a
/// late one of another driver.
const RETURNS: u8 = 3;

/// The instances of host names that were heard from more than one of late. Most of them are daemons
/// that were restarted: one instance follows the other. If one comes back that was superseded,
/// there are two daemons, and from then on the smallest instance that is alive stands.
#[derive(Debug, Default)]
pub(super) struct Namesakes {
    names: BTreeMap<HostName, Instances>,
}

/// The instances of one name.
#[derive(Debug)]
struct Instances {
    /// The current one is the last.
    list: Vec<Namesake>,
    /// The driver through which the current one was first heard.
    through: DriverId,
    returns: u8,
    is_proven: bool,
}

#[derive(Debug)]
struct Namesake {
    instance: InstanceId,
    text: PacketJson,
    last_heard: LastHeard,
}

/// What a hi of a known host means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its labels are those of the host.
    Sender {
        /// Whether the instance was not seen before.
        is_new: bool,
    },
    /// These are, whoever has sent it.
    Other {
        /// The packet of the instance that stands.
        text: PacketJson,
        /// Whether the sender was not seen before.
        is_new: bool,
        /// The instances that go by the name, if that is news.
        proof: Option<Vec<InstanceId>>,
    },
}

/// The usual case: a host that is the only one of its name.
const SENDER: Standing = Standing::Sender { is_new: false };

/// What a goodbye of a known host means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The host leaves.
    Host,
    /// The host stays, with this packet.
    Instance(PacketJson),
}

impl Namesakes {
    /// A host that is alive says hi; to be called before that renews it. `instance` is none if the
    /// packet has none, or if a channel kept it: such a packet proves nothing.
    pub(super) fn hi(
        &mut self,
        host: &Host,
        instance: Option<InstanceId>,
        text: &PacketJson,
        reception: Reception,
        liveness: &Liveness,
    ) -> Standing {
        if let Some(instances) = self.names.get_mut(host.name()) {
            let standing = match (instances.is_proven, instance) {
                (true, instance) => instances.proven_hi(instance, text, reception, liveness),
                (false, Some(instance)) => {
                    instances.unproven_hi(host, instance, text, reception, liveness)
                }
                (false, None) => SENDER,
            };
            if instances.list.len() < 2 {
                self.names.remove(host.name());
            }
            return standing;
        }
        match (host.sender(), instance) {
            (Some(former), Some(instance)) if former != instance => {
                let mut instances = Instances::new(host, former, reception.driver_id);
                instances.add(instance, text, reception, liveness);
                self.names.insert(host.name().clone(), instances);
                Standing::Sender { is_new: true }
            }
            _ => SENDER,
        }
    }

    /// A host that is here says goodbye.
    pub(super) fn goodbye(
        &mut self,
        host: &Host,
        instance: Option<InstanceId>,
        now: Instant,
        liveness: &Liveness,
    ) -> Farewell {
        let Some(instances) = self.names.get_mut(host.name()) else { return Farewell::Host };
        let farewell = instances.goodbye(host, instance, now, liveness);
        if instances.list.len() < 2 {
            self.names.remove(host.name());
        }
        farewell
    }

    /// A host is here no more.
    pub(super) fn forget(&mut self, name: &HostName) {
        self.names.remove(name);
    }

    /// Forgets instances that were not heard for TTL.
    pub(super) fn sweep(&mut self, now: Instant, liveness: &Liveness) {
        self.names.retain(|_, instances| {
            instances.keep_living(now, liveness);
            instances.list.len() > 1
        });
    }

    /// The names that two or more daemons go by, with their instances, the smallest first.
    pub(super) fn proven(&self) -> impl Iterator<Item = (&HostName, Vec<InstanceId>)> {
        let proven = self.names.iter().filter(|(_, instances)| instances.is_proven);
        proven.map(|(name, instances)| (name, instances.ids()))
    }
}

impl Instances {
    /// The former instance of a host, which another one is about to supersede.
    fn new(host: &Host, former: InstanceId, through: DriverId) -> Self {
        let (text, last_heard) = (host.text().clone(), host.last_heard().clone());
        let list = vec![Namesake { instance: former, text, last_heard }];
        Self { list, through, returns: 0, is_proven: false }
    }

    /// Adds one that becomes the current one. Beyond the bound the oldest is forgotten, or among
    /// daemons that are known to be several the largest: it is the last that would ever stand.
    fn add(
        &mut self,
        instance: InstanceId,
        text: &PacketJson,
        reception: Reception,
        liveness: &Liveness,
    ) {
        let namesake = Namesake { instance, text: text.clone(), last_heard: LastHeard::default() };
        liveness.renew(&namesake.last_heard, reception);
        self.list.push(namesake);
        if self.list.len() > MOST_INSTANCES {
            let sizes = self.list.iter().enumerate();
            let largest = sizes.max_by_key(|(_, namesake)| namesake.instance);
            let forgotten = largest.filter(|_| self.is_proven).map_or(0, |(index, _)| index);
            self.list.remove(forgotten);
        }
        (self.through, self.returns) = (reception.driver_id, 0);
    }

    /// Takes in what an instance says. Returns its place, if it was known.
    fn take_in(
        &mut self,
        instance: InstanceId,
        text: &PacketJson,
        reception: Reception,
        liveness: &Liveness,
    ) -> Option<usize> {
        let index = self.list.iter().position(|namesake| namesake.instance == instance);
        match index.and_then(|index| self.list.get_mut(index)) {
            Some(namesake) => {
                namesake.text = text.clone();
                liveness.renew(&namesake.last_heard, reception);
            }
            None => self.add(instance, text, reception, liveness),
        }
        index
    }

    fn unproven_hi(
        &mut self,
        host: &Host,
        instance: InstanceId,
        text: &PacketJson,
        reception: Reception,
        liveness: &Liveness,
    ) -> Standing {
        let current = self.list.len() - 1;
        match self.take_in(instance, text, reception, liveness) {
            None => return Standing::Sender { is_new: true },
            Some(index) if index == current => return SENDER,
            Some(_) => self.returns += 1,
        }
        if self.through != reception.driver_id && self.returns < RETURNS {
            // It may be a late packet of before the restart, of a driver that is slower.
            return Standing::Other { text: host.text().clone(), is_new: false, proof: None };
        }
        self.is_proven = true;
        if let Some(current) = self.list.get_mut(current) {
            // While it was the only one, its keep-alives renewed the host alone.
            current.last_heard = host.last_heard().clone();
        }
        self.keep_living(reception.at, liveness);
        let proof = Some(self.ids()).filter(|ids| ids.len() > 1);
        self.smallest().map_or(SENDER, |text| Standing::Other { text, is_new: false, proof })
    }

    fn proven_hi(
        &mut self,
        instance: Option<InstanceId>,
        text: &PacketJson,
        reception: Reception,
        liveness: &Liveness,
    ) -> Standing {
        // One too many takes the place of another, which would seem to be new when it comes back.
        let has_room = self.list.len() < MOST_INSTANCES;
        let is_unknown = instance
            .is_some_and(|instance| self.take_in(instance, text, reception, liveness).is_none());
        self.keep_living(reception.at, liveness);
        let is_new = is_unknown && has_room;
        match self.smallest() {
            Some(text) if self.list.len() > 1 => Standing::Other { text, is_new, proof: None },
            _ => Standing::Sender { is_new },
        }
    }

    fn goodbye(
        &mut self,
        host: &Host,
        instance: Option<InstanceId>,
        now: Instant,
        liveness: &Liveness,
    ) -> Farewell {
        let is_current = |namesake: &Namesake| Some(namesake.instance) == instance;
        if !self.is_proven {
            let is_former = self.list.iter().rev().skip(1).any(is_current);
            // The former one is late with it, or was started again before it had ended.
            return if is_former {
                Farewell::Instance(host.text().clone())
            } else {
                Farewell::Host
            };
        }
        self.list.retain(|namesake| !is_current(namesake));
        self.keep_living(now, liveness);
        self.smallest().map_or(Farewell::Host, Farewell::Instance)
    }

    /// Forgets those that have expired. An instance that is the only one to count renews the host
    /// and not its own entry.
    fn keep_living(&mut self, now: Instant, liveness: &Liveness) {
        let current = self.list.last().map(|namesake| namesake.instance);
        let is_renewed =
            |namesake: &Namesake| !self.is_proven && Some(namesake.instance) == current;
        self.list.retain(|namesake| {
            is_renewed(namesake) || liveness.is_alive(&namesake.last_heard, now)
        });
    }

    /// The packet of the smallest instance.
    fn smallest(&self) -> Option<PacketJson> {
        let smallest = self.list.iter().min_by_key(|namesake| namesake.instance);
        smallest.map(|namesake| namesake.text.clone())
    }

    fn ids(&self) -> Vec<InstanceId> {
        let mut ids: Vec<_> = self.list.iter().map(|namesake| namesake.instance).collect();
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
mod tests;
