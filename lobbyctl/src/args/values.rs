//! Values of options: how their texts are read.

use std::time::Duration;

use lobby_client::ttl::parse_ttl;
use lobby_client::{Protocol, Selector};

/// A selector; the text and the mark below a fault begin on a line of their own.
pub(crate) fn selector(text: &str) -> Result<Selector, String> {
    Selector::parse(text).map_err(|error| format!("\n{error}"))
}

pub(crate) fn protocol(text: &str) -> Result<Protocol, String> {
    text.parse().map_err(|_| "must be http or https".to_owned())
}

/// A host that stays one within a URL.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || "-._:[]".contains(c);
    if has_port(text) {
        Err("must be a host name or an IP address alone: its port goes to --port or PORT"
            .to_owned())
    } else if !text.is_empty() && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("must be a host name or an IP address".to_owned())
    }
}

/// A bare IPv6 address has several colons, one in brackets none behind them.
fn has_port(host: &str) -> bool {
    host.contains("]:") || host.matches(':').count() == 1
}

pub(crate) fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|&port| port != 0)
        .ok_or_else(|| "must be a number from 1 to 65535".to_owned())
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&count| count > 0).ok_or_else(|| {
        "must be a number of servers, at least 1; for none there is --none".to_owned()
    })
}

/// A mode as `chmod` takes it.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| "must be a mode in octal digits, such as 0644".to_owned())
}

/// A time as the API takes it for a label: a bare number is in seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    parse_ttl(text).ok_or_else(|| {
        "must be a whole number with s, m, h or d, 1s to 365d, such as 90s, 5m or 1h".to_owned()
    })
}

/// The time that a label lasts. Somebody who types a bare number may have forgotten the unit, and
/// would hear of it when the label is gone.
pub(crate) fn time_of_label(text: &str) -> Result<Duration, String> {
    match number(text) {
        Some(number) => Err(format!("has no unit: {number}s, {number}m, {number}h or {number}d")),
        None => time(text),
    }
}

fn number(digits: &str) -> Option<u64> {
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}
