//! The login of this daemon: closed connections count if they had the same one.

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde::Deserialize;

use super::NatsSettings;
use super::url::{self, Login};

/// The line before the JWT in a `.creds` file.
const BEFORE_JWT: &str = "BEGIN NATS USER JWT";

/// The login of this daemon, as far as it can be known. The name of a connection is the choice of
/// whoever connects, and so is all that the server does not check: each kind of login is looked for
/// where the server tells what it checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OwnLogin {
    /// It is not known: there is none, or a token, or the server makes a user of a certificate.
    Unknown,
    /// The user names of NATS_URL, or the public key of the nkey.
    Users(Vec<String>),
    /// The public key of the user of NATS_CREDS_FILE; none if the file does not tell.
    Creds(Option<String>),
}

impl OwnLogin {
    /// That of a daemon with these settings, and this text in NATS_CREDS_FILE.
    pub(super) fn of(settings: &NatsSettings, creds: Option<&str>) -> Self {
        if let Some(creds) = creds {
            return Self::Creds(user_of_creds(creds));
        }
        if let Some(seed) = &settings.nkey_seed {
            let pair = KeyPair::from_seed(seed.expose().trim());
            return Self::Users(pair.iter().map(KeyPair::public_key).collect());
        }
        let servers = url::parse(&settings.url.expose()).unwrap_or_default();
        let users = servers.into_iter().filter_map(|server| match server.login {
            Some(Login::User { name, .. }) if !name.is_empty() => Some(name),
            _ => None,
        });
        let users: Vec<_> = users.collect();
        if users.is_empty() { Self::Unknown } else { Self::Users(users) }
    }

    /// Whether a connection had it, whose user and JWT an advisory tells. Next to a JWT the user is
    /// whatever the client says.
    pub(super) fn is_of(&self, user: &str, jwt: &str) -> bool {
        match self {
            Self::Unknown => true,
            Self::Users(users) => users.iter().any(|own| own == user),
            Self::Creds(own) => own.is_some() && *own == user_of_jwt(jwt),
        }
    }
}

fn user_of_creds(creds: &str) -> Option<String> {
    let mut lines = creds.lines().skip_while(|line| !line.contains(BEFORE_JWT)).skip(1);
    user_of_jwt(lines.find(|line| !line.trim().is_empty())?.trim())
}

/// The public key of the user whom a JWT lets in. The server has checked it.
fn user_of_jwt(jwt: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let claims = BASE64URL_NOPAD.decode(jwt.split('.').nth(1)?.as_bytes()).ok()?;
    serde_json::from_slice(&claims).ok().map(|Claims { sub }| sub)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::config::testing::configured;
    use crate::link::drivers::nats::settings::BLOCK;

    fn settings(url: &str) -> NatsSettings {
        configured(&BLOCK, &format!("NATS_URL={url}"), NatsSettings::read).unwrap()
    }

    fn jwt(user: &str) -> String {
        let claims =
            BASE64URL_NOPAD.encode(format!("{{\"iss\":\"A\",\"sub\":\"{user}\"}}").as_bytes());
        format!("e30.{claims}.x")
    }

    #[test]
    fn a_login_by_user_is_that_of_the_url() {
        let settings = settings("nats://lobbyd:x@a,nats://lobby%3Ad:y@b,token@c,d");
        let own = OwnLogin::of(&settings, None);
        for (user, expected) in
            [("lobbyd", true), ("lobby:d", true), ("app", false), ("token", false), ("", false)]
        {
            assert_eq!(own.is_of(user, &jwt("lobbyd")), expected, "{user}");
        }
    }

    #[test]
    fn a_login_by_nkey_is_its_public_key() {
        let pair = KeyPair::new_user();
        let seed = Secret::fixed(&pair.seed().unwrap());
        let settings = NatsSettings { nkey_seed: Some(seed), ..settings("nats://lobbyd:x@a") };
        let own = OwnLogin::of(&settings, None);
        assert!(own.is_of(&pair.public_key(), ""));
        assert!(!own.is_of("lobbyd", "") && !own.is_of("", ""));
    }

    #[test]
    fn a_login_by_creds_is_the_user_of_the_jwt() {
        let settings = settings("nats://lobbyd:x@a");
        let block = |jwt: &str| {
            format!("-----BEGIN NATS USER JWT-----\r\n{jwt}\r\n------END NATS USER JWT------\n")
        };
        let own = OwnLogin::of(&settings, Some(&block(&jwt("UAAA"))));
        assert!(own.is_of("UAAA", &jwt("UAAA")) && own.is_of("other", &jwt("UAAA")));
        for odd in [&*jwt("UBBB"), "", "x", "a.b.c", "..", "e30.e30.x"] {
            assert!(!own.is_of("UAAA", odd), "{odd}");
        }
        for odd in ["", "nonsense", "x.y.z", &block("a.b.c")] {
            let own = OwnLogin::of(&settings, Some(odd));
            assert!(!own.is_of("", "") && !own.is_of("UAAA", &jwt("UAAA")), "{odd}");
        }
    }

    #[test]
    fn without_a_login_or_with_a_token_everybody_has_it() {
        for url in ["nats://a", "token@a,b", ":x@a"] {
            let own = OwnLogin::of(&settings(url), None);
            assert!(own.is_of("", "") && own.is_of("app", "x"), "{url}");
        }
    }
}
