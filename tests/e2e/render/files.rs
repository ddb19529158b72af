//! One rendering: the file, its check and its reload.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lobby_tests::{
    LIMIT, Lobbyd, Process, ensure, eventually, free_port, lobbyctl, lobbyctl_with, program,
};

use super::{Place, word};

const NAMES: &str =
    "{% for host in hosts %}\n{{ host.name }} {{ host.value('x') }}\n{% endfor %}\n";

/// A daemon that knows every server there is, as it is the only one.
async fn warm(name: &str, labels: &str) -> Lobbyd {
    Lobbyd::named(name).labels(labels).start().await
}

#[actix_rt::test]
async fn a_template_becomes_a_file_or_is_printed() {
    let (daemon, place) = (warm("a", "x:1").await, Place::with(NAMES));
    let outcome = place.render(&daemon, &["--mode", "0600"]).await;
    assert_eq!((outcome.status, place.text().as_str()), (Some(0), "a 1\n"), "{outcome:?}");
    let mode = std::fs::metadata(place.file()).unwrap().permissions().mode();
    assert_eq!((mode & 0o7777, place.files()), (0o600, vec!["file".to_owned()]));
    let printed = lobbyctl(&daemon, &["render", word(&place.template())]).await;
    assert_eq!(printed.stdout, "a 1\n");
    let none = lobbyctl(&daemon, &["render", word(&place.template()), "-l", "x=2"]).await;
    assert_eq!((none.status, none.stdout.as_str()), (Some(0), ""));
    assert_eq!(none.stderr, "warning: there is no server with x=2\n");
}

#[actix_rt::test]
async fn a_file_is_made_where_a_link_leads_to() {
    let (daemon, place) = (warm("a", "x:1").await, Place::with(NAMES));
    let (available, real) = (place.directory.path().join("available"), "available/file");
    std::fs::create_dir(&available).unwrap();
    std::os::unix::fs::symlink(real, place.file()).unwrap();
    for _ in 0..2 {
        let outcome = place.render(&daemon, &[]).await;
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
        assert_eq!(std::fs::read_to_string(available.join("file")).unwrap(), "a 1\n");
        assert_eq!(std::fs::read_link(place.file()).unwrap(), Path::new(real));
    }
}

#[actix_rt::test]
async fn a_template_that_takes_no_server_is_warned_of() {
    let (daemon, place) =
        (warm("a", "x:1").await, Place::with("{% for host in with('x=2') %}x{% endfor %}"));
    std::fs::write(place.file(), "old").unwrap();
    let empty = place.render(&daemon, &[]).await;
    assert_eq!((empty.status, place.text().as_str()), (Some(0), ""), "{empty:?}");
    assert_eq!(empty.stderr, "warning: the template does not take the one server\n");
    std::fs::write(place.template(), "{% for host in with('x=1') %}x{% endfor %}").unwrap();
    let some = place.render(&daemon, &[]).await;
    assert_eq!((place.text().as_str(), some.stderr.as_str()), ("x", ""));
}

#[actix_rt::test]
async fn drained_servers_are_left_out_unless_asked_for() {
    let (daemon, place) = (warm("a", "x:1,drain:disk").await, Place::with(NAMES));
    let none = place.render(&daemon, &[]).await;
    assert_eq!(place.text(), "");
    assert_eq!(none.stderr, "warning: the one server is drained, and left out\n");
    place.render(&daemon, &["--drained"]).await;
    assert_eq!(place.text(), "a 1\n");
}

