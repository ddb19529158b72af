//! The packet verifier: which packets are authentic, where the lobby has keys.

use std::time::{Duration, Instant};

use lobby_client::HostName;

use crate::liveness::reception::Reception;
use crate::signing::keys::{Keys, SignedFields};
use crate::signing::replay_window::ReplayWindow;
use crate::wire::envelope::{Refusal, Signature};

/// PACKET_VERIFY: how signatures are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyMode {
    /// A packet with an invalid signature is refused; one without is accepted, and counted.
    Warn,
    /// A packet with an invalid signature or without one is refused.
    Enforce,
}

impl VerifyMode {
    /// The word of PACKET_VERIFY for a mode; `None` is no check.
    pub fn word(mode: Option<Self>) -> &'static str {
        match mode {
            None => "off",
            Some(Self::Warn) => "warn",
            Some(Self::Enforce) => "enforce",
        }
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authenticity {
    /// It was not checked: there is no verifier.
    Unchecked,
    /// The signature is valid.
    Signed,
    /// The signature is missing, which [`VerifyMode::Warn`] accepts. Whose packet it is.
    Unsigned(HostName),
}

/// The verifier of packets: no packet takes effect before it was checked.
#[derive(Debug)]
pub struct PacketVerifier {
    mode: VerifyMode,
    keys: Keys,
    window: ReplayWindow,
}

impl PacketVerifier {
    /// `ttl` is how much older or newer than this daemon's time a signed packet may be,
    /// `max_servers` the most hosts held.
    pub fn new(mode: VerifyMode, keys: Keys, ttl: Duration, max_servers: usize) -> Self {
        Self { mode, keys, window: ReplayWindow::new(ttl, max_servers) }
    }

    /// Verifies with other keys from now on.
    pub fn use_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// Checks a packet. `is_own`: it is about this server: such a packet cannot change anything and
    /// may well be older than the last one, because another daemon of the same name has a clock
    /// of its own.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that is not authentic.
    pub fn admit<L: AsRef<str>>(
        &mut self,
        fields: SignedFields<'_, impl Iterator<Item = L>>,
        signature: Option<&Signature<'_>>,
        is_own: bool,
        reception: Reception,
    ) -> Result<Authenticity, Refusal> {
        let (host, kind) = (fields.hostname, fields.kind);
        let authenticity = self.check_signature(fields, signature)?;
        let Some(signature) = signature else { return Ok(authenticity) };
        if is_own {
            self.window.check_age(host, signature.timestamp, reception)?;
        } else {
            self.window.admit(host, kind, signature.timestamp, reception)?;
        }
        Ok(authenticity)
    }

    /// Checks who a packet is from, and not when it was sent: that of one that was admitted before.
    ///
    /// # Errors
    /// The [`Refusal`] of a packet that is not authentic.
    pub fn check_signature<L: AsRef<str>>(
        &self,
        fields: SignedFields<'_, impl Iterator<Item = L>>,
        signature: Option<&Signature<'_>>,
    ) -> Result<Authenticity, Refusal> {
        let host = fields.hostname;
        let Some(signature) = signature else { return self.unsigned(host) };
        if self.keys.verify(fields, signature) {
            Ok(Authenticity::Signed)
        } else {
            Err(Refusal::BadSignature(host.clone()))
        }
    }

    /// Forgets what can no longer be replayed; to be called now and then.
    pub fn forget(&mut self, now: Instant) {
        self.window.forget(now);
    }

    fn unsigned(&self, host: &HostName) -> Result<Authenticity, Refusal> {
        match self.mode {
            VerifyMode::Warn => Ok(Authenticity::Unsigned(host.clone())),
            VerifyMode::Enforce => Err(Refusal::Unsigned(host.clone())),
        }
    }
}

#[cfg(test)]
mod tests;
