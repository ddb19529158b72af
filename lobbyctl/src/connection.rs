//! The way to the daemon: options, then environment, then defaults.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use lobby_client::files::{read_bounded, secret_in};
use lobby_client::{Client, Protocol};

use crate::args::{self, ConnectionOptions};

/// Where the daemon is and how it is spoken to.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Connection {
    base_url: String,
    token: Option<Token>,
    ca_file: Option<PathBuf>,
    /// What is odd about the variables.
    warnings: Vec<String>,
}

/// A token, and where it came from in words that show nothing of it.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
struct Token {
    text: String,
    source: String,
}

impl Connection {
    /// Puts options and environment together. A variable is asked for by its name.
    ///
    /// # Errors
    /// When a variable or the token file cannot be used; the text names it and what would be right,
    /// but shows no token.
    pub(crate) fn resolve(
        options: &ConnectionOptions,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> anyhow::Result<Self> {
        let variables = Variables(environment);
        let protocol = variables.or(options.proto, "PROTOCOL", args::protocol)?.unwrap_or_default();
        let host = variables.or(options.host.clone(), "HOST", args::host)?;
        let port = variables.or(options.port, "PORT", args::port)?;
        Ok(Self {
            base_url: Protocol::base_url(
                protocol,
                host.as_deref().unwrap_or("127.0.0.1"),
                port.unwrap_or(1313),
            ),
            token: token(options, &variables)?,
            ca_file: options
                .ca_file
                .clone()
                .or_else(|| variables.get("CA_FILE").map(PathBuf::from)),
            warnings: VARIABLES.iter().flat_map(|name| variables.warnings(name)).collect(),
        })
    }

    /// What is odd about the environment, a line each.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// A client that goes this way.
    ///
    /// # Errors
    /// [`lobby_client::Error::Invalid`] when the token or the certificates cannot be used.
    pub(crate) fn client(&self) -> Result<Client, lobby_client::Error> {
        let mut builder = Client::builder(&self.base_url);
        if let Some(token) = &self.token {
            builder = builder.token(&token.text);
        }
        if let Some(path) = &self.ca_file {
            builder = builder.ca_file(path);
        }
        builder.build()
    }

    /// What to say when the daemon at `url` wants a token, or another one: which source the refused
    /// one came from, or which there are. `text` is what the daemon says.
    pub(crate) fn token_advice(&self, url: &str, text: &str) -> String {
        match &self.token {
            Some(token) if text.contains("READ_TOKEN") => {
                format!("{url} refused the token from {}: {text}", token.source)
            }
            None => format!(
                "no token given: use --token, --token-file, TOKEN or TOKEN_FILE; {url} wants one"
            ),
            Some(token) => format!("{url} refused the token from {}", token.source),
        }
    }
}

/// Greatest size of a token file, in bytes; that of lobbyd.
const MAX_TOKEN_FILE: usize = 64 << 10;

/// The variables that lobbyctl reads, by their shorter names.
const VARIABLES: [&str; 7] =
    ["PROTOCOL", "HOST", "PORT", "TOKEN", "TOKEN_FILE", "CA_FILE", "ADDRESS_LABELS"];

/// Variables of which only one counts, each with the other.
const TWINS: [(&str, &str); 2] = [("TOKEN", "TOKEN_FILE"), ("TOKEN_FILE", "TOKEN")];

/// The environment, in which an empty variable is none, and LOBBY_NAME beats NAME and the NAME of
/// its twin.
struct Variables<E>(E);

impl<E: Fn(&str) -> Option<OsString>> Variables<E> {
    fn get(&self, name: &str) -> Option<OsString> {
        self.named(name).map(|(_, value)| value)
    }

    /// The value of a variable, with the name that it has.
    fn named(&self, name: &str) -> Option<(String, OsString)> {
        let short = || self.set(name).filter(|_| self.long_twin(name).is_none());
        self.long(name).or_else(short)
    }

    fn long(&self, name: &str) -> Option<(String, OsString)> {
        self.set(&long_name(name)).filter(|(_, value)| !is_link(name, value))
    }

    /// The longer name of the variable's twin, if that is set.
    fn long_twin(&self, name: &str) -> Option<String> {
        let (_, twin) = TWINS.iter().find(|(one, _)| *one == name)?;
        self.long(twin).map(|(name, _)| name)
    }