#[actix_rt::test]
async fn an_address_is_that_of_the_labels_that_are_named() {
    let daemon = warm("a", "address:10.0.0.1,lan:192.168.0.1,wan:192.0.2.1").await;
    let place = Place::with("{% for host in hosts %}{{ host.address }}{% endfor %}");
    let (template, port) = (place.template(), daemon.address().port().to_string());
    let run = async |name: &str, value: &str, options: &[&str]| {
        let words = [&["render", word(&template)], options].concat();
        lobbyctl_with(&[("PORT", &port), (name, value)], &words).await
    };
    for (name, value, options, address) in [
        ("ADDRESS_LABELS", "", &[][..], "10.0.0.1"),
        ("ADDRESS_LABELS", "none,lan", &[], "192.168.0.1"),
        ("LOBBY_ADDRESS_LABELS", "lan", &[], "192.168.0.1"),
        ("ADDRESS_LABELS", "lan", &["--address", "wan,lan"], "192.0.2.1"),
    ] {
        let outcome = run(name, value, options).await;
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(0), address), "{outcome:?}");
    }
    assert_eq!(run("ADDRESS_LABELS", "none", &[]).await.status, Some(1), "there is no address");
    let wrong = run("ADDRESS_LABELS", "a:b", &[]).await;
    assert_eq!(wrong.status, Some(2), "{wrong:?}");
    assert!(wrong.stderr.starts_with("error: ADDRESS_LABELS: \"a:b\" is not a valid key"));
}

#[actix_rt::test]
async fn a_check_that_fails_leaves_the_file_alone_and_says_why() {
    let (daemon, place) = (warm("a", "x:1").await, Place::with(NAMES));
    std::fs::write(place.file(), "old").unwrap();
    for check in ["sh -c 'echo no good; exit 1' {}", "sh -c 'echo no good; exit 1'"] {
        let outcome = place.render(&daemon, &["--check", check, "--reload", "false"]).await;
        assert_eq!((outcome.status, place.text().as_str()), (Some(1), "old"), "{outcome:?}");
        assert!(outcome.stderr.contains("no good"), "{outcome:?}");
        assert_eq!(place.files(), ["file"]);
    }
    let missing = place.render(&daemon, &["--check", "/nowhere/check {}"]).await;
    assert_eq!((missing.status, place.text().as_str()), (Some(1), "old"), "{missing:?}");
    assert!(missing.stderr.contains("cannot run /nowhere/check"), "{missing:?}");
    let grep = format!("grep -q 'a 1' {}", word(&place.file()));
    let outcome = place.render(&daemon, &["--check", &grep]).await;
    assert_eq!((outcome.status, place.text().as_str()), (Some(0), "a 1\n"), "{outcome:?}");
}

#[actix_rt::test]
async fn a_reload_that_failed_is_tried_again_though_nothing_changed() {
    let (daemon, place) = (warm("a", "x:1").await, Place::with(NAMES));
    let flag = place.directory.path().join("flag");
    let reload = format!("rm {}", word(&flag));
    for _ in 0..2 {
        let outcome = place.render(&daemon, &["--reload", &reload]).await;
        assert_eq!((outcome.status, place.text().as_str()), (Some(1), "a 1\n"), "{outcome:?}");
    }
    std::fs::write(&flag, "").unwrap();
    assert_eq!(place.render(&daemon, &["--reload", &reload]).await.status, Some(0));
    assert_eq!(place.files(), ["file"]);
    assert_eq!(place.render(&daemon, &["--reload", &reload]).await.status, Some(0), "no reload");
    std::fs::remove_file(place.file()).unwrap();
    let missing = place.render(&daemon, &["--reload", "/nowhere/reload"]).await;
    assert_eq!((missing.status, place.text().as_str()), (Some(1), "a 1\n"), "{missing:?}");
    assert!(missing.stderr.contains("cannot run /nowhere/reload"), "{missing:?}");
}

#[actix_rt::test]
async fn a_dry_run_changes_nothing() {
    let (daemon, place) = (warm("a", "x:1").await, Place::with(NAMES));
    let outcome = place.render(&daemon, &["--dry-run", "--check", "grep -q a {}"]).await;
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(0), "a 1\n"), "{outcome:?}");
    let said = "the template takes 1 of 1 servers\nthe check has passed\n";
    assert_eq!(outcome.stderr, format!("{said}the file would be replaced\n"));
    let printed = lobbyctl(&daemon, &["render", word(&place.template()), "--dry-run"]).await;
    assert_eq!(printed.stderr, "the template takes 1 of 1 servers\n");
    let failed = place.render(&daemon, &["--dry-run", "--check", "grep -q b {}"]).await;
    assert_eq!((failed.status, place.files().len()), (Some(1), 0), "{failed:?}");
}

