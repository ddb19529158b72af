//! The counters of a link.

use std::collections::BTreeMap;

use lobby_client::text::one_line;
use lobby_client::{DriverStatus, LinkState};

use crate::wire::envelope::Refusal;

/// State and counters of one link.
#[derive(Debug)]
pub struct LinkStats {
    driver: &'static str,
    up: bool,
    since: i64,
    reason: Option<String>,
    /// What is wrong with the link although it is up.
    note: Option<String>,
    received: u64,
    sent: u64,
    refused: BTreeMap<&'static str, u64>,
    unsigned: u64,
    invalid_ttl: u64,
    dropped: u64,
    /// When each of these counts grew last.
    last_seen: BTreeMap<&'static str, i64>,
    place: ChannelPlace,
    /// The broker that it is connected to.
    server: Option<String>,
}

/// Where a driver meets the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelPlace {
    /// The brokers that the settings name, without what is used to log in; none where there is no
    /// broker.
    pub server: Option<String>,
    /// The subject, channel or directory.
    pub channel: String,
}

impl LinkStats {
    /// A driver that was never up. `unix_seconds` is now.
    pub fn new(driver: &'static str, unix_seconds: i64) -> Self {
        let reason = Some("not connected yet".to_owned());
        Self {
            driver,
            up: false,
            since: unix_seconds,
            reason,
            note: None,
            received: 0,
            sent: 0,
            refused: BTreeMap::new(),
            unsigned: 0,
            invalid_ttl: 0,
            dropped: 0,
            last_seen: BTreeMap::new(),
            place: ChannelPlace::default(),
            server: None,
        }
    }

    /// The same link, at this place.
    #[must_use]
    pub fn at(self, place: ChannelPlace) -> Self {
        Self { place, ..self }
    }

    /// The link is up with this broker.
    pub fn connected_to(&mut self, server: Option<String>) {
        self.server = server;
    }

    /// The name of its driver.
    pub fn driver(&self) -> &'static str {
        self.driver
    }

    /// The link is up now. `note` is what is wrong with it all the same.
    pub fn opened(&mut self, note: Option<String>, unix_seconds: i64) {
        (self.up, self.since, self.reason) = (true, unix_seconds, note.clone());
        self.note = note;
    }

    /// The link is down, or still down, for this reason. It may hold the words of a broker, so it
    /// is shown in one printable line.
    pub fn closed(&mut self, reason: &str, unix_seconds: i64) {
        if self.up {
            self.since = unix_seconds;
        }
        (self.up, self.reason) = (false, Some(one_line(reason)));
        self.server = None;
    }

    /// A packet came in.
    pub fn received(&mut self) {
        self.received += 1;
    }

    /// The channel took an own packet, or did not, and why. A link over which nothing can be sent
    /// is up, with that reason.
    pub fn sent(&mut self, outcome: Result<(), String>) {
        self.sent += u64::from(outcome.is_ok());
        if self.up {
            self.reason =
                outcome.err().map(|reason| one_line(&reason)).or_else(|| self.note.clone());
        }
    }

    /// A packet that came in was refused.
    pub fn refused(&mut self, refusal: &Refusal, unix_seconds: i64) {
        *self.refused.entry(refusal.reason()).or_default() += 1;
        self.last_seen.insert(refusal.reason(), unix_seconds);
    }

    /// A packet that came in was accepted although it is not signed (PACKET_VERIFY=warn).
    pub fn unsigned(&mut self, unix_seconds: i64) {
        self.unsigned += 1;
        self.last_seen.insert("unsigned", unix_seconds);
    }

    /// A packet that came in has a TTL that is not valid, and counts as without.
    pub fn invalid_ttl(&mut self, unix_seconds: i64) {
        self.invalid_ttl += 1;
        self.last_seen.insert("invalid_ttl", unix_seconds);
    }

    /// Packets came in faster than they were read.
    pub fn dropped(&mut self, packets: u64, unix_seconds: i64) {
        self.dropped += packets;
        self.last_seen.insert("dropped", unix_seconds);
    }

    /// As the API shows it.
    pub fn status(&self) -> DriverStatus {
        let last_seen = self.last_seen.iter().map(|(count, at)| ((*count).to_owned(), *at));
        DriverStatus {
            name: self.driver.to_owned(),
            state: if self.up { LinkState::Up } else { LinkState::Down },
            since: self.since,
            reason: self.reason.clone(),
            received: self.received,
            sent: self.sent,
            refused: self
                .refused
                .iter()
                .map(|(reason, count)| ((*reason).to_owned(), *count))
                .collect(),
            unsigned: self.unsigned,
            invalid_ttl: self.invalid_ttl,
            dropped: self.dropped,
            last_seen: last_seen.collect(),
            server: self.server.clone().or_else(|| self.place.server.clone()),
            channel: self.place.channel.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_down_since_it_went_down_however_often_it_is_tried() {
        let mut stats = LinkStats::new("NATS", 100);
        stats.opened(None, 101);
        stats.closed("connection reset", 110);
        stats.closed("connection refused", 112);
        let status = stats.status();
        assert_eq!(
            (status.state, status.since, status.reason.as_deref()),
            (LinkState::Down, 110, Some("connection refused"))
        );
    }

    #[test]
    fn a_reason_is_shown_in_one_printable_line() {
        let mut stats = LinkStats::new("NATS", 100);
        stats.closed(&format!("\u{1b}[2J\nforged \u{202e}{}", "x".repeat(200_000)), 101);
        let reason = stats.status().reason.unwrap();
        assert!(reason.starts_with("[2J forged x") && reason.len() < 600, "{reason}");
    }

    #[test]
    fn a_link_that_takes_no_packet_is_up_with_the_reason() {
        let mut stats = LinkStats::new("NATS", 100);
        stats.opened(None, 101);
        stats.sent(Err("too large".to_owned()));
        let status = stats.status();
        assert_eq!(
            (status.state, status.reason.as_deref(), status.sent),
            (LinkState::Up, Some("too large"), 0)
        );
        stats.sent(Ok(()));
        assert_eq!((stats.status().reason, stats.status().sent), (None, 1));
        stats.closed("refused", 102);
        stats.sent(Err("broken".to_owned()));
        assert_eq!(stats.status().reason.as_deref(), Some("refused"));
    }

    #[test]
    fn what_is_odd_is_counted_with_its_last_time() {
        let mut stats = LinkStats::new("NATS", 100);
        stats.refused(&Refusal::NoHostName, 101);
        stats.refused(&Refusal::NoHostName, 102);
        stats.refused(&Refusal::RegistryFull(5), 103);
        let counts: Vec<_> = stats.status().refused.into_iter().collect();
        assert_eq!(counts, [("no_hostname".to_owned(), 2), ("registry_full".to_owned(), 1)]);
        stats.unsigned(104);
        stats.invalid_ttl(105);
        stats.dropped(3, 106);
        let times: Vec<_> = stats.status().last_seen.into_iter().collect();
        let expected = [
            ("dropped", 106),
            ("invalid_ttl", 105),
            ("no_hostname", 102),
            ("registry_full", 103),
            ("unsigned", 104),
        ];
        assert_eq!(times, expected.map(|(count, at)| (count.to_owned(), at)));
    }
}
