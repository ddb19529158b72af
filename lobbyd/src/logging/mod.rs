//! The log: lines on standard error, as text or JSON.

mod fields;
mod queue;

use std::io::{self, IsTerminal};
use std::panic;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use tracing::{Subscriber, error, warn};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogSettings};
use fields::CleanFields;
use queue::{LineQueue, StandardError};

/// The target that all targets of the daemon begin with: `lobby::membership`, `lobby::link`,
/// `lobby::labels`, `lobby::api`, `lobby::dns`, `lobby::callback`, and `lobby` itself for the
/// start, the end, signals, settings and what the system refuses. A level alone in LOG_LEVEL
/// applies to it.
const ROOT: &str = "lobby";

/// Another name of [`ROOT`] in LOG_LEVEL: the program's own, for filters written before there were
/// targets.
const ALIAS: &str = "lobbyd";

/// Targets that are off unless LOG_LEVEL names them. actix-http logs an error for each malformed
/// request: anybody can send any number of those; they are answered with a 4xx, and nothing is left
/// to do for the administrator. async-nats logs why it cannot connect, which the link logs as the
/// reason why it is down. hickory-proto warns of each question with EDNS options that it cannot
/// read, which anybody can send, too.
const SILENT: &str = "actix_http=off,async_nats::connector=off,hickory_proto=off";

/// How long the last lines may take at the end.
const FLUSH_LIMIT: Duration = Duration::from_millis(250);

static LINES: OnceLock<LineQueue> = OnceLock::new();

/// Sends all logs, those of libraries that use `log` and panics included, to standard error,
/// through a queue: nobody waits for its reader. Only the first call can succeed.
///
/// # Errors
/// When the filter is invalid or logs go somewhere already.
pub fn init(settings: &LogSettings) -> anyhow::Result<()> {
    let lines = LineQueue::start(StandardError::open()?, report_lost)
        .context("cannot start a thread for logs")?;
    let lines = LINES.get_or_init(|| lines);
    let is_terminal = io::stderr().is_terminal();
    subscriber(settings, || lines.clone(), is_terminal)?
        .try_init()
        .context("logs go somewhere already")?;
    panic::set_hook(Box::new(|panic| {
        error!(target: ROOT, "{panic}");
        flush();
    }));
    Ok(())
}

/// Waits for the last lines to be written, for a limited time. To be called before the process
/// ends.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(FLUSH_LIMIT);
    }
}

/// The number of log lines that were lost since the start.
pub fn lost_lines() -> u64 {
    LINES.get().map_or(0, LineQueue::lost)
}

fn report_lost(lines: u64) {
    warn!(target: ROOT, lines, "log lines were dropped: standard error was not read or could not be written");
}

type Logs = Box<dyn Subscriber + Send + Sync>;

fn subscriber<W>(settings: &LogSettings, writer: W, is_terminal: bool) -> anyhow::Result<Logs>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = filter(&settings.filter)?;
    // Reported on standard error, a line that could not be written there would be a panic.
    let logs =
        fmt().log_internal_errors(false).with_max_level(LevelFilter::TRACE).with_writer(writer);
    Ok(match settings.format {
        LogFormat::Json => Box::new(logs.json().flatten_event(true).finish().with(filter)),
        // In colour, unless NO_COLOR is set.
        LogFormat::Text if is_terminal => {
            Box::new(logs.fmt_fields(CleanFields).finish().with(filter))
        }
        LogFormat::Text => {
            Box::new(logs.with_ansi(false).fmt_fields(CleanFields).finish().with(filter))
        }
    })
}

/// The filter that a text names. Targets alone: what `EnvFilter` has beyond them is about spans,
/// which there are none of, and brings in a second kind of regular expressions.
fn filter(text: &str) -> anyhow::Result<Targets> {
    let directives = text.split(',').map(our_directive).collect::<Vec<_>>().join(",");
    format!("{SILENT},{directives}").parse().with_context(|| {
        format!("LOG_LEVEL: {text:?} is not a valid filter: expected a level or TARGET=LEVEL, comma separated")
    })
}

/// Makes a level alone apply to lobby's own logs: libraries log more than one wants to read,
/// async-nats each event at `info`. They stay at `warn` unless they are named.
fn our_directive(directive: &str) -> String {
    match directive.parse::<LevelFilter>() {
        Ok(level) if level > LevelFilter::WARN => format!("warn,{ROOT}={level}"),
        _ => unalias(directive),
    }
}

