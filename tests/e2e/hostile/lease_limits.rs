//! The limit on labels, with many requests at once: what fits is stored, and the rest is refused.

use std::time::Duration;

use futures_util::future::{join, join_all};
use lobby_tests::{LIMIT, Lobbyd, LobbydBuilder, Tracer};
use serde_json::json;

/// A disk that keeps requests waiting, but none too long.
fn slow() -> Tracer {
    Tracer::of("fsync").delays("fsync", Duration::from_millis(300))
}

fn quiet() -> LobbydBuilder {
    Lobbyd::named("me").without_keep_alive().labels("service:web")
}

/// As many labels as a server may have besides a few, one a line.
fn labels(kind: &str) -> String {
    (0..1000).map(|number| format!("{kind}:{number:04}\n")).collect()
}

/// Checks that the daemon has its own label and 1,000 others.
async fn has_all(daemon: &Lobbyd) {
    let labels = daemon.own_labels().await;
    let labels = labels.as_array().unwrap();
    assert!(labels.len() == 1001 && labels.contains(&json!("service:web")), "{}", labels.len());
}

#[actix_rt::test]
async fn of_many_leases_at_once_only_those_that_fit_are_stored() {
    let tracer = slow();
    let daemon = quiet().launched_by(tracer.launcher()).start().await;
    let bodies: Vec<_> = (0..20).map(|number| labels(&format!("n{number}"))).collect();
    // The last ones need no disk.
    let ttl = |number| if number < 15 { "1h" } else { "9s" };
    let asked = bodies.iter().enumerate();
    let asked = asked.map(|(number, body)| daemon.lease_labels(body, ttl(number)));
    let answers = join_all(asked).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(refused.len(), 19);
    for answer in refused {
        let text = answer.text();
        assert!(answer.status == 400 && text.contains("are too many for one server"), "{text}");
    }
    has_all(&daemon).await;
}

#[actix_rt::test]
async fn leases_and_runtime_labels_at_once_fit_together() {
    let tracer = slow();
    let daemon = quiet().launched_by(tracer.launcher()).start().await;
    for round in 0..3 {
        let (leased, added) = (labels("leased"), labels("added"));
        let asked = join(daemon.lease_labels(&leased, "1h"), daemon.add_labels(&added));
        let (lease, add) = asked.await;
        let mut statuses = [lease.status, add.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400], "{round}: {}{}", lease.text(), add.text());
        has_all(&daemon).await;
        for labels in [leased, added] {
            assert_eq!(daemon.delete_labels(&labels).await.status, 200);
        }
    }
}

#[actix_rt::test]
async fn what_waits_until_leases_are_read_must_fit_in_with_them() {
    let builder = quiet();
    let daemon = builder.clone().start().await;
    assert_eq!(daemon.lease_labels(&labels("old"), "1h").await.status, 200);
    daemon.kill();
    daemon.wait(LIMIT).await;
    let path = builder.state_path().join("leases-me.json");
    let tracer = Tracer::of("openat").on(&path).delays("openat", Duration::from_secs(2));
    let daemon = builder.launched_by(tracer.launcher()).start().await;
    let answer = daemon.lease_labels(&labels("new"), "1h").await;
    assert!(answer.status == 400 && answer.text().contains("2001 labels"), "{}", answer.text());
    has_all(&daemon).await;
}
