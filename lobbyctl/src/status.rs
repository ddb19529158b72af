//! The status of a daemon as text.

use std::time::{Duration, UNIX_EPOCH};

use humantime::{format_duration, format_rfc3339_seconds};
use lobby_client::text::one_line;
use lobby_client::{DriverStatus, LinkState, Namesakes, Status};

/// A block about the daemon, then one about each of its links.
pub(crate) fn text(status: &Status) -> String {
    let hostname = status.hostname.as_ref().map_or("-", |name| name.as_str());
    let mut text = format!("lobbyd {} on {}\n", one_line(&status.version), one_line(hostname));
    text += &line("instance", &status.instance);
    text += &line("started", &moment(status.started));
    text += &line("records", &status.records.to_string());
    text += &line(
        "warm",
        if status.warm { "yes" } else { "no, not every host can have been heard yet" },
    );
    text += &rules(status);
    if let Some(duplicate) = &status.duplicate {
        let instance = duplicate.instance.as_deref().unwrap_or("unknown");
        let last = moment(duplicate.last_seen);
        text += &line(
            "DUPLICATE",
            &format!("instance {instance} goes by the same name, last heard {last}"),
        );
    }
    for Namesakes { hostname, instances } in &status.namesakes {
        let (daemons, hostname) = (instances.len(), one_line(hostname.as_str()));
        text += &line("NAMESAKES", &format!("{daemons} daemons go by the name {hostname}"));
    }
    if status.prometheus_problems > 0 {
        text += &line(
            "prometheus",
            &format!("{} labels could not be used as they are", status.prometheus_problems),
        );
    }
    status.drivers.iter().fold(text, |text, driver| text + "\n" + &link(driver, status))
}

/// What the members of a lobby must have in common, and what follows if they have not.
fn rules(status: &Status) -> String {
    let register = if status.register { "yes" } else { "no, it is announced to nobody" };
    let mut text = line("register", register);
    text += &line("intervals", &intervals(status));
    let keys = status.keys.join(" ");
    let keys = if keys.is_empty() { "no key".to_owned() } else { format!("keys {keys}") };
    text += &line("verify", &format!("{}, {keys}", status.verify));
    if let Some(since) = status.alone_since {
        text += &line("ALONE", &format!("no other server since {}", moment(since)));
    }
    text += &line("streams", &status.streams.to_string());
    text
}

/// The settings of the time, and what is in use instead in a large lobby.
pub(crate) fn intervals(status: &Status) -> String {
    let Status { keep_alive, ttl, .. } = *status;
    let settings = format!("keep-alive {keep_alive} s, TTL {ttl} s");
    let interval = status.interval.filter(|interval| *interval > keep_alive);
    let packet_ttl = status.packet_ttl.filter(|packet_ttl| *packet_ttl > ttl);
    if interval.is_none() && packet_ttl.is_none() {
        return settings;
    }
    let (interval, packet_ttl) = (interval.unwrap_or(keep_alive), packet_ttl.unwrap_or(ttl));
    format!("{settings}; stretched to {interval} s and {packet_ttl} s, as the lobby is large")
}

fn link(driver: &DriverStatus, status: &Status) -> String {
    let state = match driver.state {
        LinkState::Up => "up",
        LinkState::Down => "DOWN",
    };
    let lasted = u64::try_from(status.now.saturating_sub(driver.since)).unwrap_or_default();
    let mut text = format!(
        "{} is {state} for {}\n",
        one_line(&driver.name),
        format_duration(Duration::from_secs(lasted))
    );
    text += &driver.server.iter().map(|server| line("server", server)).collect::<String>();
    text += &line("channel", &driver.channel);
    if let Some(reason) = &driver.reason {
        text += &line("reason", reason);
    }
    text += &line("received", &driver.received.to_string());
    text += &line("sent", &driver.sent.to_string());
    for (reason, packets) in &driver.refused {
        text += &line("refused", &format!("{packets} ({reason})"));
    }
    if driver.unsigned > 0 {
        text += &line("unsigned", &format!("{} accepted without signature", driver.unsigned));
    }
    if driver.invalid_ttl > 0 {
        text += &line("odd ttl", &format!("{} taken as without", driver.invalid_ttl));
    }
    if driver.dropped > 0 {
        text += &line("dropped", &driver.dropped.to_string());
    }
    text
}

fn line(name: &str, value: &str) -> String {
    format!("  {name:<11}{}\n", one_line(value))
}

/// A moment of the wall clock, UTC.
fn moment(unix_seconds: i64) -> String {
    let seconds = Duration::from_secs(u64::try_from(unix_seconds).unwrap_or_default());
    UNIX_EPOCH
        .checked_add(seconds)
        .map_or_else(String::new, |moment| format_rfc3339_seconds(moment).to_string())
}

