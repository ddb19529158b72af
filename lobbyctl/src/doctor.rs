//! Doctor: what is odd about a daemon, and why it does not see a server.

use std::time::Duration;

use humantime::format_duration;
use lobby_client::text::one_line;
use lobby_client::{Discovery, DriverStatus, HostName, LinkState, Namesakes, RefusedHost, Status};
use serde_json::json;

use crate::status::intervals;

/// Most servers with refused packets that are told one by one.
const MOST_REFUSED: usize = 20;

/// So many TTL after the last packet that was refused, it is past: who sends such packets sends one
/// in each TTL.
const RECENT_TTLS: u64 = 3;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// What the members of a lobby must have in common, by name.
    fingerprint: Vec<(String, String)>,
    /// What is well, in sentences.
    notes: Vec<String>,
    /// What is odd, each with what to do.
    pub(crate) findings: Vec<String>,
}

/// What a daemon says.
#[derive(Debug)]
pub(crate) struct DaemonAnswers {
    pub(crate) status: Status,
    pub(crate) refusals: Vec<RefusedHost>,
    pub(crate) servers: Vec<Discovery>,
}

impl DaemonAnswers {
    /// The report about the daemon itself.
    pub(crate) fn about_the_daemon(&self) -> Report {
        let mut findings = self.about_the_drivers();
        findings.extend(self.about_the_time());
        findings.extend(self.about_the_own_name());
        findings.extend(self.namesakes(None));
        let mut notes = Vec::new();
        let refused =
            self.refusals.iter().map(|refused| (refused.last_seen, refused_host(refused)));
        let (recent, past) = self.by_age(refused.map(|(at, text)| (Some(at), text)));
        let more = recent.len().saturating_sub(MOST_REFUSED);
        findings.extend(recent.into_iter().take(MOST_REFUSED));
        if more > 0 {
            findings.push(format!(
                "packets of {more} further servers are refused: GET /v1/refusals lists all"
            ));
        }
        notes.extend(past.into_iter().take(MOST_REFUSED));
        let (recent, past) = self.by_age(self.status.drivers.iter().flat_map(about_the_packets));
        findings.extend(recent);
        notes.extend(past);
        if findings.is_empty() {
            let servers = count(self.status.records, "server is", "servers are");
            notes.insert(0, format!("nothing is odd, {servers} in the list"));
        }
        Report { fingerprint: self.fingerprint(), notes, findings }
    }

    /// Parts what is told of packets into what may go on and what is past, which is given its age.
    /// Each has the time of the last packet, where that is known.
    fn by_age(
        &self,
        told: impl Iterator<Item = (Option<i64>, String)>,
    ) -> (Vec<String>, Vec<String>) {
        let Status { ttl, interval, now, .. } = self.status;
        let recent = ttl.max(interval.unwrap_or_default()) * RECENT_TTLS;
        let (mut findings, mut notes) = (Vec::new(), Vec::new());
        for (last, text) in told {
            let age = last.and_then(|last| u64::try_from(now.saturating_sub(last)).ok());
            match age.filter(|age| *age > recent) {
                Some(age) => {
                    let age = format_duration(Duration::from_secs(age));
                    notes.push(format!("no more since {age}: {text}"));
                }
                None => findings.push(text),
            }
        }
        (findings, notes)
    }

