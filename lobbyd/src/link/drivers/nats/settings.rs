//! The settings of the NATS driver.

use std::path::PathBuf;
use std::time::Duration;

use super::{sync, url};
use crate::config::DefaultValue::{Described, Literal};
use crate::config::Rule::{BothOrNone, NotBoth};
use crate::config::kinds::{self, ValueKind, ValueStyle};
use crate::config::{ConfigError, Secret, Timing, Values, settings};

const URLS: ValueKind<String> = ValueKind { unit: "URLS", style: ValueStyle::Secret, parse: urls };
const SUBJECT: ValueKind<String> = kinds::open("SUBJECT", subject);
const SUBJECTS: ValueKind<String> = kinds::open("SUBJECT", subjects);

settings! {
    /// The settings of the NATS driver.
    BLOCK, "Driver NATS" {
        NATS_URL: String, URLS, Described("none, required with NATS"),
            "Servers, comma separated: nats:// or tls://, with user:password@ or token@ where needed";
        NATS_URL_FILE: PathBuf, kinds::SECRET_FILE, Described("none"), "File that holds NATS_URL";
        NATS_DISCOVERY_CHANNEL: String, SUBJECT, Literal("lobby.discovery"), "Subject that packets travel on";
        NATS_EVENTS: String, SUBJECTS, Described("none"),
            "Subject on which the server tells of closed connections, so that a crash is seen in seconds";
        NATS_NKEY_SEED_FILE: PathBuf, kinds::SECRET_FILE, Described("none"), "File that holds an nkey seed to log in with";
        NATS_CREDS_FILE: PathBuf, kinds::SECRET_FILE, Described("none"), "Credentials file (.creds) to log in with";
        NATS_CA_FILE: PathBuf, kinds::FILE, Described("the system's authorities"),
            "Authority that signed the servers' certificates, PEM";
        NATS_CERT_FILE: PathBuf, kinds::FILE, Described("none"), "Client certificate, PEM";
        NATS_KEY_FILE: PathBuf, kinds::SECRET_FILE, Described("none"), "Key of the client certificate, PEM";
    }
    NotBoth(&NATS_URL.info, &NATS_URL_FILE.info),
    NotBoth(&NATS_NKEY_SEED_FILE.info, &NATS_CREDS_FILE.info),
    BothOrNone(&NATS_CERT_FILE.info, &NATS_KEY_FILE.info)
}

/// How NATS is reached.
#[derive(Debug, Clone)]
pub struct NatsSettings {
    /// NATS_URL or NATS_URL_FILE: servers, comma separated, with user and password or token where
    /// needed.
    pub url: Secret,
    /// NATS_DISCOVERY_CHANNEL: subject.
    pub subject: String,
    /// NATS_EVENTS: subject on which the server tells of closed connections.
    pub events: Option<String>,
    /// NATS_NKEY_SEED_FILE: an nkey seed to log in with.
    pub nkey_seed: Option<Secret>,
    /// NATS_CREDS_FILE: a `.creds` file to log in with.
    pub creds_file: Option<PathBuf>,
    /// NATS_CA_FILE: certificate authority that signed the servers' certificates, PEM.
    pub ca_file: Option<PathBuf>,
    /// NATS_CERT_FILE and NATS_KEY_FILE: client certificate and its key, PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// How long the broker may be silent before the link is down.
    pub silence_limit: Duration,
}

impl NatsSettings {
    /// Reads them; files that they name can be read then.
    ///
    /// # Errors
    /// Which setting is missing, or names a file that cannot be read.
    pub(super) fn read(values: &Values<'_>, timing: Timing) -> Result<Self, ConfigError> {
        let certificate = values.readable(&NATS_CERT_FILE)?;
        let key = values.readable(&NATS_KEY_FILE)?;
        let subject = values.get(&NATS_DISCOVERY_CHANNEL)?;
        let events = values.optional(&NATS_EVENTS)?;
        check_apart(&subject, events.as_deref())?;
        Ok(Self {
            url: values.secret(&NATS_URL, &NATS_URL_FILE)?.ok_or_else(url_missing)?,
            subject,
            events,
            nkey_seed: values.secret_file(&NATS_NKEY_SEED_FILE)?,
            creds_file: values.readable(&NATS_CREDS_FILE)?,
            ca_file: values.readable(&NATS_CA_FILE)?,
            client_certificate: certificate.zip(key),
            silence_limit: timing.silence_limit(),
        })
    }
}

fn url_missing() -> ConfigError {
    let way_out =
        "set it, for example to nats://127.0.0.1:4222, or set DRIVER=Local to run without a broker";
    ConfigError::BadValue(format!("NATS_URL is missing, and DRIVER names NATS: {way_out}"))
}

fn urls(text: &str) -> Result<String, String> {
    url::parse(text).map_err(|error| format!("{error:#}"))?;
    Ok(text.trim().to_owned())
}

/// A subject that can be published to, hence without wildcards.
fn subject(text: &str) -> Result<String, String> {
    let subject = kinds::unspaced(text, "subject")?;
    if subject.split('.').any(|token| matches!(token, "" | "*" | ">")) {
        let expected = "words joined by single dots, without the wildcards * and >";
        return Err(kinds::refusal(text, "subject", expected));
    }
    Ok(subject)
}

