//! `lobbyd --check`: tells what the daemon would run with, and tries it as far as that harms
//! nobody.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::callback::process::CallbackCommand;
use crate::config::{ApiSettings, Checked, Oddity};
use crate::dns;
use crate::http;
use crate::labels::leases::LeaseFile;
use crate::labels::local_host::LocalHost;
use crate::labels::store::LabelStore;
use crate::link::driver::Driver;
use crate::settings::Settings;

/// Longest time that a broker may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Longest time that the program on the port of the API may take to say what it is, and the most
/// that it may say, in bytes.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
const MAX_ANSWER: u64 = 4 << 10;

/// How a daemon answers on `/healthz` when it is well, and on any path without TLS where it speaks
/// TLS.
const ANSWERS: [&str; 2] = ["\r\n\r\nok\n", "\r\n\r\nthis port speaks TLS: use https\n"];

/// Exit statuses.
const FINE: u8 = 0;
const ODD: u8 = 1;
const WRONG: u8 = 2;

/// The report, and how bad it is.
#[derive(Debug, Default)]
struct Report {
    text: String,
    is_odd: bool,
}

/// Prints what was found. Returns the exit status: 0 if all is fine, 1 if something is odd, 2 if
/// the daemon would not start.
pub async fn check(checked: Checked<Box<dyn Driver>>) -> u8 {
    let mut report = Report::default();
    checked.lines.iter().for_each(|line| report.line(line));
    if let Some(settings) = &checked.settings {
        report.labels(settings);
        report.state(settings);
        report.callback(settings);
        report.sockets(settings).await;
        if checked.connect {
            report.drivers(settings).await;
        }
    }
    report.line("");
    checked.oddities.iter().for_each(|oddity| report.odd(&oddity.to_string()));
    checked.errors.iter().for_each(|error| report.line(&format!("wrong: {error}")));
    let status = match (checked.errors.is_empty(), report.is_odd) {
        (false, _) => WRONG,
        (true, true) => ODD,
        (true, false) => FINE,
    };
    if status == FINE {
        report.line("fine");
    }
    // Where standard output is closed, the exit status must do.
    io::stdout().write_all(report.text.as_bytes()).ok();
    status
}

impl Report {
    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        writeln!(self.text, "{line}").ok();
    }

    fn odd(&mut self, what: &str) {
        self.is_odd = true;
        self.line(&format!("odd: {what}"));
    }

    /// The labels that come out.
    fn labels(&mut self, settings: &Settings) {
        let host = LocalHost::new(settings.local.clone());
        let reading = host.reading(&LabelStore::new(host.clone()).read());
        if let Some(packet) = &reading.packet {
            self.line(&format!("\nLabels of {}", packet.hostname));
            packet.labels.iter().for_each(|label| self.line(&format!("  {}", label.as_str())));
        }
        reading.problems.iter().for_each(|problem| {
            self.odd(&format!("{}: {problem}", problem.message()));
        });
    }

    /// Whether labels that end could be stored.
    fn state(&mut self, settings: &Settings) {
        let file = LeaseFile::new(LocalHost::new(settings.local.clone()).leases_file());
        if let Some(problem) = file.problem() {
            self.odd(&Oddity::new("STATE_PATH", problem).to_string());
        }
    }

    fn callback(&mut self, settings: &Settings) {
        let Some(callback) = &settings.callback else { return };
        if let Some(problem) = CallbackCommand::problem_of(&callback.command) {
            self.odd(&Oddity::new("CALLBACK", problem).to_string());
        }
    }

    /// Whether the daemon can listen. Where another one has the port it is what will be restarted.
    async fn sockets(&mut self, settings: &Settings) {
        if let Some(api) = &settings.api
            && let Err(error) = http::bind(api).await
        {
            if is_daemon(api).await {
                self.line(&format!("\nA lobbyd runs on HOST {} PORT {}", api.host, api.port));
                return;
            }
            self.odd(&format!("{error:#}"));
        }
        if let Some(Err(error)) = settings.dns.as_ref().map(|dns| dns::bind(dns.listen)) {
            self.odd(&format!("{error:#}"));
        }
    }

    /// Opens a connection of each driver, all at the same time, and closes it again.
    async fn drivers(&mut self, settings: &Settings) {
        self.line("\nBrokers");
        let attempts = settings.drivers.iter().map(|active| connect(active.driver.as_ref()));
        let outcomes = futures_util::future::join_all(attempts).await;
        for (active, outcome) in settings.drivers.iter().zip(outcomes) {
            match outcome {
                Ok(words) => self.line(&format!("  {} is up{words}", active.name)),
                Err(error) => self.odd(&format!("{} cannot be reached: {error:#}", active.name)),
            }
        }
    }
}

/// Whether it is a daemon that has the port of the API.
async fn is_daemon(api: &ApiSettings) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((api.host.as_str(), api.port)).await?;
        let host = "Host: localhost\r\nConnection: close";
        stream.write_all(format!("GET /healthz HTTP/1.1\r\n{host}\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.take(MAX_ANSWER).read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = timeout(ANSWER_LIMIT, ask).await.unwrap_or_else(|_| Ok(String::new()));
    answer.is_ok_and(|answer| ANSWERS.iter().any(|known| answer.ends_with(known)))
}

/// Where the driver is connected to, in words.
async fn connect(driver: &dyn Driver) -> anyhow::Result<String> {
    let opened = timeout(CONNECT_LIMIT, driver.open("lobbyd --check", None)).await;
    let opened = opened.map_err(|_| anyhow::anyhow!("no answer within {CONNECT_LIMIT:?}"))??;
    // It is only closed in time or not.
    timeout(CONNECT_LIMIT, opened.outgoing.close()).await.ok();
    let server = opened.server.map(|server| format!(", server {server}")).unwrap_or_default();
    anyhow::ensure!(opened.note.is_none(), opened.note.unwrap_or_default());
    Ok(format!("{server}, channel {}", driver.place().channel))
}