    /// The report about a server that one looks for.
    pub(crate) fn about(&self, wanted: &HostName) -> Report {
        let refused = self.refusals.iter().filter(|refused| refused.hostname == *wanted);
        let refused = refused.map(|refused| (Some(refused.last_seen), refused_host(refused)));
        let (mut findings, mut notes) = self.by_age(refused);
        findings.extend(self.namesakes(Some(wanted)));
        if self.status.hostname.as_ref() == Some(wanted) {
            findings.extend(self.about_the_own_name());
        }
        if let Some(server) = self.servers.iter().find(|server| server.hostname == *wanted) {
            notes.insert(0, self.listed(server));
        } else {
            // A daemon that is not announced has no name to compare with.
            if !self.status.register && self.status.hostname.is_none() {
                findings.extend(self.about_the_own_name());
            }
            if findings.is_empty() {
                findings.push(format!(
                    "nothing was heard of {wanted}: compare the lines above with those of \"lobbyctl doctor\" there: \
                     both need a driver in common with the same broker and channel, REGISTER=true there, and, where \
                     packets are verified, the same key"
                ));
            }
            findings.extend(self.similar(wanted));
            findings.extend(self.about_the_time());
        }
        // While a broker is down, what is known of a server may be long past.
        findings.extend(self.about_the_drivers());
        Report { fingerprint: self.fingerprint(), notes, findings }
    }

    /// Names that several daemons go by, all of them or this one.
    fn namesakes(&self, wanted: Option<&HostName>) -> Vec<String> {
        let namesakes = self.status.namesakes.iter();
        let asked = namesakes.filter(|known| wanted.is_none_or(|name| *name == known.hostname));
        let tell = |known: &Namesakes| {
            format!(
                "{} daemons go by the name {}: give each server a HOSTNAME of its own",
                known.instances.len(),
                known.hostname
            )
        };
        asked.map(tell).collect()
    }

    fn listed(&self, server: &Discovery) -> String {
        let name = &server.hostname;
        if Some(name) == self.status.hostname.as_ref() {
            return format!("{name} is the server of this daemon");
        }
        let age = u64::try_from(self.status.now.saturating_sub(server.last_check));
        let age = format_duration(Duration::from_secs(age.unwrap_or_default()));
        format!("{name} is in the list, last heard {age} ago")
    }

    /// A server whose name might have been meant.
    fn similar(&self, wanted: &HostName) -> Option<String> {
        let plain = |name: &str| name.trim_end_matches('.').to_lowercase();
        let first = |name: &str| plain(name).split('.').next().unwrap_or_default().to_owned();
        let wanted = wanted.as_str();
        let names = || self.servers.iter().map(|server| server.hostname.as_str());
        let similar = names().find(|name| plain(name) == plain(wanted));
        let similar = similar.or_else(|| names().find(|name| first(name) == first(wanted)))?;
        Some(format!("there is a server {similar}: names must be the same to the letter"))
    }

    fn fingerprint(&self) -> Vec<(String, String)> {
        let status = &self.status;
        let own = status.hostname.as_ref().map_or("nobody", |name| name.as_str());
        let version = format!("{} of {own}", status.version);
        let mut lines = vec![("lobbyd".to_owned(), version)];
        lines.extend(status.drivers.iter().map(|driver| {
            let state = if driver.state == LinkState::Up { "up" } else { "DOWN" };
            let server = driver.server.as_ref().map(|server| format!(", server {server}"));
            let place = format!("{}, channel {}", server.unwrap_or_default(), driver.channel);
            (driver.name.clone(), format!("{state}{place}"))
        }));
        let keys = status.keys.join(" ");
        let keys = if keys.is_empty() { "no key".to_owned() } else { format!("keys {keys}") };
        lines.extend([
            ("register".to_owned(), if status.register { "yes" } else { "no" }.to_owned()),
            ("verify".to_owned(), format!("{}, {keys}", status.verify)),
            ("intervals".to_owned(), intervals(status)),
        ]);
        lines
    }

    fn is_blind(&self) -> bool {
        self.status.drivers.iter().all(|driver| driver.state == LinkState::Down)
    }

    fn about_the_drivers(&self) -> Vec<String> {
        let mut findings = Vec::new();
        for driver in &self.status.drivers {
            let reason = driver.reason.as_deref().unwrap_or("no reason is known");
            match driver.state {
                LinkState::Down => findings.push(format!(
                    "{} is down: {reason}: look at the broker and at the settings of the driver",
                    driver.name
                )),
                LinkState::Up if driver.reason.is_some() => {
                    findings.push(format!("{} is up, with a fault: {reason}", driver.name));
                }
                LinkState::Up => {}
            }
        }
        if self.is_blind() {
            findings.push("no link is up: the list stays as it was last known".to_owned());
        }
        findings
    }

