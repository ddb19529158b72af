//! Logs on standard error, for people or for machines.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogFormat, LogSettings};

/// What a lone level in LOG_LEVEL speaks of: the crates of lobby.
const OURS: [&str; 2] = ["lobbyd", "lobby_client"];

/// Kept silent unless they are named. actix-http logs an error for each request that is none: anybody can send any number of those; they
/// are answered with a 4xx, and nothing is left to do for the person who runs the daemon. async-nats logs why it
/// cannot connect, which is why the link is down and is logged as that.
const SILENT: &str = "actix_http=off,async_nats::connector=off";

/// Sends all logs, those of libraries that use `log` included, to standard error. Only the first call can succeed.
///
/// # Errors
/// When the filter is none or logs go somewhere already.
pub fn init(settings: &LogSettings) -> anyhow::Result<()> {
    subscriber(settings, io::stderr, io::stderr().is_terminal())?.try_init().context("logs go somewhere already")
}

type Logs = Box<dyn Subscriber + Send + Sync>;

fn subscriber<W>(settings: &LogSettings, writer: W, is_terminal: bool) -> anyhow::Result<Logs>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Told of on standard error, a line that could not be written there would be a panic.
    let logs = fmt().log_internal_errors(false).with_env_filter(filter(&settings.filter)?).with_writer(writer);
    Ok(match settings.format {
        LogFormat::Json => Box::new(logs.json().flatten_event(true).finish()),
        LogFormat::Text if is_terminal => Box::new(logs.finish()), // in colour, unless NO_COLOR is set
        LogFormat::Text => Box::new(logs.with_ansi(false).finish()),
    })
}

fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    let directives = text.split(',').map(quieten).collect::<Vec<_>>().join(",");
    EnvFilter::builder()
        .parse(format!("{SILENT},{directives}"))
        .with_context(|| format!("LOG_LEVEL: {text:?} is no filter"))
}

/// Makes a lone level mean lobby's own logs: libraries tell more than one wants to read, async-nats each event at `info`. They keep to
/// `warn` unless they are named.
fn quieten(directive: &str) -> String {
    match directive.parse::<LevelFilter>() {
        Ok(level) if level > LevelFilter::WARN => {
            let ours = OURS.map(|name| format!("{name}={level}"));
            format!("warn,{}", ours.join(","))
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

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: LogFormat, speak: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let settings = LogSettings { filter: filter.to_owned(), format };
        tracing::subscriber::with_default(subscriber(&settings, move || writer.clone(), false).unwrap(), speak);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// Who is heard when lobby and libraries speak at several levels.
    fn heard(filter: &str) -> Vec<&'static str> {
        let text = logged(filter, LogFormat::Text, || {
            debug!(target: "lobbyd::actors", "our debug");
            info!(target: "lobbyd::actors", "our info");
            warn!(target: "lobbyd::actors", "our warning");
            info!(target: "async_nats", "their info");
            warn!(target: "async_nats", "their warning");
            tracing::error!(target: "actix_http::h1::dispatcher", "some garbage");
        });
        let all = ["our debug", "our info", "our warning", "their info", "their warning", "some garbage"];
        all.into_iter().filter(|words| text.contains(words)).collect()
    }

    #[test]
    fn a_level_speaks_of_lobby_and_keeps_libraries_to_warnings() {
        assert_eq!(heard("info"), ["our info", "our warning", "their warning"]);
        assert_eq!(heard("DEBUG"), ["our debug", "our info", "our warning", "their warning"]);
    }

    #[test]
    fn a_level_of_warn_or_less_holds_for_libraries_too() {
        assert_eq!(heard("warn"), ["our warning", "their warning"]);
        assert_eq!(heard("error"), [""; 0]);
        assert_eq!(heard("off"), [""; 0]);
    }

    #[test]
    fn a_library_that_is_named_speaks_at_the_level_given() {
        assert_eq!(heard("warn,async_nats=info"), ["our warning", "their info", "their warning"]);
        assert_eq!(heard("async_nats=info,info"), ["our info", "our warning", "their info", "their warning"]);
        assert_eq!(heard("info,async_nats=off"), ["our info", "our warning"]);
    }

    #[test]
    fn errors_that_strangers_make_are_heard_only_if_asked_for() {
        assert_eq!(heard("error,actix_http=error"), ["some garbage"]);
        assert_eq!(heard("actix_http=error,error"), ["some garbage"]);
        assert_eq!(heard("lobbyd=warn"), ["our warning"]);
    }

    #[test]
    fn a_part_of_lobby_that_is_named_speaks_at_the_level_given() {
        assert_eq!(heard("info,lobbyd=warn"), ["our warning", "their warning"]);
        assert_eq!(heard("info,lobbyd::actors=debug"), ["our debug", "our info", "our warning", "their warning"]);
    }

    #[test]
    fn a_json_log_is_one_object_a_line() {
        let text = logged("info", LogFormat::Json, || {
            info!(target: "lobbyd", host = "srv1", "server appeared");
            info!(target: "lobbyd", host = "a\nb", "server appeared");
        });
        let objects: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["message"], "server appeared");
        assert_eq!(objects[0]["level"], "INFO");
        assert_eq!(objects[1]["host"], "a\nb");
    }

    #[test]
    fn a_text_log_is_one_line_with_its_time_in_utc() {
        let text = logged("info", LogFormat::Text, || info!(target: "lobbyd", host = "a\nb", "server appeared"));
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.len() == "2026-11-22T21:44:16.123456Z".len() && time.ends_with('Z'), "{time}");
        assert_eq!(rest.trim_start(), "INFO lobbyd: server appeared host=\"a\\nb\"\n");
    }

    #[test]
    fn a_text_that_is_no_filter_is_refused() {
        assert!(filter("lobbyd=loud").unwrap_err().to_string().contains("LOG_LEVEL"));
    }
}
