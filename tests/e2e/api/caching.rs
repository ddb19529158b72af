//! What spares clients and the network from hearing the same again: ETag and gzip.

use std::io::Read;

use flate2::read::GzDecoder;
use lobby_tests::{Answer, LIMIT, Lobbyd, ensure, eventually};
use tempfile::tempdir;

async fn daemon(labels: &str) -> Lobbyd {
    Lobbyd::named("a").labels(labels).local(tempdir().unwrap().path()).start().await
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
        for known in [tag.as_str(), "*", &format!("\"other\", {tag}"), tag.trim_start_matches("W/")] {
            let answer = ask(&daemon, path, ("If-None-Match", known)).await;
            assert_eq!((answer.status, answer.text().as_str()), (304, ""), "{path} {known}");
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
        }
        for unknown in ["\"other\"", "W/\"0-0-0\"", "garbage"] {
            assert_eq!(ask(&daemon, path, ("If-None-Match", unknown)).await.status, 200, "{path} {unknown}");
        }
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
    for accepted in ["gzip", "deflate, gzip;q=0.5", "*"] {
        let answer = ask(&daemon, "/", ("Accept-Encoding", accepted)).await;
        assert_eq!((answer.header("content-encoding"), answer.header("vary")), (Some("gzip"), Some("Accept-Encoding")));
        let mut text = String::new();
        GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()[0]["labels"], plain);
    }
    for refused in ["", "identity", "deflate", "gzip;q=0"] {
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