    /// What the time so far cannot have told, while some link is up.
    fn about_the_time(&self) -> Option<String> {
        let Status { keep_alive, interval, .. } = self.status;
        let (is_blind, wait) = (self.is_blind(), interval.unwrap_or_default().max(keep_alive));
        if is_blind {
            None
        } else if self.status.warm {
            self.alone()
        } else {
            Some(format!("the daemon has not listened for long: ask again in {wait} s"))
        }
    }

    /// Nobody else is heard. Right after the start that is no wonder.
    fn alone(&self) -> Option<String> {
        let status = &self.status;
        let lasted = status.now.saturating_sub(status.alone_since?);
        let lasted = u64::try_from(lasted).unwrap_or_default();
        (lasted > status.keep_alive).then(|| {
            format!(
                "no other server has been heard for {}: compare the lines above with those of \"lobbyctl doctor\" on \
                 another server",
                format_duration(Duration::from_secs(lasted))
            )
        })
    }

    fn about_the_own_name(&self) -> Vec<String> {
        let status = &self.status;
        let mut findings = Vec::new();
        if !status.register {
            findings.push(
                "REGISTER=false: this server is announced to nobody: set REGISTER=true if others should see it"
                    .to_owned(),
            );
        }
        if let Some(duplicate) = &status.duplicate {
            let instance = duplicate.instance.as_deref().unwrap_or("unknown");
            findings.push(format!(
                "another daemon (instance {instance}) goes by the name of this server: give one of them another HOSTNAME"
            ));
        }
        if status.prometheus_problems > 0 {
            findings.push(format!(
                "{} labels make no target for Prometheus as they are: the log names them",
                status.prometheus_problems
            ));
        }
        findings
    }
}

/// A number of things, in words for one and for several.
fn count(number: impl TryInto<u64>, one: &str, several: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {one}"),
        number => format!("{number} {several}"),
    }
}

fn refused_host(refused: &RefusedHost) -> String {
    let RefusedHost { hostname, driver, reason, text, packets, .. } = refused;
    let advice = match reason.as_str() {
        "unsigned" => {
            "give that server the PACKET_KEY_FILE of this one, or set PACKET_VERIFY=warn here"
        }
        "bad_signature" => "its key is another one: bring the same PACKET_KEY_FILE to both",
        "stale" => "the two clocks differ: run NTP on both",
        "replayed" => "its clock was set back, or somebody sends old packets again",
        _ => "correct the labels of that server",
    };
    let (one, several) =
        (format!("packet of {hostname} was"), format!("packets of {hostname} were"));
    format!("{} refused on {driver}: {text}: {advice}", count(*packets, &one, &several))
}

/// Reasons that no server is known for, with what to do.
const STRANGERS: [(&str, &str); 6] = [
    ("not_json", "something else writes to this channel: give the lobby a channel of its own"),
    (
        "unknown_message",
        "something else writes to this channel: give the lobby a channel of its own",
    ),
    ("too_large", "something else writes to this channel, or a server has too many labels"),
    ("no_hostname", "a server has no HOSTNAME: the log tells when"),
    ("bad_hostname", "a server has an invalid HOSTNAME: the log names it"),
    ("registry_full", "raise MAX_SERVERS, or look who announces so many servers"),
];

