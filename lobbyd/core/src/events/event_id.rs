//! Event id: the place of a reader in the history of a daemon, as it is sent along with events.

use std::fmt;

/// Greatest length of an event id, in bytes: longer ones are not of any daemon.
const MAX_LEN: usize = 128;

/// An event id, `INSTANCE-REVISION`: a revision of one run of the daemon. Those of other runs mean
/// nothing to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventId {
    instance: String,
    revision: u64,
}

/// The reason why a text is not an event id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid event id: expected INSTANCE-REVISION, as the last event had it")]
pub struct InvalidEventId(String);

impl EventId {
    /// Reads an event id.
    ///
    /// # Errors
    /// [`InvalidEventId`] names the text.
    pub fn parse(text: &str) -> Result<Self, InvalidEventId> {
        let parts = text.rsplit_once('-').filter(|_| text.len() <= MAX_LEN);
        parts.and_then(|(instance, revision)| Self::of_parts(instance, revision)).ok_or_else(|| {
            let shown: String = text.chars().take(MAX_LEN).collect();
            InvalidEventId(shown)
        })
    }

    fn of_parts(instance: &str, revision: &str) -> Option<Self> {
        let is_instance =
            !instance.is_empty() && instance.bytes().all(|b| b.is_ascii_alphanumeric());
        let is_number = revision.bytes().all(|b| b.is_ascii_digit());
        let revision = revision.parse().ok().filter(|_| is_instance && is_number)?;
        Some(Self { instance: instance.to_owned(), revision })
    }

    /// The revision, if it is one of this instance.
    pub fn revision_of(&self, instance: &str) -> Option<u64> {
        (self.instance == instance).then_some(self.revision)
    }
}

/// Writes the id of a revision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DisplayId<'a> {
    /// The run of the daemon.
    pub instance: &'a str,
    /// A revision of it.
    pub revision: u64,
}

impl fmt::Display for DisplayId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.instance, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_was_sent_is_read_back() {
        let id = DisplayId { instance: "00000000000000a1", revision: 17 }.to_string();
        let id = EventId::parse(&id).unwrap();
        assert_eq!(id.revision_of("00000000000000a1"), Some(17));
        assert_eq!(id.revision_of("00000000000000a2"), None);
    }

    #[test]
    fn a_text_that_no_daemon_sends_is_refused_by_name() {
        let long = "a".repeat(200);
        for bad in
            ["", "-", "a1", "a1-", "-5", "a1-x", "a1-+5", "a1-99999999999999999999", "a b-5", &long]
        {
            let shown = InvalidEventId(bad.chars().take(MAX_LEN).collect());
            assert_eq!(EventId::parse(bad), Err(shown), "{bad}");
        }
    }
}
