//! What spares clients and the network from hearing the same again: ETag and gzip.

use std::io::Read;

use flate2::read::GzDecoder;
use lobby_tests::{Answer, LIMIT, Lobbyd, NatsServer, RawPeer, ensure, eventually};

async fn daemon(labels: &str) -> Lobbyd {
    Lobbyd::named("a").labels(labels).start().await
}

async fn ask(daemon: &Lobbyd, path: &str, header: (&str, &str)) -> Answer {
    daemon.request("GET", path, &[header], "").await
}

const LISTS: [&str; 5] = [
    "/",
    "/v1/discoveries",
    "/v1/discoveries?prefixes=service",
    "/v1/resolve?label=service:web",
    "/v1/prometheus/node",
];

#[actix_rt::test]
async fn a_list_that_the_client_has_already_is_not_sent_again() {
    let daemon = daemon("service:web,prometheus:node").await;
    for path in LISTS {
        let tag = daemon.get(path).await.header("etag").map(str::to_owned).expect("an ETag");
        assert!(tag.starts_with("W/\""), "{tag}: last_check may be another");
        for known in [tag.as_str(), "*", &format!("\"other\", {tag}"), tag.trim_start_matches("W/")]
        {
            let answer = ask(&daemon, path, ("If-None-Match", known)).await;
            assert_eq!((answer.status, answer.text().as_str()), (304, ""), "{path} {known}");
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
            assert_eq!(
                answer.header("vary"),
                Some("Accept-Encoding"),
                "a cache must not mix the codings up"
            );
        }
        for unknown in ["\"other\"", "W/\"0-0-0\"", "garbage"] {
            assert_eq!(
                ask(&daemon, path, ("If-None-Match", unknown)).await.status,
                200,
                "{path} {unknown}"
            );
        }
    }
}

#[actix_rt::test]
async fn a_keep_alive_makes_no_other_tag() {
    let nats = NatsServer::start().await;
    let (daemon, wire) = (Lobbyd::named("a").nats(&nats).start().await, RawPeer::nats(&nats).await);
    wire.hears(1, "a", "hi").await;
    let last_check = async || {
        let hosts = daemon.discoveries().await;
        let b = hosts.iter().find(|host| host["hostname"] == "b");
        b.and_then(|host| host["last_check"].as_i64())
    };
    wire.say_hi("b", &["prometheus:node", "service:web"]).await;
    daemon.meets("b").await;
    let first = last_check().await;
    let mut tags = Vec::new();
    for path in LISTS {
        tags.push((path, daemon.get(path).await.header("etag").map(str::to_owned).unwrap()));
    }
    eventually(LIMIT, async || {
        wire.say_hi("b", &["prometheus:node", "service:web"]).await;
        let last = last_check().await;
        ensure(last > first, last)
    })
    .await;
    for (path, tag) in tags {
        assert_eq!(ask(&daemon, path, ("If-None-Match", &tag)).await.status, 304, "{path}");
    }
}

#[actix_rt::test]
async fn a_change_makes_another_tag() {
    let daemon = daemon("service:web").await;
    let before = daemon.get("/").await.header("etag").map(str::to_owned);
    daemon.add_labels("new:1").await;
    eventually(LIMIT, async || {
        let answer = ask(&daemon, "/", ("If-None-Match", before.as_deref().unwrap())).await;
        ensure(answer.status == 200 && answer.text().contains("new:1"), answer)
    })
    .await;
}

#[actix_rt::test]
async fn the_same_list_of_another_run_has_another_tag() {
    let daemon = daemon("service:web").await;
    let before = daemon.get("/").await.header("etag").map(str::to_owned).unwrap();
    let again = daemon.start_again().await;
    assert_eq!(ask(&again, "/", ("If-None-Match", &before)).await.status, 200);
}

#[actix_rt::test]
async fn a_long_list_is_packed_for_those_who_take_gzip() {
    let labels: Vec<_> = (0..200).map(|number| format!("label:{number}")).collect();
    let daemon = daemon(&labels.join(",")).await;
    let plain = daemon.get("/v1/discovery").await.json()["labels"].clone();
    for accepted in
        ["gzip", "deflate, gzip;q=0.5", "*", "gzip, identity", "identity;q=0.1, gzip;q=0.2"]
    {
        let answer = ask(&daemon, "/", ("Accept-Encoding", accepted)).await;
        assert_eq!(
            (answer.header("content-encoding"), answer.header("vary")),
            (Some("gzip"), Some("Accept-Encoding"))
        );
        let mut text = String::new();
        GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()[0]["labels"], plain);
    }
    for refused in [
        "",
        "identity",
        "deflate",
        "gzip;q=0",
        "gzip;q=0.1, identity;q=1",
        "identity, *;q=0.5",
        "gzip;q=0.5, *;q=1",
    ] {
        let answer = ask(&daemon, "/", ("Accept-Encoding", refused)).await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{refused:?}");
        assert_eq!(answer.json()[0]["labels"], plain);
    }
}

#[actix_rt::test]
async fn a_short_list_is_sent_as_it_is() {
    let answer = ask(&daemon("a:1").await, "/", ("Accept-Encoding", "gzip")).await;
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.json()[0]["hostname"], "a");
}

#[actix_rt::test]
async fn an_indented_list_has_the_same_head_as_a_compact_one() {
    let labels: Vec<_> = (0..200).map(|number| format!("label:{number}")).collect();
    let daemon = daemon(&labels.join(",")).await;
    let [compact, pretty] = [daemon.get("/").await, daemon.get("/?pretty").await];
    assert_eq!(compact.header("etag"), pretty.header("etag"));
    let packed = ask(&daemon, "/?pretty", ("Accept-Encoding", "gzip")).await;
    assert_eq!(
        (packed.header("content-encoding"), packed.header("vary")),
        (Some("gzip"), Some("Accept-Encoding"))
    );
    assert!(packed.body.len() < pretty.body.len() / 2);
}

#[actix_rt::test]
async fn head_is_answered_as_get_is_without_the_body() {
    let daemon = daemon("service:web,prometheus:node").await;
    for path in LISTS.iter().chain(&["/v1/discovery", "/healthz", "/?pretty", "/v1/status"]) {
        let [get, head] = [daemon.get(path).await, daemon.request("HEAD", path, &[], "").await];
        assert_eq!((head.status, head.text().as_str()), (200, ""), "{path}");
        for header in ["content-type", "etag", "vary"] {
            assert_eq!(head.header(header), get.header(header), "{path} {header}");
        }
    }
    let len = daemon.get("/v1/discovery").await.body.len().to_string();
    assert_eq!(
        daemon.request("HEAD", "/v1/discovery", &[], "").await.header("content-length"),
        Some(len.as_str())
    );
    let refused = daemon.request("PUT", "/", &[], "").await;
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
}
