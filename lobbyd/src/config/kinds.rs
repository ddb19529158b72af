//! The kinds of values that settings take: what the help calls them and how their text is read.
//!
//! A parser refuses a bad text with the words that follow the setting's name in the error: the
//! text, unless it is secret, and what was expected. Kinds that only one driver needs are declared
//! in that driver's folder.

use std::fmt::Display;
use std::net::{Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use lobby_client::{AddressLabels, HostName, Label, Selector};
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::LogFormat;
use lobby_core::dns::{InvalidZone, ZoneName};
use lobby_core::facts::fact::Fact;
use lobby_core::facts::own_address::AddressSource;
use lobby_core::signing::verifier::VerifyMode;

/// A kind of value.
pub(crate) struct ValueKind<T> {
    /// What stands for the value in the help.
    pub(crate) unit: &'static str,
    pub(crate) style: ValueStyle,
    pub(crate) parse: fn(&str) -> Result<T, String>,
}

/// How a value is given and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueStyle {
    /// Behind its flag, open to everyone.
    Open,
    /// A flag that means `true` when it stands alone.
    Switch,
    /// Never shown, and withheld from the callback.
    Secret,
    /// The name of a file with a secret. The name may be shown.
    SecretFile,
}

pub(crate) const SWITCH: ValueKind<bool> =
    ValueKind { unit: "true|false", style: ValueStyle::Switch, parse: switch };
pub(crate) const SECRET: ValueKind<String> =
    ValueKind { unit: "SECRET", style: ValueStyle::Secret, parse: any_text };

pub(crate) const LISTEN_PORT: ValueKind<u16> =
    open("PORT", |text| whole_number(text, "port", 0..=65_535));
pub(crate) const PORT: ValueKind<u16> = open("PORT", |text| whole_number(text, "port", 1..=65_535));
pub(crate) const COUNT: ValueKind<usize> =
    open("COUNT", |text| whole_number(text, "count", 1..=u32::MAX.into()));
pub(crate) const RATE: ValueKind<u32> =
    open("RATE", |text| whole_number(text, "packet rate", 0..=u32::MAX.into()));
pub(crate) const INTERVAL: ValueKind<Duration> = open("SECONDS", |text| seconds(text, 1));
pub(crate) const PAUSE: ValueKind<Duration> = open("SECONDS", |text| seconds(text, 0));

pub(crate) const TOKEN: ValueKind<String> =
    ValueKind { unit: "SECRET", style: ValueStyle::Secret, parse: token };
pub(crate) const USER: ValueKind<String> = open("NAME", any_text);
pub(crate) const HOST: ValueKind<String> = open("HOST", |text| host(text, "PORT"));
pub(crate) const HOST_NAME: ValueKind<HostName> = open("NAME", host_name);
pub(crate) const LABELS: ValueKind<Vec<Label>> = open("LABELS", labels);
pub(crate) const LABEL_KEYS: ValueKind<AddressLabels> = open("KEYS", label_keys);
pub(crate) const SOCKET_ADDRESS: ValueKind<SocketAddr> = open("ADDRESS:PORT", socket_address);
pub(crate) const ZONE: ValueKind<ZoneName> = open("ZONE", zone);
pub(crate) const DIR: ValueKind<PathBuf> = open("DIR", |text| path(text, "directory"));
pub(crate) const SECRET_FILE: ValueKind<PathBuf> =
    ValueKind { unit: "FILE", style: ValueStyle::SecretFile, parse: |text| path(text, "file") };
pub(crate) const FILE: ValueKind<PathBuf> = open("FILE", |text| path(text, "file"));
pub(crate) const FILE_NAME: ValueKind<String> = open("NAME", file_name);
pub(crate) const FACTS: ValueKind<Vec<Fact>> = open("FACTS", facts);
pub(crate) const ADDRESS: ValueKind<AddressSource> = open("ADDRESS", address);
pub(crate) const COMMAND: ValueKind<Vec<String>> = open("COMMAND", command_line);
pub(crate) const SELECTOR: ValueKind<Selector> = open("SELECTOR", selector);
pub(crate) const VERIFY: ValueKind<Option<VerifyMode>> = open("off|warn|enforce", verify);
pub(crate) const LOG_FILTER: ValueKind<String> = open("FILTER", log_filter);
pub(crate) const LOG_FORMAT: ValueKind<LogFormat> = open("text|json", log_format);

/// A kind of value that everyone may see.
pub(crate) const fn open<T>(
    unit: &'static str,
    parse: fn(&str) -> Result<T, String>,
) -> ValueKind<T> {
    ValueKind { unit, style: ValueStyle::Open, parse }
}

/// A year: more than anyone waits, and no sum of a few of them overflows a clock.
const MOST_SECONDS: u64 = 365 * 24 * 60 * 60;

/// The words that refuse a text.
pub(crate) fn refusal(text: &str, noun: &str, expected: impl Display) -> String {
    format!("{text:?} is not a valid {noun}: expected {expected}")
}

/// A number in this range.
pub(crate) fn whole_number<N: TryFrom<u64>>(
    text: &str,
    noun: &str,
    allowed: RangeInclusive<u64>,
) -> Result<N, String> {
    let number = text.trim().parse().ok().filter(|number| allowed.contains(number));
    number.and_then(|number| N::try_from(number).ok()).ok_or_else(|| {
        let range = format!("{} to {}", allowed.start(), allowed.end());
        refusal(text, noun, range)
    })
}

