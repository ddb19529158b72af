//! Completion in shells: lobbyctl itself says what may come next; labels and host names are those
//! of the lobby.

use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use actix_rt::time::timeout;
use clap::{CommandFactory, FromArgMatches};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use lobby_client::{Client, Discovery, Filter};

use crate::args::{CommandLine, ConnectionOptions, takes_value, with_two_dashes};
use crate::connection::Connection;
use crate::variable;

/// Longest wait for the daemon: somebody has just pressed a key.
const ANSWER_LIMIT: Duration = Duration::from_millis(300);

/// Signs that mean nothing to any shell, beside letters and digits.
const HARMLESS: &str = "-_.:/@%+,";

/// Answers a shell that asks what may come next (COMPLETE), and ends then.
pub(crate) fn complete() {
    CompleteEnv::with_factory(CommandLine::command).complete();
}

/// Completes a label, or the beginning of one, that some server has.
pub(crate) fn labels() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let filter = current.to_str().filter(|text| !text.is_empty());
        let filter = filter.map_or(Filter::All, |text| Filter::Prefixes(vec![text.to_owned()]));
        let servers = ask(async |client| client.discoveries(&filter).await.ok());
        matching(current, servers.iter().flat_map(labels_of))
    })
}

/// Completes a label of the daemon's own server.
pub(crate) fn own_labels() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let server = ask(async |client| Some(vec![client.discovery().await.ok()?]));
        matching(current, server.iter().flat_map(labels_of))
    })
}

/// Completes the name of a server.
pub(crate) fn hosts() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let servers = ask(async |client| client.discoveries(&Filter::All).await.ok());
        matching(current, servers.iter().map(|server| server.hostname.as_str()))
    })
}

fn labels_of(server: &Discovery) -> impl Iterator<Item = &str> {
    server.labels.iter().map(lobby_client::Label::as_str)
}

/// What begins with the current word, sorted. What somebody else's server says ends up in a command
/// line, so that a text with signs that a shell may act upon is none that is offered.
fn matching<'a>(current: &OsStr, texts: impl Iterator<Item = &'a str>) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let is_harmless = |c: char| c.is_alphanumeric() || HARMLESS.contains(c);
    let fitting = texts
        .filter(|text| text.starts_with(current) && !text.starts_with('-'))
        .filter(|text| text.chars().all(is_harmless));
    fitting.collect::<BTreeSet<_>>().into_iter().map(CompletionCandidate::new).collect()
}

/// The servers that the daemon names; none if anything is wrong, for a completion cannot complain.
fn ask(question: impl AsyncFnOnce(&Client) -> Option<Vec<Discovery>>) -> Vec<Discovery> {
    let answer = || {
        let options = options_of(env::args_os(), current_place())?;
        let client = Connection::resolve(&options, variable).ok()?.client();
        let system = actix_rt::System::new();
        let answered =
            system.block_on(async { timeout(ANSWER_LIMIT, question(&client.ok()?)).await.ok()? });
        // Dropping it would wait for a name server that does not answer.
        std::mem::forget(system);
        answered
    };
    answer().unwrap_or_default()
}

/// The place of the word that is being completed, as bash, zsh and elvish tell it. For other shells
/// it is the last one.
fn current_place() -> Option<usize> {
    variable("_CLAP_COMPLETE_INDEX")?.to_str()?.parse().ok()
}

/// The options about the connection among the words typed, which stand behind the first `--`. A
/// word that is only half there says nothing yet, nor does the option whose value it becomes.
fn options_of(
    words: impl Iterator<Item = OsString>,
    current: Option<usize>,
) -> Option<ConnectionOptions> {
    let typed: Vec<_> = words.skip_while(|word| word != "--").skip(1).collect();
    let current = current.unwrap_or(typed.len().saturating_sub(1));
    let before = current.checked_sub(1).and_then(|before| typed.get(before));
    let first = if before.is_some_and(|word| takes_value(word)) { current - 1 } else { current };
    let typed = typed.into_iter().enumerate();
    let typed = typed.filter(|(place, _)| !(first..=current).contains(place));
    let typed = typed.map(|(_, word)| word);
    let command = CommandLine::command().ignore_errors(true);
    let matches = command.try_get_matches_from(with_two_dashes(typed)).ok()?;
    ConnectionOptions::from_arg_matches(&matches).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(current: &str, texts: &[&str]) -> Vec<OsString> {
        let candidates = matching(OsStr::new(current), texts.iter().copied());
        candidates.iter().map(|candidate| candidate.get_value().to_owned()).collect()
    }

    #[test]
    fn what_begins_like_the_word_is_offered_once_and_sorted() {
        let labels = ["service:web", "role:db", "service:smtp", "service:web"];
        assert_eq!(offered("service:", &labels), ["service:smtp", "service:web"]);
        assert_eq!(offered("x", &labels), [""; 0]);
    }

    #[test]
    fn no_label_that_a_shell_could_act_upon_is_offered() {
        let harmful = [
            "x:$(reboot)",
            "x:`id`",
            "x:;id",
            "x:a b",
            "x:'",
            "x:\"",
            "x:\\",
            "x:&",
            "x:|",
            "x:!1",
            "x:*",
            "x:?",
            "x:[a]",
            "x:{a,b}",
            "x:<",
            "x:>",
            "x:#",
            "x:~",
            "x:\u{202e}",
            "--x:1",
            "x:^",
        ];
        assert_eq!(offered("", &harmful), [""; 0]);
        assert_eq!(offered("", &["x:a/b@c%d+e,f_g-h.1", "město:žďár"]).len(), 2);
    }

    #[test]
    fn the_connection_is_that_of_the_words_typed_so_far() {
        for line in [
            "lobbyctl -- lobbyctl --port 1321 resolve se",
            "lobbyctl -- lobbyctl -port=1321 resolve se",
            "lobbyctl -- lobbyctl resolve --port 1321 ",
            "lobbyctl -- lobbyctl labels add --port 1321 a ",
        ] {
            let words = line.split(' ').map(OsString::from);
            assert_eq!(options_of(words, None).unwrap().port, Some(1321), "{line}");
        }
    }

    #[test]
    fn the_word_that_is_being_completed_says_nothing_yet() {
        let options = |line: &str, current| {
            let words = line.split(' ').map(OsString::from);
            let options =
                options_of(["x", "--"].map(OsString::from).into_iter().chain(words), current);
            let ConnectionOptions { host, port, .. } = options.unwrap();
            (host, port)
        };
        for (line, current) in [
            ("lobbyctl --port 7 --host w", None),
            ("lobbyctl --port 7 -host w", Some(4)),
            ("lobbyctl --host w --port 7 resolve x", Some(2)),
            ("lobbyctl --host=w --port 7 resolve x", Some(1)),
            ("lobbyctl --port 7 doctor --host ", Some(5)),
        ] {
            assert_eq!(options(line, current), (None, Some(7)), "{line}");
        }
        let elsewhere = options("lobbyctl --host web1 --port 7 resolve se", Some(6));
        assert_eq!(elsewhere, (Some("web1".to_owned()), Some(7)));
    }
}