    fn set(&self, name: &str) -> Option<(String, OsString)> {
        let value = (self.0)(name).filter(|value| !value.is_empty())?;
        Some((name.to_owned(), value))
    }

    /// What is odd about a variable.
    fn warnings(&self, name: &str) -> impl Iterator<Item = String> {
        self.odd_names(name).into_iter().chain(self.odd_twin(name))
    }

    /// What is odd about the two names of a variable.
    fn odd_names(&self, name: &str) -> Option<String> {
        let (long, value) = self.set(&long_name(name))?;
        if is_link(name, &value) {
            return Some(format!(
                "the variable {long} is passed over: it was made for a link between containers"
            ));
        }
        self.set(name)?;
        Some(both_set(name, &long))
    }

    /// What is odd about a variable and its twin.
    fn odd_twin(&self, name: &str) -> Option<String> {
        self.set(name)?;
        self.long_twin(name).map(|long| both_set(name, &long))
    }

    fn text(&self, name: &str) -> anyhow::Result<Option<String>> {
        let Some((name, value)) = self.named(name) else { return Ok(None) };
        let text = value.into_string();
        text.map(Some).map_err(|_| anyhow::anyhow!("the variable {name} is not UTF-8"))
    }

    /// The option if there is one, else the variable.
    fn or<T>(
        &self,
        option: Option<T>,
        name: &str,
        read: fn(&str) -> Result<T, String>,
    ) -> anyhow::Result<Option<T>> {
        if option.is_some() {
            return Ok(option);
        }
        let Some(text) = self.text(name)? else { return Ok(None) };
        let name = self.named(name).map_or_else(|| name.to_owned(), |(name, _)| name);
        read(&text)
            .map(Some)
            .map_err(|rule| anyhow::anyhow!("the variable {name} is {text:?}: it {rule}"))
    }
}

fn long_name(name: &str) -> String {
    format!("LOBBY_{name}")
}

fn both_set(short: &str, long: &str) -> String {
    format!("the variables {short} and {long} are both set: {long} counts")
}

/// Whether LOBBY_PORT is not meant for lobby: Kubernetes and Docker make one that holds an address
/// for a service or container called `lobby`.
fn is_link(name: &str, value: &OsStr) -> bool {
    let value = value.as_encoded_bytes();
    name == "PORT" && (value.starts_with(b"tcp://") || value.starts_with(b"udp://"))
}

/// The token; an empty `--token` says that there is none.
fn token<E: Fn(&str) -> Option<OsString>>(
    options: &ConnectionOptions,
    variables: &Variables<E>,
) -> anyhow::Result<Option<Token>> {
    if let Some(token) = &options.token {
        return Ok(Some(token)
            .filter(|token| !token.is_empty())
            .map(|token| Token::new(token, "--token")));
    }
    if let Some(path) = &options.token_file {
        return Token::from_file(path, "--token-file").map(Some);
    }
    match (variables.named("TOKEN"), variables.named("TOKEN_FILE")) {
        (Some((token, _)), Some((file, _))) => {
            bail!("the variables {token} and {file} are both set: only one may be")
        }
        (Some((name, _)), None) => {
            let token = variables.text("TOKEN")?;
            Ok(token.map(|token| Token::new(&token, format!("the variable {name}"))))
        }
        (None, Some((name, path))) => {
            Token::from_file(Path::new(&path), &format!("the variable {name}")).map(Some)
        }
        (None, None) => Ok(None),
    }
}

impl Token {
    fn new(text: &str, source: impl Into<String>) -> Self {
        Self { text: text.to_owned(), source: source.into() }
    }

