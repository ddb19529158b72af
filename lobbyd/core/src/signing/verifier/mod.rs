//! Which packets are believed, where the lobby has keys.

use std::time::{Duration, Instant};

use lobby_client::HostName;

use crate::signing::keys::Keys;
use crate::signing::replay_window::{Arrival, ReplayWindow};
use crate::wire::envelope::{Envelope, Refusal};

/// How signatures are checked (PACKET_VERIFY), where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyMode {
    /// A wrong signature is refused; none is accepted, and counted.
    Warn,
    /// A wrong signature is refused, and so is none.
    Enforce,
}

/// What speaks for a packet that is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authenticity {
    /// Its signature.
    Signature,
    /// Nothing: it is not signed.
    Nothing,
}

/// Checks packets before anything is done with them.
#[derive(Debug)]
pub struct PacketVerifier {
    verify: VerifyMode,
    keys: Keys,
    window: ReplayWindow,
}

impl PacketVerifier {
    /// `ttl` is how much older or newer than this daemon's time a signed packet may be, `max_servers` the most hosts held.
    pub fn new(verify: VerifyMode, keys: Keys, ttl: Duration, max_servers: usize) -> Self {
        Self { verify, keys, window: ReplayWindow::new(ttl, max_servers) }
    }

    /// Verifies with other keys from now on.
    pub fn use_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// Whether to believe a packet. `own` is this server's name: its packets cannot change anything and may well be older than the last
    /// one, because another daemon that goes by the same name has a clock of its own.
    ///
    /// # Errors
    /// The [`Refusal`] of one that is not to be believed.
    pub fn admit(
        &mut self,
        envelope: &Envelope,
        own: Option<&HostName>,
        arrival: Arrival,
    ) -> Result<Authenticity, Refusal> {
        let host = &envelope.discovery.hostname;
        let Some(seal) = &envelope.seal else { return self.unsigned(host) };
        if !self.keys.verify(envelope, seal) {
            return Err(Refusal::BadSignature(host.clone()));
        }
        if own == Some(host) {
            self.window.check_age(host, seal.timestamp, arrival.unix_millis)?;
        } else {
            self.window.admit(host, envelope.verb, seal.timestamp, arrival)?;
        }
        Ok(Authenticity::Signature)
    }

    /// Forgets what can no longer be replayed; to be called now and then.
    pub fn forget(&mut self, now: Instant) {
        self.window.forget(now);
    }

    fn unsigned(&self, host: &HostName) -> Result<Authenticity, Refusal> {
        match self.verify {
            VerifyMode::Warn => Ok(Authenticity::Nothing),
            VerifyMode::Enforce => Err(Refusal::Unsigned(host.clone())),
        }
    }
}

#[cfg(test)]
mod tests;