#[actix_rt::test]
async fn a_dry_run_says_what_it_did_not_do() {
    let (daemon, place) = (warm("a", "x:1").await, Place::with(NAMES));
    let last_said = async |options: &[&str]| {
        let outcome = place.render(&daemon, &[&["--dry-run"], options].concat()).await;
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
        let lines: Vec<_> = outcome.stderr.lines().skip(1).map(str::to_owned).collect();
        lines
    };
    let unchecked = "the check was not run: it has no {}, and looks at the file in its place";
    let replaced = "the file would be replaced, and the reload run";
    assert_eq!(last_said(&["--check", "false", "--reload", "false"]).await, [unchecked, replaced]);
    let reload = ["--reload", "false"];
    assert_eq!(place.render(&daemon, &reload).await.status, Some(1));
    let owed = "the file would stay, and what failed after the last time be done";
    assert_eq!(last_said(&reload).await, [owed]);
    assert_eq!(place.files(), [".file.lobby-pending", "file"]);
    assert_eq!(place.render(&daemon, &["--reload", "true"]).await.status, Some(0));
    assert_eq!(last_said(&reload).await, ["nothing would change"]);
}

#[actix_rt::test]
async fn a_template_that_fails_names_its_place_and_shows_no_data() {
    let (daemon, place) =
        (warm("a", "x:s3cret").await, Place::with("{{ hosts[0].value('x')|int }}"));
    std::fs::write(place.file(), "old").unwrap();
    let outcome = place.render(&daemon, &[]).await;
    assert_eq!((outcome.status, place.text().as_str()), (Some(1), "old"), "{outcome:?}");
    assert!(outcome.stderr.contains("template.j2:1:"), "{outcome:?}");
    assert!(!outcome.stderr.contains("s3cret"), "{outcome:?}");
    for template in ["line\n{% for %}", "{{ 'x' * 1000000000000 }}"] {
        std::fs::write(place.template(), template).unwrap();
        let outcome = place.render(&daemon, &[]).await;
        assert!(matches!(outcome.status, Some(1 | 2)), "{template}: {outcome:?}");
        assert!(outcome.stderr.contains("template.j2:"), "{template}: {outcome:?}");
    }
    std::fs::write(
        place.template(),
        "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
    )
    .unwrap();
    // It takes all the steps that it may have.
    let endless = start(&daemon, &place, &[]).wait(LIMIT * 3).await;
    assert_eq!((endless.status.code(), place.text().as_str()), (Some(1), "old"), "{endless:?}");
    std::fs::write(place.template(), "x".repeat((1 << 20) + 1)).unwrap();
    let huge = place.render(&daemon, &[]).await;
    assert_eq!((huge.status, place.text().as_str()), (Some(2), "old"), "{huge:?}");
    assert!(huge.stderr.contains("template.j2: is larger than 1048576 bytes"), "{huge:?}");
}

/// Starts lobbyctl for what takes longer than [`lobbyctl`] waits.
fn start(daemon: &Lobbyd, place: &Place, options: &[&str]) -> Process {
    start_for(&place.file(), daemon, place, options)
}

/// The same for a file in another place.
fn start_for(file: &Path, daemon: &Lobbyd, place: &Place, options: &[&str]) -> Process {
    let mut command = Command::new(program("lobbyctl"));
    command.args(["render", word(&place.template()), "-o", word(file)]).args(options);
    Process::start("render", command.env("PORT", daemon.address().port().to_string()))
}

/// A check with `{}` that begins and ends when it is told to, and whether it has begun.
fn held_check(place: &Place, name: &str) -> (String, impl Fn() -> bool) {
    let (directory, begun) = (place.directory.path(), place.directory.path().join(name));
    let wait = format!("until test -e {}/go; do sleep 0.05; done", word(directory));
    let judge = "grep -q good \"$0\"; r=$?";
    let check = format!("sh -c '{judge}; : >{}; {wait}; exit $r' {{}}", word(&begun));
    (check, move || begun.exists())
}

