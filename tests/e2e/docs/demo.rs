//! The demo that the README shows.

use std::time::Duration;

use lobby_tests::{free_port, program};
use tempfile::TempDir;

use super::page::{Page, root};
use super::stage::{shell, without_times};

/// Time for the whole demo: it waits for one KEEP_ALIVE.
const LIMIT: Duration = Duration::from_secs(60);

#[actix_rt::test]
async fn the_demo_prints_what_is_shown_and_leaves_nothing_behind() {
    let (home, [first, second]) = (TempDir::new().unwrap(), two_free_ports_in_a_row());
    let programs = program("lobbyctl").parent().unwrap().display().to_string();
    let mut demo = shell(
        &format!("exec timeout {} config/demo.sh '{programs}' 2>&1", LIMIT.as_secs()),
        &root(),
    );
    demo.env("TMPDIR", home.path()).env("PORT", first.to_string()).env("TOKEN", "not for the demo");
    let output = tokio::process::Command::from(demo).output().await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let printed = printed.replace(&first.to_string(), "1313").replace(&second.to_string(), "1314");
    let [shown] =
        Page::read("README.md").blocks("text").try_into().expect("the README shows the demo");
    assert_eq!(without_times(&printed), without_times(&shown));
    assert!(output.status.success(), "{:?}", output.status);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

fn two_free_ports_in_a_row() -> [u16; 2] {
    let mut first = free_port();
    loop {
        let second = free_port();
        if second == first + 1 {
            return [first, second];
        }
        first = second;
    }
}
