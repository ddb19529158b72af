//! The settings of the Redis driver.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::DefaultValue::{Described, Literal};
use crate::config::Rule::NotBoth;
use crate::config::kinds::{self, ValueKind};
use crate::config::{ConfigError, Secret, Timing, Values, settings};

const HOST: ValueKind<String> = kinds::open("HOST", |text| kinds::host(text, "REDIS_PORT"));
const DATABASE: ValueKind<u32> =
    kinds::open("NUMBER", |text| kinds::whole_number(text, "database", 0..=u32::MAX.into()));
const CHANNEL: ValueKind<String> = kinds::open("CHANNEL", |text| kinds::unspaced(text, "channel"));

settings! {
    /// The settings of the Redis driver.
    BLOCK, "Driver Redis" {
        REDIS_HOST: String, HOST, Literal("127.0.0.1"), "Server, an IP address or a name";
        REDIS_PORT: u16, kinds::PORT, Literal("6379"), "Port of the server";
        REDIS_DB: u32, DATABASE, Literal("0"), "Database to select; channels are common to all of them";
        REDIS_CHANNEL: String, CHANNEL, Literal("lobby:discovery"), "Channel that packets travel on";
        REDIS_USERNAME: String, kinds::USER, Described("none"), "User to log in as";
        REDIS_PASSWORD: String, kinds::SECRET, Described("none"), "Password to log in with";
        REDIS_PASSWORD_FILE: PathBuf, kinds::SECRET_FILE, Described("none"), "File that holds REDIS_PASSWORD";
        REDIS_TLS: bool, kinds::SWITCH, Literal("false"), "Speak TLS";
        REDIS_CA_FILE: PathBuf, kinds::FILE, Described("the system's authorities"),
            "Authority that signed the server's certificate, PEM; implies REDIS_TLS";
    }
    NotBoth(&REDIS_PASSWORD.info, &REDIS_PASSWORD_FILE.info)
}

/// How Redis is reached.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// REDIS_HOST.
    pub host: String,
    /// REDIS_PORT.
    pub port: u16,
    /// REDIS_DB: selected for compatibility; publish and subscribe ignore it.
    pub db: u32,
    /// REDIS_CHANNEL.
    pub channel: String,
    /// REDIS_USERNAME: ACL user.
    pub username: Option<String>,
    /// REDIS_PASSWORD or REDIS_PASSWORD_FILE.
    pub password: Option<Secret>,
    /// REDIS_TLS: whether to use TLS; set by REDIS_CA_FILE too.
    pub tls: bool,
    /// REDIS_CA_FILE: certificate authority that signed the server's certificate, PEM.
    pub ca_file: Option<PathBuf>,
    /// How long the broker may be silent before the link is down.
    pub silence_limit: Duration,
}

impl RedisSettings {
    /// Reads them; the file that they name can be read then.
    ///
    /// # Errors
    /// Which setting names a file that cannot be read.
    pub(super) fn read(values: &Values<'_>, timing: Timing) -> Result<Self, ConfigError> {
        let ca_file = values.readable(&REDIS_CA_FILE)?;
        Ok(Self {
            host: values.get(&REDIS_HOST)?,
            port: values.get(&REDIS_PORT)?,
            db: values.get(&REDIS_DB)?,
            channel: values.get(&REDIS_CHANNEL)?,
            username: values.optional(&REDIS_USERNAME)?,
            password: values.secret(&REDIS_PASSWORD, &REDIS_PASSWORD_FILE)?,
            tls: values.get(&REDIS_TLS)? || ca_file.is_some(),
            ca_file,
            silence_limit: timing.silence_limit(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::configured;

    fn read(variables: &str) -> RedisSettings {
        configured(&BLOCK, variables, RedisSettings::read).unwrap()
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let settings = read("");
        assert_eq!((settings.host.as_str(), settings.port, settings.db), ("127.0.0.1", 6379, 0));
        assert_eq!(settings.channel, "lobby:discovery");
        assert!(settings.username.is_none() && settings.password.is_none());
        assert!(!settings.tls && settings.ca_file.is_none());
    }

    #[test]
    fn an_authority_implies_tls() {
        let ca = tempfile::NamedTempFile::new().unwrap();
        assert!(read(&format!("REDIS_CA_FILE={}", ca.path().display())).tls);
    }

    #[test]
    fn settings_never_print_the_password() {
        assert!(!format!("{:?}", read("REDIS_PASSWORD=hush")).contains("hush"));
    }
}