fn seconds(text: &str, least: u64) -> Result<Duration, String> {
    whole_number(text, "number of seconds", least..=MOST_SECONDS).map(Duration::from_secs)
}

fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "0" => Ok(false),
        _ => Err(refusal(text, "truth value", "true, false, t, f, yes, no, y, n, 1 or 0")),
    }
}

fn any_text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// A token as a client can send it. It is not shown.
fn token(text: &str) -> Result<String, String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(
            "the token holds white space or a line break, which no client can send: expected none"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

/// A text without white space.
pub(crate) fn unspaced(text: &str, noun: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(refusal(text, noun, "one or more characters other than white space"));
    }
    Ok(text.to_owned())
}

/// A host, whose port is given by another setting. Takes `[::1]` for `::1`: lobby 1.x needed the
/// brackets.
pub(crate) fn host(text: &str, port_setting: &str) -> Result<String, String> {
    if holds_port(text) {
        return Err(format!("{text:?} holds a port: use {port_setting} for it"));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bare = bare.filter(|inner| inner.parse::<Ipv6Addr>().is_ok()).unwrap_or(text);
    let host = unspaced(bare, "host").ok().filter(|host| host.contains(':') || is_name(host));
    host.ok_or_else(|| refusal(text, "host", "an IP address or a name"))
}

/// Whether a text can be a name that a resolver finds, whatever its characters are: its labels are
/// neither empty nor too long, and have no `-` at their ends.
pub(crate) fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    text.len() <= HostName::MAX_LEN && text.split('.').all(is_label)
}

/// Whether the text is a host with a port behind it. An IPv6 address has more than one colon and no
/// brackets.
fn holds_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_host =
        host.starts_with('[') && host.ends_with(']') || !host.is_empty() && !host.contains(':');
    is_host && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn host_name(text: &str) -> Result<HostName, String> {
    HostName::parse(text).map_err(|_| {
        let expected =
            format!("1 to {} bytes without white space and control characters", HostName::MAX_LEN);
        refusal(text, "host name", expected)
    })
}

/// The items of a comma-separated list, trimmed, without empty ones.
pub(crate) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn labels(text: &str) -> Result<Vec<Label>, String> {
    let parse = |item| {
        Label::parse(item).map_err(|_| {
            let expected = format!("1 to {} bytes without control characters", Label::MAX_LEN);
            refusal(item, "label", expected)
        })
    };
    items(text).map(parse).collect()
}

fn label_keys(text: &str) -> Result<AddressLabels, String> {
    let expected = "keys of labels, which hold no colon, comma separated";
    text.parse().map_err(|_| refusal(text, "list of keys", expected))
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let expected = "an IP address and a port, such as 127.0.0.1:8653 or [::1]:8653";
    text.trim().parse().map_err(|_| refusal(text, "address", expected))
}

fn zone(text: &str) -> Result<ZoneName, String> {
    text.trim().parse().map_err(|expected: InvalidZone| refusal(text, "zone", expected))
}

fn facts(text: &str) -> Result<Vec<Fact>, String> {
    let fact = |word| {
        let expected = "address, version, os or arch, or several of them, comma separated";
        Fact::of_word(word).ok_or_else(|| refusal(word, "fact", expected))
    };
    items(text).map(fact).collect()
}

fn address(text: &str) -> Result<AddressSource, String> {
    let expected = "auto, IP addresses, comma separated, or the name of an interface";
    AddressSource::parse(text).ok_or_else(|| refusal(text, "address", expected))
}

fn path(text: &str, noun: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err(refusal(text, noun, "a path"));
    }
    Ok(PathBuf::from(text))
}

fn file_name(text: &str) -> Result<String, String> {
    if matches!(text, "" | "." | "..") || text.contains(['/', '\0']) {
        return Err(refusal(text, "file name", "a bare name without /"));
    }
    Ok(text.to_owned())
}

fn command_line(text: &str) -> Result<Vec<String>, String> {
    let words = shlex::split(text)
        .ok_or_else(|| refusal(text, "command line", "every quote to be closed"))?;
    if words.first().is_none_or(String::is_empty) {
        return Err(refusal(text, "command line", "a program with its arguments"));
    }
    Ok(words)
}

/// A filter without the white space that `tracing` would take for part of a name. A lone word must
/// be a level: `tracing` would take a mistyped one for the name of a module, and log nothing. So it
/// would with a span, of which there are none.
fn log_filter(text: &str) -> Result<String, String> {
    let is_plausible =
        |item: &str| if item.contains('=') { !item.contains('[') } else { is_level(item) };
    let filter = items(text).collect::<Vec<_>>().join(",");
    if filter.is_empty() || !items(text).all(is_plausible) || filter.parse::<Targets>().is_err() {
        let expected = "error, warn, info, debug, trace or a filter such as info,async_nats=debug";
        return Err(refusal(text, "log level", expected));
    }
    Ok(filter)
}

fn is_level(text: &str) -> bool {
    text.parse::<LevelFilter>().is_ok()
}

fn selector(text: &str) -> Result<Selector, String> {
    Selector::parse(text)
        .map_err(|error| format!("{text:?} is not a valid selector: {}", error.one_line()))
}

fn verify(text: &str) -> Result<Option<VerifyMode>, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "off" => Ok(None),
        "warn" => Ok(Some(VerifyMode::Warn)),
        "enforce" => Ok(Some(VerifyMode::Enforce)),
        _ => Err(refusal(text, "way to verify", "off, warn or enforce")),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(refusal(text, "log format", "text or json")),
    }
}
