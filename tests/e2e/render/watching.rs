//! lobbyctl render --watch: a file that follows the lobby, whatever is lost meanwhile.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, NatsServer, Process, Proxy, RawPeer, Signal, Tracer, ensure, eventually, program,
};
use serde_json::json;

use super::{Place, word};

const NAMES: &str = "{% for host in hosts %}{{ host.name }} {% endfor %}";

/// Starts lobbyctl, which renders to the file from now on.
pub(super) fn watch(place: &Place, port: u16, options: &[&str]) -> Process {
    watch_by(&[], place, port, options)
}

/// The same with a command in front that ends in running it.
fn watch_by(launcher: &[OsString], place: &Place, port: u16, options: &[&str]) -> Process {
    let words: Vec<_> = launcher.iter().cloned().chain([program("lobbyctl").into()]).collect();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command.args(["render", word(&place.template()), "-o", word(&place.file()), "--watch"]);
    Process::start("render", command.args(options).env("PORT", port.to_string()))
}

/// Waits until the file holds this.
async fn becomes(place: &Place, text: &str) {
    eventually(LIMIT, async || ensure(place.text() == text, place.text())).await;
}

#[actix_rt::test]
async fn changes_close_together_are_one_reload_of_the_file() {
    let nats = NatsServer::start().await;
    let peer = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("me").nats(&nats).start().await;
    let place = Place::with(NAMES);
    let log = place.directory.path().join("log");
    let reload = format!("sh -c 'cat {} >>{}'", word(&place.file()), word(&log));
    let _watch = watch(&place, daemon.address().port(), &["--reload", &reload]);
    becomes(&place, "me ").await;
    for host in ["b", "c", "d"] {
        peer.say_hi(host, &[]).await;
    }
    becomes(&place, "b c d me ").await;
    let logged = || std::fs::read_to_string(&log).unwrap_or_default();
    eventually(LIMIT, async || ensure(logged() == "me b c d me ", logged())).await;
    peer.say_goodbye("b").await;
    peer.say_hi("b", &[]).await;
    peer.say_hi("e", &[]).await;
    becomes(&place, "b c d e me ").await;
    eventually(LIMIT, async || ensure(logged() == "me b c d me b c d e me ", logged())).await;
}

#[actix_rt::test]
async fn an_outage_of_broker_and_daemon_does_not_touch_the_file() {
    let mut nats = NatsServer::start().await;
    let peer = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("me").set("TTL", "2").nats(&nats).start().await;
    let port = daemon.address().port();
    let place = Place::with(NAMES);
    let watch = watch(&place, port, &[]);
    becomes(&place, "me ").await;
    peer.say_hi("b", &[]).await;
    becomes(&place, "b me ").await;
    nats.kill();
    daemon.is_cut_off_for(Duration::from_secs(6)).await;
    assert_eq!(place.text(), "b me ", "three TTL without the broker");
    daemon.signal(Signal::TERM);
    daemon.wait(LIMIT).await;
    watch.logged("trying again").await;
    // The next run of the daemon knows nobody, and says so: the file stays until it knows all.
    let again = Lobbyd::named("me").set("PORT", port.to_string()).set("TTL", "2").nats(&nats);
    let again = again.start().await;
    again.knows(json!({"me": []})).await;
    assert_eq!(place.text(), "b me ");
    nats.restart().await;
    becomes(&place, "me ").await;
}

#[actix_rt::test]
async fn the_servers_that_the_template_took_are_told() {
    let nats = NatsServer::start().await;
    let peer = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("me").nats(&nats).start().await;
    daemon.links_are("up", LIMIT).await;
    peer.say_hi("b", &["x:1"]).await;
    daemon.knows(json!({"b": ["x:1"], "me": []})).await;
    let place = Place::with("{% for host in with('x=1') %}{{ host.name }} {% endfor %}");
    let watch = watch(&place, daemon.address().port(), &[]);
    watch.logged("rendered 1 of 2 servers").await;
    peer.say_hi("b", &[]).await;
    watch.logged("warning: the template takes none of 2 servers").await;
    assert_eq!((place.text().as_str(), watch.logs_with("warning").len()), ("", 1));
}

#[actix_rt::test]
async fn a_wait_for_a_daemon_that_is_not_warm_is_told() {
    let daemon = Lobbyd::named("me").without_keep_alive().start().await;
    let place = Place::with(NAMES);
    let watch = watch(&place, daemon.address().port(), &[]);
    watch.logged("waiting for the daemon, which may not know every server yet").await;
    assert_eq!(place.text(), "no file");
}

