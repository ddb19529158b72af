//! `/openapi.yaml` and the API are the same, both ways: routes, parameters, statuses.

mod asking;
mod file;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use asking::{Asked, NONE_CAN_CALL_FORTH};
use file::{Operation, fields, operations};
use lobby_tests::{Channel, LIMIT, Lobbyd, ensure, eventually, http};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

type Operations = BTreeMap<(String, String), Operation>;

async fn described(daemon: &Lobbyd) -> Operations {
    operations(&daemon.get("/openapi.yaml").await.text())
}

#[actix_rt::test]
async fn every_route_is_described_and_no_other() {
    let daemon = Lobbyd::named("a").labels("prometheus:node").start().await;
    let described = described(&daemon).await;
    let paths: BTreeSet<_> = described.keys().map(|(path, _)| path.clone()).collect();
    assert_eq!(paths, sources::routes());
    for template in paths {
        for method in METHODS {
            let path = template.replace("{name}", "node");
            let (status, _stream) = http::begin(daemon.address(), method, &path, &[]).await;
            let is_there = described.contains_key(&(template.clone(), method.to_owned()));
            assert_eq!(status == 405, !is_there, "{method} {path}: {status}");
            assert_ne!(status, 404, "{method} {path}");
        }
    }
}

/// A daemon that has heard everybody, and one whose broker is away.
async fn warm_and_cold() -> [Lobbyd; 2] {
    let daemon = |name| Lobbyd::named(name).labels("service:web,prometheus:node");
    let warm = daemon("a").start().await;
    let cold = daemon("b").nats_at("nats://127.0.0.1:1").start().await;
    for (daemon, status) in [(&warm, 200), (&cold, 503)] {
        eventually(LIMIT, async || {
            let answer = daemon.get("/v1/prometheus/node").await;
            ensure(answer.status == status, answer.text())
        })
        .await;
    }
    [warm, cold]
}

/// Tries an operation in every way and compares what was seen with what is described.
async fn is_described(method: &str, path: &str, operation: &Operation, daemons: &[Lobbyd]) {
    let mut asked = Asked::new(method, path);
    for daemon in daemons {
        asked.try_parameters(daemon).await;
        asked.try_refusals(daemon).await;
    }
    assert_eq!(asked.parameters, operation.parameters, "{method} {path} takes those on the left");
    let (seen, described) = (&asked.statuses, &operation.statuses);
    assert!(seen.is_subset(described), "{method} {path}: {seen:?} of {described:?}");
    let expected = seen.iter().chain(NONE_CAN_CALL_FORTH.iter().filter(|s| asked.may_be(**s)));
    assert_eq!(&expected.copied().collect::<BTreeSet<_>>(), described, "{method} {path}");
}

#[actix_rt::test]
async fn parameters_and_statuses_are_those_that_are_described() {
    let daemons = warm_and_cold().await;
    let described = described(&daemons[0]).await;
    // What changes labels comes behind what lists them.
    for changes in [false, true] {
        let operations = described.iter().filter(|((_, method), _)| {
            method != "HEAD" && changes == matches!(method.as_str(), "POST" | "DELETE")
        });
        let tried = operations
            .map(|((path, method), operation)| is_described(method, path, operation, &daemons));
        futures_util::future::join_all(tried).await;
    }
}

#[actix_rt::test]
async fn head_is_described_as_get_is() {
    let daemon = Lobbyd::named("a").start().await;
    let described = described(&daemon).await;
    let of = |method: &str| -> BTreeMap<_, _> {
        let operations = described.iter().filter(|((_, it), _)| it == method);
        operations.map(|((path, _), operation)| (path.clone(), operation)).collect()
    };
    assert_eq!(of("HEAD"), of("GET"));
}

#[actix_rt::test]
async fn the_fields_of_answers_are_those_that_are_described() {
    let channel = Channel::nats().await;
    let daemon = Lobbyd::named("a").labels("service:web").on(&channel).start().await;
    let wire = channel.wire().await;
    wire.hears(1, "a", "hi").await;
    wire.say(r#"{"discovery":{"hostname":"b","labels":["\n"]},"message":"hi"}"#).await;
    let refused = eventually(LIMIT, async || {
        let refused = daemon.get_json("/v1/refusals").await;
        refused.get(0).cloned().ok_or("nothing was refused".to_owned())
    });
    let refused = refused.await;
    let file = daemon.get("/openapi.yaml").await.text();
    let status = daemon.get_json("/v1/status").await;
    for (schema, seen) in [
        ("Driver", &status["drivers"][0]),
        ("Status", &status),
        ("RefusedHost", &refused),
        ("LocalLabel", &daemon.get_json("/v1/labels").await[0]),
        ("Packet", &daemon.get_json("/v1/discovery").await),
    ] {
        let seen = seen.as_object().unwrap_or_else(|| panic!("{schema}: {seen}"));
        let seen: BTreeSet<_> = seen.keys().cloned().collect();
        assert_eq!(seen, fields(&file, schema), "{schema}");
    }
}

#[test]
fn each_parameter_that_the_source_reads_is_tried() {
    assert_eq!(asking::query_parameters(), sources::query_parameters());
    assert_eq!(asking::headers(), sources::headers());
}

#[actix_rt::test]
async fn the_description_is_of_this_version_and_needs_no_token() {
    let daemon = Lobbyd::named("a").set("TOKEN", "secret").start().await;
    let answer = daemon.get("/openapi.yaml").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/yaml")));
    let version = format!("\n  version: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(answer.text().contains(&version), "{version}");
    assert_eq!(daemon.get("/v1/discoveries").await.status, 403);
}