    /// What a file holds, less its newline; `named_by` is the option or variable that names the
    /// file.
    fn from_file(path: &Path, named_by: &str) -> anyhow::Result<Self> {
        let shown = path.display();
        let cannot_read = || format!("cannot read token file {shown}");
        let bytes = read_bounded(path, MAX_TOKEN_FILE).with_context(cannot_read)?;
        let text = str::from_utf8(&bytes).with_context(cannot_read)?;
        let text = secret_in(text);
        ensure!(!text.is_empty(), "token file {shown} is empty");
        Ok(Self::new(text, format!("the file {shown}, given by {named_by}")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn resolved(
        options: &ConnectionOptions,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Connection> {
        Connection::resolve(options, |name| {
            environment
                .iter()
                .find(|(other, _)| *other == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    fn url(options: &ConnectionOptions, environment: &[(&str, &str)]) -> String {
        resolved(options, environment).unwrap().base_url
    }

    fn refusal(environment: &[(&str, &str)]) -> String {
        resolved(&ConnectionOptions::default(), environment).unwrap_err().to_string()
    }

    fn token_text(options: &ConnectionOptions, environment: &[(&str, &str)]) -> Option<String> {
        resolved(options, environment).unwrap().token.map(|token| token.text)
    }

    fn with_token(token: &str) -> ConnectionOptions {
        ConnectionOptions { token: Some(token.into()), ..Default::default() }
    }

    #[test]
    fn options_beat_the_environment_which_beats_the_defaults() {
        let none = ConnectionOptions::default();
        let environment = [("PROTOCOL", "HTTPS"), ("HOST", "::1"), ("PORT", "7")];
        assert_eq!(url(&none, &[]), "http://127.0.0.1:1313");
        assert_eq!(url(&none, &environment), "https://[::1]:7");
        let options = ConnectionOptions {
            proto: Some(Protocol::Http),
            host: Some("h".into()),
            port: Some(8),
            ..none
        };
        assert_eq!(url(&options, &environment), "http://h:8");
    }

    #[test]
    fn the_longer_name_of_a_variable_beats_the_shorter() {
        let none = ConnectionOptions::default();
        let both = [("PORT", "7"), ("LOBBY_PORT", "8")];
        assert_eq!(url(&none, &both), "http://127.0.0.1:8");
        let warnings = resolved(&none, &both).unwrap().warnings;
        assert_eq!(warnings, ["the variables PORT and LOBBY_PORT are both set: LOBBY_PORT counts"]);
        assert_eq!(token_text(&none, &[("LOBBY_TOKEN", "s3cret")]).as_deref(), Some("s3cret"));
        assert!(refusal(&[("LOBBY_PORT", "x")]).starts_with("the variable LOBBY_PORT is"));
    }

    #[test]
    fn a_longer_name_beats_the_shorter_one_of_its_twin() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "s3cret").unwrap();
        let none = ConnectionOptions::default();
        for (short, long) in [
            (("TOKEN", "other"), ("LOBBY_TOKEN_FILE", path.to_str().unwrap())),
            (("TOKEN_FILE", "/nowhere"), ("LOBBY_TOKEN", "s3cret")),
        ] {
            assert_eq!(token_text(&none, &[short, long]).as_deref(), Some("s3cret"));
            let warnings = resolved(&none, &[short, long]).unwrap().warnings;
            let (short, long) = (short.0, long.0);
            let expected = format!("the variables {short} and {long} are both set: {long} counts");
            assert_eq!(warnings, [expected]);
        }
    }

    #[test]
    fn an_address_in_lobby_port_is_passed_over() {
        let none = ConnectionOptions::default();
        for link in ["tcp://10.0.0.1:80", "udp://10.0.0.1:80"] {
            assert_eq!(url(&none, &[("LOBBY_PORT", link), ("PORT", "7")]), "http://127.0.0.1:7");
            let warnings = resolved(&none, &[("LOBBY_PORT", link)]).unwrap().warnings;
            assert!(warnings[0].contains("LOBBY_PORT is passed over"), "{warnings:?}");
        }
    }

    #[test]
    fn the_manual_page_names_the_variables_that_are_read() {
        let page = include_str!("../../packaging/man/lobbyctl.1");
        let named: BTreeSet<_> =
            page.split("[env: ").skip(1).filter_map(|rest| rest.split(']').next()).collect();
        assert_eq!(named, BTreeSet::from(VARIABLES));
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let names = ["PROTOCOL", "HOST", "PORT", "TOKEN", "TOKEN_FILE", "CA_FILE"];
        let connection =
            resolved(&ConnectionOptions::default(), &names.map(|name| (name, ""))).unwrap();
        assert_eq!(connection, resolved(&ConnectionOptions::default(), &[]).unwrap());
    }

    #[test]
    fn a_bad_variable_is_refused_by_name_unless_an_option_beats_it() {
        assert_eq!(
            refusal(&[("PORT", "abc")]),
            "the variable PORT is \"abc\": it must be a number from 1 to 65535"
        );
        assert_eq!(
            refusal(&[("PROTOCOL", "ftp")]),
            "the variable PROTOCOL is \"ftp\": it must be http or https"
        );
        assert!(refusal(&[("HOST", "a b")]).starts_with("the variable HOST"));
        let options = ConnectionOptions { port: Some(8), ..Default::default() };
        assert_eq!(url(&options, &[("PORT", "abc")]), "http://127.0.0.1:8");
    }

    #[test]
    fn the_token_comes_from_a_variable_or_a_file_less_its_newline() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "s3cret \r\n").unwrap();
        let none = ConnectionOptions::default();
        assert_eq!(token_text(&none, &[("TOKEN", "s3cret")]).as_deref(), Some("s3cret"));
        assert_eq!(
            token_text(&none, &[("TOKEN_FILE", path.to_str().unwrap())]).as_deref(),
            Some("s3cret ")
        );
    }

    #[test]
    fn both_token_variables_are_an_error_that_shows_neither() {
        let both = [("TOKEN", "s3cret"), ("TOKEN_FILE", "/nowhere")];
        assert_eq!(
            refusal(&both),
            "the variables TOKEN and TOKEN_FILE are both set: only one may be"
        );
        assert_eq!(token_text(&with_token("x"), &both).as_deref(), Some("x"));
        let both = [("LOBBY_TOKEN", "s3cret"), ("LOBBY_TOKEN_FILE", "/nowhere"), ("TOKEN", "x")];
        assert_eq!(
            refusal(&both),
            "the variables LOBBY_TOKEN and LOBBY_TOKEN_FILE are both set: only one may be"
        );
    }

    #[test]
    fn an_empty_token_option_beats_the_token_of_the_environment() {
        assert_eq!(resolved(&with_token(""), &[("TOKEN", "s3cret")]).unwrap().token, None);
    }

    #[test]
    fn a_refused_token_is_told_by_its_source() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token").display().to_string();
        fs::write(&path, "s3cret\n").unwrap();
        let advice = |options: &ConnectionOptions, environment: &[_]| {
            resolved(options, environment)
                .unwrap()
                .token_advice("URL", "access denied")
                .replace(&path, "PATH")
        };
        let none = ConnectionOptions::default();
        let in_file = ConnectionOptions { token_file: Some((&path).into()), ..Default::default() };
        assert_eq!(
            advice(&none, &[]),
            "no token given: use --token, --token-file, TOKEN or TOKEN_FILE; URL wants one"
        );
        assert_eq!(advice(&with_token("s3cret"), &[]), "URL refused the token from --token");
        assert_eq!(
            advice(&in_file, &[]),
            "URL refused the token from the file PATH, given by --token-file"
        );
        assert_eq!(
            advice(&none, &[("TOKEN", "s3cret")]),
            "URL refused the token from the variable TOKEN"
        );
        assert_eq!(
            advice(&none, &[("LOBBY_TOKEN", "s3cret")]),
            "URL refused the token from the variable LOBBY_TOKEN"
        );
        assert_eq!(
            advice(&none, &[("TOKEN_FILE", &path)]),
            "URL refused the token from the file PATH, given by the variable TOKEN_FILE"
        );
    }

    #[test]
    fn a_token_file_that_cannot_be_one_is_refused_by_name_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        fs::write(at("empty"), "\n").unwrap();
        fs::write(at("huge"), vec![b'x'; MAX_TOKEN_FILE + 1]).unwrap();
        fs::write(at("latin-1"), b"\xe9").unwrap();
        for (path, why) in [
            (at("fifo"), "is a FIFO, not a regular file"),
            ("/dev/zero".into(), "is a device, not a regular file"),
            (directory.path().to_owned(), "is a directory, not a regular file"),
            (at("huge"), "is larger than 65536 bytes"),
            (at("missing"), "No such file or directory"),
            (at("latin-1"), "utf-8"),
            (at("empty"), "is empty"),
        ] {
            let shown = path.display().to_string();
            let options =
                ConnectionOptions { token_file: Some(path.clone()), ..Default::default() };
            let by_option = format!("{:#}", resolved(&options, &[]).unwrap_err());
            let by_variable = resolved(&ConnectionOptions::default(), &[("TOKEN_FILE", &shown)]);
            assert_eq!(by_option, format!("{:#}", by_variable.unwrap_err()));
            assert!(by_option.contains(&format!("token file {shown}")), "{by_option}");
            assert!(by_option.contains(why), "{by_option}");
        }
    }
}