/// A subject that can be subscribed to, hence with wildcards where NATS knows them.
fn subjects(text: &str) -> Result<String, String> {
    let expected = "words joined by single dots, where * stands for one word and > at the end for all that follow";
    let subject =
        kinds::unspaced(text, "subject").map_err(|_| kinds::refusal(text, "subject", expected))?;
    let last = subject.split('.').count() - 1;
    let is_word = |(place, word): (usize, &str)| match word {
        "*" => true,
        ">" => place == last,
        _ => !word.is_empty() && !word.contains(['*', '>']),
    };
    if subject.split('.').enumerate().all(is_word) {
        Ok(subject)
    } else {
        Err(kinds::refusal(text, "subject", expected))
    }
}

/// Neither packets nor questions of sync may come on the subject of events, too.
fn check_apart(channel: &str, events: Option<&str>) -> Result<(), ConfigError> {
    let taken = [
        (channel.to_owned(), "which is NATS_DISCOVERY_CHANNEL"),
        (sync::subject_beside(channel), "which is that of sync beside NATS_DISCOVERY_CHANNEL"),
    ];
    let Some(events) = events else { return Ok(()) };
    match taken.iter().find(|(subject, _)| takes_in(events, subject)) {
        None => Ok(()),
        Some((subject, which)) => Err(ConfigError::BadValue(format!(
            "NATS_EVENTS: {events:?} takes in {subject:?}, {which}: expected another subject, such as $SYS.ACCOUNT.*.DISCONNECT"
        ))),
    }
}

/// Whether what is published on a subject comes to those who subscribe to this pattern.
fn takes_in(pattern: &str, subject: &str) -> bool {
    let (mut words, mut rest) = (pattern.split('.'), subject.split('.'));
    loop {
        match (words.next(), rest.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some(word), Some(other)) if word == "*" || word == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::configured;

    fn read(variables: &str) -> NatsSettings {
        configured(&BLOCK, variables, NatsSettings::read).unwrap()
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let settings = read("NATS_URL=nats://broker:4222");
        assert_eq!(&*settings.url.expose(), "nats://broker:4222");
        assert_eq!(settings.subject, "lobby.discovery");
        assert!(settings.nkey_seed.is_none() && settings.creds_file.is_none());
        assert!(settings.ca_file.is_none() && settings.client_certificate.is_none());
    }

    #[test]
    fn a_subject_of_events_has_wildcards_where_nats_knows_them() {
        for valid in ["$SYS.ACCOUNT.*.DISCONNECT", "a", "*", "a.>", "*.*.x"] {
            assert_eq!(subjects(valid), Ok(valid.to_owned()));
        }
        for odd in ["", "a b", "a..b", ".a", "a.", "a.>.b", ">.a", "a*", "a.b>", "a\tb", "**"] {
            let refusal = subjects(odd).unwrap_err();
            assert!(refusal.contains("is not a valid subject: expected words joined"), "{refusal}");
        }
    }

    #[test]
    fn the_subject_of_events_does_not_take_in_that_of_packets() {
        for (pattern, expected) in [
            (">", true),
            ("lobby.*", true),
            ("*.discovery", true),
            ("lobby.discovery", true),
            ("lobby.>", true),
            ("lobby", false),
            ("lobby.discovery.>", false),
            ("*", false),
            ("lobby.discovery.*", false),
        ] {
            assert_eq!(takes_in(pattern, "lobby.discovery"), expected, "{pattern}");
        }
    }

    #[test]
    fn the_subject_of_events_is_neither_of_packets_nor_of_sync() {
        let check = |pattern| check_apart("lobby.discovery", Some(pattern));
        for (pattern, taken) in [
            (">", "\"lobby.discovery\", which is NATS_DISCOVERY_CHANNEL"),
            ("lobby.discovery", "\"lobby.discovery\", which is NATS_DISCOVERY_CHANNEL"),
            ("lobby.discovery.sync", "\"lobby.discovery.sync\", which is that of sync"),
            ("lobby.discovery.*", "\"lobby.discovery.sync\", which is that of sync"),
            ("lobby.discovery.>", "\"lobby.discovery.sync\", which is that of sync"),
            ("*.*.sync", "\"lobby.discovery.sync\", which is that of sync"),
        ] {
            let refusal = check(pattern).unwrap_err().to_string();
            assert!(refusal.contains(&format!("{pattern:?} takes in {taken}")), "{refusal}");
        }
        for apart in ["lobby", "*", "lobby.discovery.sync.*", "lobby.discovery.x", "a.*.sync"] {
            check(apart).unwrap();
        }
    }

    #[test]
    fn an_nkey_seed_is_read_from_its_file_and_never_shown() {
        let seed = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(seed.path(), "hush-seed").unwrap();
        let settings =
            read(&format!("NATS_URL=hush-token@b NATS_NKEY_SEED_FILE={}", seed.path().display()));
        assert_eq!(&*settings.nkey_seed.as_ref().unwrap().expose(), "hush-seed");
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
