//! Checks, and labels that come and go with them.

use std::time::Duration;

use lobby_tests::{LIMIT, Lobbyd, Process, Signal, ensure, eventually};
use serde_json::json;

use super::{Place, has_label, has_no_label, lobbyctl_run, run, update};

/// A check that passes and fails as a plan has it, a letter `p` or `f` each, and its last letter
/// from then on.
fn plan(place: &Place, letters: &str) -> String {
    place.write("plan", &format!("{letters}\n"));
    let (plan, done) = (place.word("plan"), place.word("done"));
    // The shell alone does it: on a busy machine a second is not long for further programs.
    let script = format!(
        "read plan <{plan}; rest=${{plan#?}}; letter=${{plan%\"$rest\"}}\n\
         test \"$rest\" && echo $rest >{plan}\n\
         echo $letter >>{done}; test $letter = p"
    );
    place.write("check", &script);
    format!("sh {}", place.word("check"))
}

#[actix_rt::test]
async fn a_program_that_flaps_loses_its_label_by_rows_only() {
    let daemon = Lobbyd::named("a").start().await;
    let mut feed = daemon.feed("/v1/events", &[]).await;
    assert_eq!(feed.next_change().await.name, "snapshot");
    let place = Place::new();
    let check = plan(&place, "pfppfpfffpfpp");
    let options = ["--check", &check, "--every", "1s", "--rise", "2", "--fall", "3"];
    let run = run(&daemon, &options, "sleep 60");
    // On a busy machine the next checks may be over when the test hears of a change.
    let checked = |letters: &str| {
        let done = place.text("done").replace('\n', "");
        assert!(done.starts_with(letters), "{done} instead of {letters}");
    };
    assert_eq!(update(&mut feed).await, (json!(["service:web"]), json!([])));
    checked("pfpp");
    assert_eq!(update(&mut feed).await, (json!([]), json!(["service:web"])));
    checked("pfppfpfff");
    assert_eq!(update(&mut feed).await, (json!(["service:web"]), json!([])));
    checked("pfppfpfffpfpp");
    let told = run.logged("lobbyctl: removing service:web: sh ").await;
    assert!(told.ends_with("failed, exit status: 1"), "{told}");
    assert!(run.is_running());
    run.signal(Signal::TERM);
    assert_eq!(run.wait(LIMIT).await.status.code(), Some(143));
    assert_eq!(update(&mut feed).await, (json!([]), json!(["service:web"])));
}

#[actix_rt::test]
async fn a_check_that_hangs_counts_as_a_failure() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    place.write("well", "");
    let check = format!("sh -c 'test -e {} || sleep 60'", place.word("well"));
    let options = ["--check", &check, "--every", "1s", "--fall", "2"];
    let run = run(&daemon, &options, "sleep 60");
    has_label(&daemon).await;
    std::fs::remove_file(place.file("well")).unwrap();
    has_no_label(&daemon).await;
    let told = run.logged("removing service:web").await;
    assert!(told.contains("did not end within 1s and was killed"), "{told}");
    run.signal(Signal::TERM);
    let exit = run.wait(LIMIT).await;
    assert!(exit.after < Duration::from_secs(5), "{exit:?}");
}

#[actix_rt::test]
async fn a_check_that_fails_from_the_start_is_told_once() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let check = format!("test -e {}", place.word("well"));
    let run = run(&daemon, &["--check", &check, "--every", "1s"], "sleep 60");
    let told = run.logged("not yet adding service:web").await;
    assert!(told.contains("failed"), "{told}");
    place.write("well", "");
    has_label(&daemon).await;
    assert_eq!(run.logs_with("not yet adding").len(), 1);
}

#[actix_rt::test]
async fn a_check_alone_decides_where_there_is_no_program() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let check = format!("test -e {}", place.word("well"));
    let options = ["--ttl", "3s", "--check", &check, "--every", "1s", "--fall", "1"];
    let gate = Process::start("gate", &mut lobbyctl_run(daemon.address().port(), &options));
    place.write("well", "");
    has_label(&daemon).await;
    std::fs::remove_file(place.file("well")).unwrap();
    has_no_label(&daemon).await;
    place.write("well", "");
    has_label(&daemon).await;
    gate.signal(Signal::TERM);
    assert_eq!(gate.wait(LIMIT).await.status.code(), Some(0));
    has_no_label(&daemon).await;
}

#[actix_rt::test]
async fn what_a_check_leaves_behind_holds_no_descriptors() {
    let daemon = Lobbyd::named("a").start().await;
    let place = Place::new();
    let (done, alive) = (place.word("done"), place.word("alive"));
    place.write("alive", "");
    // It holds the output of its check until the test is over.
    let check = format!(
        "sh -c 'echo >>{done}; echo said; while test -e {alive}; do sleep 0.3; done & exit 0'"
    );
    let run = run(&daemon, &["--check", &check, "--every", "1s"], "sleep 60");
    let checked = async |times| {
        eventually(LIMIT, async || ensure(place.text("done").len() >= times, place.text("done")))
            .await;
    };
    checked(2).await;
    let before = run.open_files();
    checked(6).await;
    eventually(LIMIT, async || ensure(run.open_files() <= before, run.open_files())).await;
}
