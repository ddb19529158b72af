//! Where logs go, and that nothing waits for whoever reads them.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, LobbydBuilder, NatsServer, Process, RawPeer, Script, Signal, ensure, eventually,
};
use lobby_tests::{free_port, http};

/// As in the tests of the end: nothing that waits for a reader ends within this.
const AT_ONCE: Duration = Duration::from_secs(3);

/// More than a pipe and the daemon's own queue take.
const FLOOD: &str = r#"head -c 4000000 /dev/zero | tr '\0' x | fold -w 8000; echo >"$dir/done""#;

/// A daemon `a` whose standard error is a pipe that is open for reading.
struct Piped {
    daemon: Process,
    address: SocketAddr,
    pipe: File,
    /// Keeps its directories.
    _builder: LobbydBuilder,
}

impl Piped {
    fn start(daemon: LobbydBuilder) -> Self {
        let (log, port) = (daemon.labels_path().with_file_name("log"), free_port());
        assert!(std::process::Command::new("mkfifo").arg(&log).status().unwrap().success());
        // For writing too, so that opening does not wait for the daemon.
        let pipe = OpenOptions::new().read(true).write(true).open(&log).unwrap();
        let mut launcher =
            ["sh", "-c", r#"log=$1; shift; exec "$@" 2>"$log""#, "sh"].map(OsString::from).to_vec();
        launcher.push(log.into());
        let builder = daemon.set("PORT", port.to_string()).launched_by(launcher);
        Self {
            daemon: builder.spawn(),
            address: ([127, 0, 0, 1], port).into(),
            pipe,
            _builder: builder,
        }
    }

    async fn status(&self, path: &str) -> u16 {
        http::send(self.address, "GET", path, &[], "").await.status
    }

    /// Begins to read.
    fn read(&self) -> Arc<Mutex<Vec<String>>> {
        let lines = Arc::<Mutex<Vec<_>>>::default();
        let (kept, pipe) = (Arc::clone(&lines), self.pipe.try_clone().unwrap());
        let keep = move |line| kept.lock().unwrap().push(line);
        std::thread::spawn(move || {
            BufReader::new(pipe).lines().map_while(Result::ok).for_each(keep);
        });
        lines
    }
}

fn flooding(script: &Script) -> LobbydBuilder {
    Lobbyd::named("a").set("CALLBACK", script.command()).set("CALLBACK_FIRST_RUN_DELAY", "0")
}

#[actix_rt::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let (nats, script) = (NatsServer::start().await, Script::doing(FLOOD));
    let wire = RawPeer::nats(&nats).await;
    let piped = Piped::start(flooding(&script).nats(&nats));
    script.writes("done").await;
    assert_eq!(piped.status("/healthz").await, 200);
    let before = wire.heard_from("a", "hi").len();
    wire.hears(before + 3, "a", "hi").await;
    piped.daemon.signal(Signal::TERM);
    assert!(piped.daemon.wait(AT_ONCE).await.status.success());
    wire.hears(1, "a", "goodbye").await;
}

#[actix_rt::test]
async fn lines_dropped_while_nobody_read_are_counted_afterwards() {
    let script = Script::doing(FLOOD);
    let piped = Piped::start(flooding(&script));
    script.writes("done").await;
    let lines = piped.read();
    let holds = async |text: &str| {
        eventually(LIMIT, async || {
            let lines = lines.lock().unwrap();
            lines
                .iter()
                .find(|line| line.contains(text))
                .cloned()
                .ok_or_else(|| format!("{} lines", lines.len()))
        })
        .await
    };
    let told = holds("log lines were dropped").await;
    let count = told.split("lines=").nth(1).unwrap().trim();
    assert!(count.parse::<u32>().is_ok_and(|count| count > 100), "{told}");
    piped.daemon.signal(Signal::HUP);
    holds("reading label files").await;
}

#[actix_rt::test]
async fn logs_that_cannot_be_written_disturb_nothing() {
    for (format, target) in [("text", "2>/dev/full"), ("json", "2>/dev/full"), ("text", "2>&-")] {
        let port = free_port();
        let blind = ["sh", "-c", &format!(r#"exec "$0" "$@" {target}"#)].map(Into::into).to_vec();
        let daemon = Lobbyd::named("a")
            .set("PORT", port.to_string())
            .set("LOG_FORMAT", format)
            .launched_by(blind);
        let daemon = daemon.spawn();
        let address = ([127, 0, 0, 1], port).into();
        eventually(LIMIT, async || {
            http::exchange(address, b"GET / HTTP/1.0\r\n\r\n").await.map_err(|e| e.to_string())
        })
        .await;
        daemon.signal(Signal::HUP);
        assert_eq!(http::send(address, "POST", "/v1/labels", &[], "x:1").await.status, 200);
        assert_eq!(http::send(address, "GET", "/healthz", &[], "").await.status, 200);
        daemon.signal(Signal::TERM);
        assert!(daemon.wait(LIMIT).await.status.success());
    }
}

#[actix_rt::test]
async fn logs_are_json_on_demand() {
    let daemon = Lobbyd::named("a").set("LOG_FORMAT", "json").start().await;
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    let lines = daemon.logs();
    assert!(!lines.is_empty());
    for line in lines {
        assert!(
            serde_json::from_str::<serde_json::Value>(&line).is_ok_and(|line| line.is_object()),
            "{line}"
        );
    }
}

#[actix_rt::test]
async fn control_characters_of_a_callback_are_shown_and_do_not_act() {
    let script = Script::doing(r"printf '\033[2Jforged\r50 %%\n'");
    let daemon = flooding(&script).start().await;
    let line = daemon.logged("forged").await;
    assert!(
        line.contains(r"\u{1b}[2Jforged\r50 %") && !line.contains(char::is_control),
        "{line:?}"
    );
}

#[actix_rt::test]
async fn the_output_of_a_callback_is_limited_and_the_rest_counted() {
    let script = Script::doing("seq 1 3000");
    let daemon = flooding(&script).start().await;
    let told = daemon.logged("lines of its output were not logged").await;
    let output = daemon.logs_with("callback output");
    let logged = output.len();
    assert!((100..=1000).contains(&logged), "{logged} lines");
    let number = |line: &str, field: &str| -> usize {
        line.split(field).nth(1).map_or(0, |rest| rest.split(' ').next().unwrap().parse().unwrap())
    };
    let held_back: usize = output.iter().map(|line| number(line, "held_back=")).sum();
    assert_eq!(logged + held_back + number(&told, "lines="), 3000, "{told}");
    eventually(LIMIT, async || {
        ensure(!daemon.logs_with("callback succeeded").is_empty(), "no end")
    })
    .await;
}
