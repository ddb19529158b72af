//! Packets that another daemon has heard and tells on.

use std::time::Duration;

use super::{Accepted, Applied, HostRegistry};
use crate::liveness::reception::Reception;
use crate::signing::verifier::Authenticity;
use crate::wire::envelope::{self, Envelope, MessageKind, Refusal};

impl HostRegistry {
    /// Verifies a packet that another daemon has heard and tells on, and applies it if it is news:
    /// a hi of a host that is not known, or was last heard before. Its age is that which the
    /// other daemon tells, or that which its signature proves if that is greater.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that changes nothing.
    pub fn apply_retold(
        &mut self,
        payload: &[u8],
        reception: Reception,
    ) -> Result<Accepted, Refusal> {
        let envelope = envelope::decode(payload)?;
        let reception = self.proved_age(&envelope, reception);
        if envelope.kind == MessageKind::Hi && !self.knows_as_new(&envelope, reception) {
            return self.apply_said((&envelope).into(), payload, reception);
        }
        let (applied, authenticity) = (Applied::Unchanged, Authenticity::Unchecked);
        Ok(Accepted { applied, authenticity, news: None, invalid_ttl: None })
    }

    fn knows_as_new(&self, envelope: &Envelope, reception: Reception) -> bool {
        let hostname = &envelope.discovery.hostname;
        let host = self.known.get(hostname.as_str());
        let host = host.filter(|host| host.is_alive(reception.at, &self.liveness));
        self.is_own(hostname)
            || host.is_some_and(|host| self.liveness.knows_as_new(host.last_heard(), reception))
    }

    /// It was kept by the other daemon, for a millisecond at least.
    fn proved_age(&self, envelope: &Envelope, reception: Reception) -> Reception {
        let signature = envelope.signature.as_ref().filter(|_| self.verifier.is_some());
        let signed_at = signature.map(|signature| signature.timestamp);
        let proved = signed_at.map_or(0, |at| reception.unix_millis.saturating_sub(at));
        reception.kept_for(reception.age.max(Duration::from_millis(proved.max(1))))
    }
}