/// What is told of the packets of a driver, with the time of the last one of them.
fn about_the_packets(driver: &DriverStatus) -> Vec<(Option<i64>, String)> {
    let name = &driver.name;
    let last_seen = |count: &str| driver.last_seen.get(count).copied();
    let strangers = STRANGERS.iter().filter_map(|(reason, advice)| {
        let packets = driver.refused.get(*reason).filter(|packets| **packets > 0)?;
        let packets = count(*packets, "packet was", "packets were");
        let text = format!("{packets} refused on {name} ({reason}): {advice}");
        Some((last_seen(reason), text))
    });
    let mut findings: Vec<_> = strangers.collect();
    if driver.unsigned > 0 {
        let packets = count(driver.unsigned, "packet", "packets");
        let text = format!(
            "{packets} without a signature accepted on {name}: give all servers PACKET_KEY_FILE, then set \
             PACKET_VERIFY=enforce"
        );
        findings.push((last_seen("unsigned"), text));
    }
    if driver.invalid_ttl > 0 {
        let packets = count(driver.invalid_ttl, "packet", "packets");
        let text = format!(
            "{packets} with an invalid ttl taken as without on {name}: the log names the server; let its program \
             say 1 to 3600, in whole seconds"
        );
        findings.push((last_seen("invalid_ttl"), text));
    }
    if driver.dropped > 0 {
        let packets = count(driver.dropped, "packet", "packets");
        let text = format!(
            "{packets} dropped on {name}, as they came faster than they could be read: give the machine more \
             processor time, or the lobby a longer KEEP_ALIVE"
        );
        findings.push((last_seen("dropped"), text));
    }
    findings
}