#[cfg(test)]
mod tests {
    use lobby_client::{DuplicateName, HostName};

    use super::*;

    fn status() -> Status {
        let nats = DriverStatus {
            name: "NATS".into(),
            state: LinkState::Down,
            since: 1_795_424_000,
            reason: Some("connection refused".into()),
            received: 12,
            sent: 3,
            refused: [("not_json".to_owned(), 2)].into(),
            unsigned: 0,
            invalid_ttl: 0,
            dropped: 0,
            last_seen: [].into(),
            server: Some("nats://b1:4222".into()),
            channel: "lobby.discovery".into(),
        };
        Status {
            version: "2.0.0".into(),
            started: 1_795_423_000,
            now: 1_795_424_065,
            hostname: Some(HostName::parse("web1").unwrap()),
            instance: "0123456789abcdef".into(),
            records: 7,
            warm: true,
            drivers: vec![nats],
            duplicate: None,
            namesakes: vec![],
            prometheus_problems: 0,
            register: true,
            keep_alive: 5,
            ttl: 30,
            interval: Some(5),
            packet_ttl: Some(30),
            verify: "enforce".into(),
            keys: vec!["9f3c01aa".into(), "07d1e2c4".into()],
            alone_since: Some(1_795_424_000),
            streams: 2,
        }
    }

    #[test]
    fn a_status_is_a_block_about_the_daemon_and_one_about_each_link() {
        let expected = "\
lobbyd 2.0.0 on web1
  instance   0123456789abcdef
  started    2026-11-23T08:36:40Z
  records    7
  warm       yes
  register   yes
  intervals  keep-alive 5 s, TTL 30 s
  verify     enforce, keys 9f3c01aa 07d1e2c4
  ALONE      no other server since 2026-11-23T08:53:20Z
  streams    2

NATS is DOWN for 1m 5s
  server     nats://b1:4222
  channel    lobby.discovery
  reason     connection refused
  received   12
  sent       3
  refused    2 (not_json)
";
        assert_eq!(text(&status()), expected);
    }

    #[test]
    fn intervals_in_use_are_told_where_they_are_stretched() {
        let intervals = |interval, packet_ttl| {
            let text = text(&Status { interval, packet_ttl, ..status() });
            text.lines().find_map(|line| Some(line.strip_prefix("  intervals  ")?.to_owned()))
        };
        let plain = Some("keep-alive 5 s, TTL 30 s".to_owned());
        let and = |more: &str| plain.clone().map(|plain| format!("{plain}; {more}"));
        assert_eq!(intervals(None, None), plain);
        let stretched = and("stretched to 50 s and 300 s, as the lobby is large");
        assert_eq!(intervals(Some(50), Some(300)), stretched);
        let first = and("stretched to 5 s and 300 s, as the lobby is large");
        assert_eq!(intervals(Some(5), Some(300)), first, "the TTL is told before");
    }

    #[test]
    fn packets_accepted_without_signature_are_told() {
        let mut status = status();
        status.drivers[0].unsigned = 4;
        assert!(
            text(&status).contains("  unsigned   4 accepted without signature\n"),
            "{}",
            text(&status)
        );
    }

    #[test]
    fn strangers_do_not_write_to_the_terminal() {
        let instance = Some("\u{1b}[2J\nforged\u{202e}".to_owned());
        let mut status = Status {
            duplicate: Some(DuplicateName { packets: 1, last_seen: 0, instance }),
            ..status()
        };
        status.drivers[0].reason = Some("\u{9b}31m\u{200b}lost".to_owned());
        let text = text(&status);
        assert!(text.contains("instance [2J forged goes by"), "{text}");
        assert!(text.contains("  reason     31mlost\n"), "{text}");
        assert!(
            !text.chars().any(|c| c != '\n' && lobby_client::text::is_invisible(c)),
            "{text:?}"
        );
    }

    #[test]
    fn daemons_of_one_name_are_told() {
        let hostname = HostName::parse("web2").unwrap();
        let namesakes = vec![Namesakes { hostname, instances: vec!["i1".into(), "i2".into()] }];
        let text = text(&Status { namesakes, ..status() });
        assert!(text.contains("  NAMESAKES  2 daemons go by the name web2\n"), "{text}");
    }

    #[test]
    fn a_duplicate_name_is_told() {
        let duplicate =
            DuplicateName { packets: 4, last_seen: 1_795_424_060, instance: Some("i2".into()) };
        let text = text(&Status { duplicate: Some(duplicate), ..status() });
        assert!(
            text.contains(
                "  DUPLICATE  instance i2 goes by the same name, last heard 2026-11-23T08:54:20Z\n"
            ),
            "{text}"
        );
    }
}
