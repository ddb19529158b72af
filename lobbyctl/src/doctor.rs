//! Doctor: what is odd about a daemon, and why it does not see a server.

use std::time::Duration;

use humantime::format_duration;
use lobby_client::text::one_line;
use lobby_client::{Discovery, DriverStatus, HostName, LinkState, Namesakes, RefusedHost, Status};
use serde_json::json;

use crate::status::intervals;

/// Most servers with refused packets that are told one by one.
const MOST_REFUSED: usize = 20;

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
        findings.extend(self.refusals.iter().take(MOST_REFUSED).map(refused));
        if self.refusals.len() > MOST_REFUSED {
            let more = self.refusals.len() - MOST_REFUSED;
            findings.push(format!(
                "packets of {more} further servers are refused: GET /v1/refusals lists all"
            ));
        }
        findings.extend(self.status.drivers.iter().flat_map(about_the_packets));
        let notes = if findings.is_empty() {
            vec![format!("nothing is odd, {} servers are in the list", self.status.records)]
        } else {
            Vec::new()
        };
        Report { fingerprint: self.fingerprint(), notes, findings }
    }

    /// The report about a server that one looks for.
    pub(crate) fn about(&self, wanted: &HostName) -> Report {
        let mut findings: Vec<_> = self
            .refusals
            .iter()
            .filter(|refused| refused.hostname == *wanted)
            .map(refused)
            .chain(self.namesakes(Some(wanted)))
            .collect();
        let mut notes = Vec::new();
        if let Some(server) = self.servers.iter().find(|server| server.hostname == *wanted) {
            notes.push(self.listed(server));
        } else {
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

fn refused(refused: &RefusedHost) -> String {
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
    format!("{packets} packets of {hostname} were refused on {driver}: {text}: {advice}")
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

fn about_the_packets(driver: &DriverStatus) -> Vec<String> {
    let name = &driver.name;
    let strangers = STRANGERS.iter().filter_map(|(reason, advice)| {
        let packets = driver.refused.get(*reason).filter(|packets| **packets > 0)?;
        Some(format!("{packets} packets were refused on {name} ({reason}): {advice}"))
    });
    let mut findings: Vec<_> = strangers.collect();
    if driver.unsigned > 0 {
        findings.push(format!(
            "{} packets without a signature were accepted on {name}: give all servers PACKET_KEY_FILE, then set \
             PACKET_VERIFY=enforce",
            driver.unsigned
        ));
    }
    if driver.invalid_ttl > 0 {
        findings.push(format!(
            "{} packets with a ttl that is not valid were taken as without on {name}: the log names the server; let \
             its program say 1 to 3600, in whole seconds",
            driver.invalid_ttl
        ));
    }
    if driver.dropped > 0 {
        findings.push(format!(
            "{} packets were dropped on {name}, as they came faster than they could be read: give the machine more \
             processor time, or the lobby a longer KEEP_ALIVE",
            driver.dropped
        ));
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
        assert!(ttl.starts_with("2 packets with a ttl that") && ttl.contains("1 to 3600"), "{ttl}");
        let fault = findings(|a| a.status.drivers[0].reason = Some("not allowed".to_owned()));
        assert_eq!(fault, "NATS is up, with a fault: not allowed");
        assert!(findings(|a| a.status.prometheus_problems = 3).starts_with("3 labels make no"));
        let instance = Some("1f".to_owned());
        let duplicate = DuplicateName { packets: 1, last_seen: 999, instance };
        let told = findings(|a| a.status.duplicate = Some(duplicate));
        assert!(told.starts_with("another daemon (instance 1f) goes by the name of this server: "));
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