impl Report {
    /// As text for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.fingerprint {
            text += &format!("{name:<11}{}\n", one_line(value));
        }
        for line in &self.notes {
            text += &format!("\n{}\n", one_line(line));
        }
        if !self.findings.is_empty() {
            text += "\n";
        }
        for line in &self.findings {
            text += &format!("- {}\n", one_line(line));
        }
        text
    }

    /// As one line of JSON.
    pub(crate) fn json(&self) -> String {
        let fingerprint: serde_json::Map<_, _> =
            self.fingerprint.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let (notes, findings) = (&self.notes, &self.findings);
        json!({"fingerprint": fingerprint, "notes": notes, "findings": findings}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use lobby_client::DuplicateName;

    use super::*;

    fn name(name: &str) -> HostName {
        HostName::parse(name).unwrap()
    }

    fn answers() -> DaemonAnswers {
        let nats = DriverStatus {
            name: "NATS".to_owned(),
            state: LinkState::Up,
            server: Some("nats://b:4222".to_owned()),
            channel: "lobby.discovery".to_owned(),
            ..DriverStatus::default()
        };
        let status = Status {
            version: "2.0.0".to_owned(),
            hostname: Some(name("a")),
            records: 2,
            warm: true,
            now: 1_000,
            drivers: vec![nats],
            register: true,
            keep_alive: 5,
            ttl: 30,
            verify: "off".to_owned(),
            ..Status::default()
        };
        let server =
            |host: &str| Discovery { last_check: 990, ..Discovery::new(name(host), vec![]) };
        DaemonAnswers {
            status,
            refusals: vec![],
            servers: vec![server("a"), server("Web1.example")],
        }
    }

    fn findings(change: impl FnOnce(&mut DaemonAnswers)) -> String {
        let mut answers = answers();
        change(&mut answers);
        answers.about_the_daemon().findings.join("\n")
    }

    #[test]
    fn a_daemon_that_is_well_has_a_fingerprint_and_no_finding() {
        let expected = "\
lobbyd     2.0.0 of a
NATS       up, server nats://b:4222, channel lobby.discovery
register   yes
verify     off, no key
intervals  keep-alive 5 s, TTL 30 s

nothing is odd, 2 servers are in the list
";
        assert_eq!(answers().about_the_daemon().text(), expected);
    }

    #[test]
    fn a_name_that_two_daemons_go_by_is_told_of() {
        let hostname = name("Web1.example");
        let mut answers = answers();
        let instances = vec!["i1".into(), "i2".into()];
        answers.status.namesakes = vec![Namesakes { hostname: hostname.clone(), instances }];
        let told = "2 daemons go by the name Web1.example: give each server a HOSTNAME of its own";
        assert_eq!(answers.about_the_daemon().findings, [told]);
        assert_eq!(answers.about(&hostname).findings, [told]);
        assert!(answers.about(&name("a")).findings.is_empty());
    }

    #[test]
    fn whatever_is_odd_is_a_line_with_what_to_do() {
        assert!(findings(|a| a.status.register = false).starts_with("REGISTER=false: "));
        assert!(findings(|a| a.status.warm = false).contains("ask again in 5 s"));
        let cold_in_a_large_lobby = findings(|a| {
            (a.status.warm, a.status.interval) = (false, Some(50));
        });
        assert!(cold_in_a_large_lobby.contains("ask again in 50 s"), "{cold_in_a_large_lobby}");
        assert!(findings(|a| a.status.alone_since = Some(900)).contains("heard for 1m 40s"));
        assert_eq!(findings(|a| a.status.alone_since = Some(997)), "");
        let down = findings(|a| a.status.drivers[0].state = LinkState::Down);
        assert!(down.contains("NATS is down") && down.contains("no link is up"), "{down}");
        let refused =
            |a: &mut DaemonAnswers| a.status.drivers[0].refused = [("not_json".into(), 3)].into();
        assert!(findings(refused).contains("3 packets were refused on NATS (not_json): something"));
        assert!(findings(|a| a.status.drivers[0].unsigned = 1).contains("PACKET_VERIFY=enforce"));
        assert!(findings(|a| a.status.drivers[0].dropped = 1).contains("dropped on NATS"));
        let ttl = findings(|a| a.status.drivers[0].invalid_ttl = 2);
        assert!(
            ttl.starts_with("2 packets with an invalid ttl") && ttl.contains("1 to 3600"),
            "{ttl}"
        );
        let fault = findings(|a| a.status.drivers[0].reason = Some("not allowed".to_owned()));
        assert_eq!(fault, "NATS is up, with a fault: not allowed");
        assert!(findings(|a| a.status.prometheus_problems = 3).starts_with("3 labels make no"));
        let instance = Some("1f".to_owned());
        let duplicate = DuplicateName { packets: 1, last_seen: 999, instance };
        let told = findings(|a| a.status.duplicate = Some(duplicate));
        assert!(told.starts_with("another daemon (instance 1f) goes by the name of this server: "));
    }

    #[test]
    fn what_is_past_is_told_and_is_no_finding() {
        let mut answers = answers();
        let driver = &mut answers.status.drivers[0];
        driver.refused = [("not_json".to_owned(), 1)].into();
        driver.dropped = 3;
        driver.last_seen = [("not_json".to_owned(), 910), ("dropped".to_owned(), 909)].into();
        answers.refusals = vec![RefusedHost { last_seen: 640, ..refusal("db1", "unsigned") }];
        let report = answers.about_the_daemon();
        let finding = "1 packet was refused on NATS (not_json): something else";
        assert!(report.findings[0].starts_with(finding), "{report:?}");
        let start = "no more since 6m: 4 packets of db1 were refused on NATS";
        assert!(report.notes[0].starts_with(start), "{report:?}");
        assert!(report.notes[1].starts_with("no more since 1m 31s: 3 packets dropped on NATS"));
        assert_eq!((report.findings.len(), report.notes.len()), (1, 2), "{report:?}");
        // Each of a large lobby sends less often.
        answers.status.interval = Some(120);
        assert_eq!(answers.about_the_daemon().findings.len(), 3);
        answers.status.interval = None;
        answers.status.drivers[0].last_seen.insert("not_json".to_owned(), 0);
        let well = answers.about_the_daemon();
        assert_eq!(well.notes[0], "nothing is odd, 2 servers are in the list");
        assert!(well.findings.is_empty() && well.notes.len() == 4, "{well:?}");
        answers.servers.push(Discovery::new(name("db1"), vec![]));
        let listed = answers.about(&name("db1"));
        assert!(listed.findings.is_empty() && listed.notes[1].starts_with(start), "{listed:?}");
    }

    #[test]
    fn who_asks_for_the_own_server_is_told_of_it() {
        let mut answers = answers();
        let duplicate = DuplicateName { packets: 1, last_seen: 999, instance: None };
        answers.status.duplicate = Some(duplicate);
        let told = answers.about(&name("a")).findings;
        assert!(told.len() == 1 && told[0].starts_with("another daemon (instance"), "{told:?}");
        assert!(answers.about(&name("Web1.example")).findings.is_empty());
        answers.status.duplicate = None;
        (answers.status.hostname, answers.status.register) = (None, false);
        let told = answers.about(&name("d")).findings;
        assert!(told[0].starts_with("REGISTER=false: this server is announced to nobody"));
    }

    fn refusal(host: &str, reason: &str) -> RefusedHost {
        RefusedHost {
            hostname: name(host),
            driver: "NATS".to_owned(),
            reason: reason.to_owned(),
            text: format!("host {host}: not accepted"),
            packets: 4,
            last_seen: 999,
        }
    }

    #[test]
    fn each_reason_of_a_refusal_has_its_advice() {
        for (reason, advice) in STRANGERS {
            let packets = [(reason.to_owned(), 3)].into();
            let told = findings(|a| a.status.drivers[0].refused = packets);
            assert_eq!(told, format!("3 packets were refused on NATS ({reason}): {advice}"));
        }
        for (reason, advice) in [
            ("unsigned", "give that server the PACKET_KEY_FILE of this one"),
            ("bad_signature", "bring the same PACKET_KEY_FILE to both"),
            ("stale", "the two clocks differ: run NTP on both"),
            ("replayed", "its clock was set back"),
            ("bad_label", "correct the labels of that server"),
            ("too_many_labels", "correct the labels of that server"),
        ] {
            let told = findings(|a| a.refusals.push(refusal("db1", reason)));
            let start = "4 packets of db1 were refused on NATS: host db1: not accepted: ";
            assert!(told.starts_with(start) && told.contains(advice), "{reason}: {told}");
        }
        let many = |a: &mut DaemonAnswers| {
            a.refusals = (0..23).map(|n| refusal(&format!("db{n}"), "stale")).collect();
        };
        let told = findings(many);
        assert!(
            told.ends_with("packets of 3 further servers are refused: GET /v1/refusals lists all")
        );
        assert_eq!(told.lines().count(), MOST_REFUSED + 1);
    }

    #[test]
    fn a_server_is_listed_refused_or_was_never_heard() {
        let mut answers = answers();
        let listed = answers.about(&name("Web1.example"));
        assert_eq!(listed.notes, ["Web1.example is in the list, last heard 10s ago"]);
        assert!(listed.findings.is_empty());
        answers.status.drivers[0].state = LinkState::Down;
        let blind = answers.about(&name("Web1.example")).findings;
        assert!(blind.len() == 2 && blind[0].starts_with("NATS is down"), "{blind:?}");
        answers.status.drivers[0].state = LinkState::Up;
        let unheard = answers.about(&name("db1")).findings;
        assert!(unheard.len() == 1 && unheard[0].starts_with("nothing was heard of db1"));
        let similar = answers.about(&name("web1.example.")).findings;
        assert!(similar[1].starts_with("there is a server Web1.example"), "{similar:?}");
        answers.refusals.push(refusal("db1", "unsigned"));
        let refused = answers.about(&name("db1")).findings;
        assert!(refused[0].starts_with("4 packets of db1 were refused on NATS"), "{refused:?}");
        assert!(refused.len() == 1 && refused[0].contains("give that server the PACKET_KEY_FILE"));
    }
}