#[actix_rt::test]
async fn each_loss_of_the_daemon_is_told() {
    let daemon = Lobbyd::named("me").start().await;
    let road = Proxy::to(daemon.address().port()).await;
    let place = Place::with(NAMES);
    let watch = watch(&place, road.port(), &[]);
    becomes(&place, "me ").await;
    for losses in 1..=3 {
        road.close();
        let told = || watch.logs_with("trying again").len();
        eventually(LIMIT, async || ensure(told() == losses, told())).await;
        std::fs::remove_file(place.file()).unwrap();
        road.open();
        // It is found again: nothing has changed meanwhile.
        becomes(&place, "me ").await;
    }
}

#[actix_rt::test]
async fn a_file_that_another_run_is_at_work_on_is_waited_for() {
    let daemon = Lobbyd::named("me").start().await;
    let place = Place::with(NAMES);
    let path = place.file().with_file_name(".file.lobby-lock");
    let lock = std::fs::File::create(path).unwrap();
    lock.lock().unwrap();
    let watch = watch(&place, daemon.address().port(), &[]);
    watch.logged("waiting for another lobbyctl that is at work on").await;
    assert_eq!(place.text(), "no file");
    drop(lock);
    becomes(&place, "me ").await;
    eventually(LIMIT, async || ensure(place.files() == ["file"], place.files())).await;
}

/// The text that is rendered for the label `n:NUMBER`.
fn text_of(number: usize) -> String {
    format!("n:{number}\n").repeat(20_000)
}

/// Holds up each step of a replacement, so that there is time to see and to kill it.
fn slow_disk(place: &Place) -> Tracer {
    let time = Duration::from_secs(1);
    let calls = "openat,write,fsync,rename,renameat,renameat2,truncate";
    let tracer = Tracer::of(calls).on(&place.file()).on(&fresh(place));
    let tracer = tracer.delays("write", time).delays("fsync", time);
    tracer.delays("rename,renameat,renameat2", time)
}

/// The file that takes the place of the old one.
fn fresh(place: &Place) -> PathBuf {
    place.file().with_file_name(".file.lobby-new")
}

/// What of a replacement can be seen from outside, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Begun,
    Written,
    Replaced,
}

impl Step {
    fn is_done(self, place: &Place, number: usize) -> bool {
        let written = std::fs::metadata(fresh(place)).map(|file| file.len());
        match self {
            Self::Begun => written.is_ok(),
            Self::Written => written.is_ok_and(|length| length == text_of(number).len() as u64),
            Self::Replaced => place.text() != text_of(number - 1),
        }
    }
}

#[actix_rt::test]
async fn a_kill_at_any_step_leaves_the_old_file_or_the_new() {
    let daemon = Lobbyd::named("me").labels("n:0").start().await;
    let place =
        Place::with("{% for n in range(20000) %}\n{{ hosts[0].labels|last }}\n{% endfor %}");
    let mut labels = vec!["n:0".to_owned()];
    for (before, step) in [Step::Begun, Step::Written, Step::Replaced].into_iter().enumerate() {
        // It puts right what the kill before has left.
        assert_eq!(place.render(&daemon, &["--check", "true {}"]).await.status, Some(0));
        assert_eq!((place.text(), place.files()), (text_of(before), vec!["file".to_owned()]));
        let (tracer, port) = (slow_disk(&place), daemon.address().port());
        let watch = watch_by(&tracer.launcher(), &place, port, &["--check", "true {}"]);
        let after = before + 1;
        labels.push(format!("n:{after}"));
        daemon.add_labels(&labels[after]).await;
        daemon.knows(json!({ "me": labels })).await;
        eventually(LIMIT, async || ensure(step.is_done(&place, after), step)).await;
        watch.kill();
        watch.wait(LIMIT).await;
        let expected = if step == Step::Replaced { after } else { before };
        assert!(place.text() == text_of(expected), "{step:?}: a torn file");
        is_only_read(&tracer, &place).await;
    }
}

/// Sees to it that the file was read, and never opened for anything else.
async fn is_only_read(tracer: &Tracer, place: &Place) {
    let opened = || {
        let file = format!("{:?}, ", place.file());
        let calls = tracer.calls().into_iter().filter(|call| !call.contains("rename"));
        calls.filter(|call| call.contains(&file)).collect::<Vec<_>>()
    };
    eventually(LIMIT, async || ensure(!opened().is_empty(), tracer.calls())).await;
    let written: Vec<_> = opened().into_iter().filter(|call| !call.contains("O_RDONLY")).collect();
    assert!(written.is_empty(), "{written:?}");
}