/// Replaces the program's name at the beginning of a target: `lobbyd=debug` is `lobby=debug`.
fn unalias(directive: &str) -> String {
    match directive.strip_prefix(ALIAS) {
        Some(rest) if rest.starts_with("::") || rest.starts_with('=') => {
            format!("{ROOT}{rest}")
        }
        _ => directive.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing::{debug, info, warn};

    use super::*;

    /// A buffer for what is logged.
    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: LogFormat, write: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let settings = LogSettings { filter: filter.to_owned(), format };
        tracing::subscriber::with_default(
            subscriber(&settings, move || writer.clone(), false).unwrap(),
            write,
        );
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// The messages that pass the filter when lobby and libraries log at several levels.
    fn passed(filter: &str) -> Vec<&'static str> {
        let text = logged(filter, LogFormat::Text, || {
            debug!(target: "lobby::membership", "our debug");
            info!(target: "lobby::membership", "our info");
            warn!(target: "lobby", "our warning");
            info!(target: "async_nats", "their info");
            warn!(target: "async_nats", "their warning");
            tracing::error!(target: "actix_http::h1::dispatcher", "some garbage");
        });
        let all =
            ["our debug", "our info", "our warning", "their info", "their warning", "some garbage"];
        all.into_iter().filter(|words| text.contains(words)).collect()
    }

    #[test]
    fn a_level_applies_to_lobby_and_keeps_libraries_at_warn() {
        assert_eq!(passed("info"), ["our info", "our warning", "their warning"]);
        assert_eq!(passed("DEBUG"), ["our debug", "our info", "our warning", "their warning"]);
    }

    #[test]
    fn a_level_of_warn_or_less_applies_to_libraries_too() {
        assert_eq!(passed("warn"), ["our warning", "their warning"]);
        assert_eq!(passed("error"), [""; 0]);
        assert_eq!(passed("off"), [""; 0]);
    }

    #[test]
    fn a_library_that_is_named_logs_at_the_level_given() {
        assert_eq!(passed("warn,async_nats=info"), ["our warning", "their info", "their warning"]);
        assert_eq!(
            passed("async_nats=info,info"),
            ["our info", "our warning", "their info", "their warning"]
        );
        assert_eq!(passed("info,async_nats=off"), ["our info", "our warning"]);
    }

    #[test]
    fn errors_caused_by_strangers_are_logged_only_if_asked_for() {
        assert_eq!(passed("error,actix_http=error"), ["some garbage"]);
        assert_eq!(passed("actix_http=error,error"), ["some garbage"]);
        assert_eq!(passed("lobby=warn"), ["our warning"]);
    }

    #[test]
    fn a_part_of_lobby_that_is_named_logs_at_the_level_given() {
        assert_eq!(passed("info,lobby=warn"), ["our warning", "their warning"]);
        assert_eq!(
            passed("info,lobby::membership=debug"),
            ["our debug", "our info", "our warning", "their warning"]
        );
        assert_eq!(passed("info,lobby::link=debug"), ["our info", "our warning", "their warning"]);
    }

    #[test]
    fn the_name_of_the_program_is_an_alias_of_the_root_target() {
        for alias in ["info,lobbyd=debug", "info,lobbyd::membership=debug", "lobbyd=debug,warn"] {
            assert_eq!(
                passed(alias),
                ["our debug", "our info", "our warning", "their warning"],
                "{alias}"
            );
        }
        assert_eq!(passed("warn,lobbydx=debug"), ["our warning", "their warning"]);
    }

    #[test]
    fn a_json_log_is_one_object_a_line() {
        let text = logged("info", LogFormat::Json, || {
            info!(target: "lobby", host = "srv1", "server appeared");
            info!(target: "lobby", host = "a\nb", "server appeared");
        });
        let objects: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["message"], "server appeared");
        assert_eq!(objects[0]["level"], "INFO");
        assert_eq!(objects[1]["host"], "a\nb");
    }

    #[test]
    fn a_text_log_is_one_line_with_its_time_in_utc() {
        let text = logged(
            "info",
            LogFormat::Text,
            || info!(target: "lobby", host = "a\nb", "server appeared"),
        );
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.len() == "2026-11-22T21:44:16.123456Z".len() && time.ends_with('Z'), "{time}");
        assert_eq!(rest.trim_start(), "INFO lobby: server appeared host=\"a\\nb\"\n");
    }

    #[test]
    fn control_characters_cannot_break_or_forge_a_text_line() {
        let text = logged("info", LogFormat::Text, || {
            info!(target: "lobby", line = %"50 %\r\x1b[2J", "forged\n2026");
        });
        assert!(text.ends_with("INFO lobby: forged\\n2026 line=50 %\\r\\u{1b}[2J\n"), "{text:?}");
    }

    #[test]
    fn an_invalid_filter_is_refused() {
        assert!(filter("lobbyd=loud").unwrap_err().to_string().contains("LOG_LEVEL"));
    }
}
