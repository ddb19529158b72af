//! The status of the daemon in one line of words, as `systemctl status` shows it.

use lobby_client::{DriverStatus, LinkState, Status};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// How many servers there are and how the links are doing:
/// `1,204 servers; NATS up, Redis down since 12:01 UTC`.
pub fn status_text(status: &Status) -> String {
    let links: Vec<_> = status.drivers.iter().map(|driver| link(driver, status.now)).collect();
    let twin = if status.duplicate.is_some() { "; another daemon has the same name" } else { "" };
    format!("{}; {}{twin}", servers(status), links.join(", "))
}

fn servers(status: &Status) -> String {
    let noun = if status.records == 1 { "server" } else { "servers" };
    let is_blind = status.drivers.iter().all(|driver| driver.state == LinkState::Down);
    let known = match (status.warm, is_blind) {
        (true, false) => "",
        (true, true) => " as last known",
        (false, _) => " so far",
    };
    format!("{} {noun}{known}", grouped(status.records))
}

fn link(driver: &DriverStatus, now: i64) -> String {
    let name = &driver.name;
    match (driver.state, &driver.reason) {
        (LinkState::Down, _) => format!("{name} down {}", since(driver.since, now)),
        (LinkState::Up, Some(_)) => format!("{name} up with a fault"),
        (LinkState::Up, None) => format!("{name} up"),
    }
}

/// A moment of the past, both in seconds since the Unix epoch.
fn since(moment: i64, now: i64) -> String {
    match now.saturating_sub(moment) / DAY {
        ..=0 => {
            let time = moment.rem_euclid(DAY);
            format!("since {:02}:{:02} UTC", time / HOUR, time % HOUR / MINUTE)
        }
        1 => "for a day".to_owned(),
        days => format!("for {days} days"),
    }
}

/// A number with a comma before every three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::stats::LinkStats;

    /// 12:01 UTC of some day.
    const NOON: i64 = 19_000 * DAY + 12 * HOUR + MINUTE;

    fn up(name: &'static str) -> LinkStats {
        let mut stats = LinkStats::new(name, NOON);
        stats.opened(None, NOON);
        stats
    }

    fn status(records: usize, warm: bool, links: &[LinkStats]) -> Status {
        Status {
            now: NOON + MINUTE,
            records,
            warm,
            drivers: links.iter().map(LinkStats::status).collect(),
            ..Status::default()
        }
    }

    #[test]
    fn servers_and_links_are_one_line_of_words() {
        let mut redis = up("Redis");
        redis.closed("refused", NOON + 59);
        assert_eq!(
            status_text(&status(1204, true, &[up("NATS"), redis])),
            "1,204 servers; NATS up, Redis down since 12:01 UTC"
        );
        assert_eq!(status_text(&status(1, true, &[up("Local")])), "1 server; Local up");
    }

    #[test]
    fn a_list_that_is_not_whole_or_not_fresh_says_so() {
        assert_eq!(status_text(&status(7, false, &[up("NATS")])), "7 servers so far; NATS up");
        let mut nats = up("NATS");
        nats.closed("refused", NOON - 2 * DAY);
        assert_eq!(
            status_text(&status(7, true, &[nats])),
            "7 servers as last known; NATS down for 2 days"
        );
    }

    #[test]
    fn a_link_over_which_nothing_can_be_sent_has_a_fault() {
        let mut nats = up("NATS");
        nats.sent(Err("too large".to_owned()));
        assert_eq!(status_text(&status(2, true, &[nats])), "2 servers; NATS up with a fault");
    }

    #[test]
    fn numbers_have_commas() {
        let numbers = [0, 999, 1000, 100_000, 12_345_678].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "100,000", "12,345,678"]);
    }
}