#[actix_rt::test]
async fn runs_for_one_file_take_turns_and_each_checks_its_own() {
    let (daemon, place) = (warm("a", "x:1").await, Place::with("good\n"));
    let bad = Place::with("BAD\n");
    std::fs::write(place.file(), "old").unwrap();
    let (check, has_begun) = held_check(&place, "first");
    let first = start(&daemon, &place, &["--check", &check]);
    eventually(LIMIT, async || ensure(has_begun(), "the first check begins")).await;
    let (check, has_begun) = held_check(&place, "second");
    let second = start_for(&place.file(), &daemon, &bad, &["--check", &check]);
    let waits = format!("waiting for another lobbyctl that is at work on {}", word(&place.file()));
    second.logged(&waits).await;
    assert!(!has_begun() && place.text() == "old", "the second one waits");
    std::fs::write(place.directory.path().join("go"), "").unwrap();
    assert_eq!(first.wait(LIMIT).await.status.code(), Some(0));
    assert_eq!(second.wait(LIMIT).await.status.code(), Some(1));
    second.logged("stays as it was: ").await;
    assert_eq!(place.text(), "good\n");
    assert_eq!(place.files(), ["file", "first", "go", "second"]);
}

#[actix_rt::test]
async fn half_a_fleet_is_not_rendered_however_long_one_waits() {
    let daemon = Lobbyd::named("a").without_keep_alive().start().await;
    let place = Place::with(NAMES);
    let waiting = start(&daemon, &place, &[]);
    waiting.logged("which may not know every server yet, for at most 30 s").await;
    let exit = waiting.wait(Duration::from_secs(30) + LIMIT).await;
    assert_eq!((exit.status.code(), place.files().len()), (Some(1), 0));
    waiting.logged("the daemon still may not know every server").await;
}

#[actix_rt::test]
async fn a_check_or_reload_that_hangs_is_ended_after_30_seconds() {
    let (daemon, place) = (warm("a", "x:1").await, Place::with(NAMES));
    std::fs::write(place.file(), "old").unwrap();
    let other = Place::with(NAMES);
    let hanging = "sh -c 'echo begun; sleep 600'";
    let checking = start(&daemon, &place, &["--check", hanging]);
    let reloading = start(&daemon, &other, &["--reload", hanging]);
    for process in [&checking, &reloading] {
        let exit = process.wait(Duration::from_secs(30) + LIMIT).await;
        assert_eq!(exit.status.code(), Some(1));
        process.logged("did not end within 30s and was killed").await;
        process.logged("begun").await;
    }
    assert_eq!((place.text().as_str(), place.files()), ("old", vec!["file".to_owned()]));
    assert_eq!(other.files(), [".file.lobby-pending", "file"], "the reload is still owed");
}

#[actix_rt::test]
async fn less_than_there_should_be_is_not_rendered() {
    let (daemon, place) = (warm("a", "x:1").await, Place::with(NAMES));
    let few = place.render(&daemon, &["--min-servers", "2"]).await;
    assert_eq!((few.status, place.files().len()), (Some(1), 0), "{few:?}");
    assert!(
        few.stderr.contains("fewer than --min-servers 2: the template takes 1 of 1 servers"),
        "{few:?}"
    );
    let nobody = [("PORT", &*free_port().to_string())];
    let template = place.template();
    let words = ["render", word(&template)];
    assert_eq!(lobbyctl_with(&nobody, &words).await.status, Some(3));
}

#[actix_rt::test]
async fn what_cannot_be_meant_is_wrong_usage() {
    let place = Place::with(NAMES);
    let template = place.template();
    for options in [
        &["-l", ""][..],
        &["--check", "nginx -t"],
        &["-o", "x", "--mode", "rw"],
        &["-o", "x", "--check", "a 'b"],
        &["--watch", "--dry-run"],
        &["--min-servers", "-1"],
        &["--address", "a:b"],
    ] {
        let words = [&["render", word(&template)][..], options].concat();
        let outcome = lobbyctl_with(&[], &words).await;
        assert_eq!(outcome.status, Some(2), "{options:?}: {outcome:?}");
    }
    let missing = lobbyctl_with(&[], &["render", "/nowhere.j2"]).await;
    assert_eq!(missing.status, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("/nowhere.j2"), "{missing:?}");
}
