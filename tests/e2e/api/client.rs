//! The library lobby-client against a real daemon.

use lobby_client::{Client, Discovery, Error, Filter, HostName, Label, TargetGroup};
use lobby_tests::{Lobbyd, free_port};

fn labels(texts: &[&str]) -> Vec<Label> {
    texts.iter().map(|text| Label::parse(text).unwrap()).collect()
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

#[actix_rt::test]
async fn every_call_does_what_its_route_does() {
    let daemon = Lobbyd::named("a").labels("prometheus:ne:location:prague").start().await;
    let client = daemon.client();
    client.add_labels(&labels(&["odd:a&b=c,d é", "service:web", "x:1"])).await.unwrap();
    client.delete_labels(&labels(&["x:1"])).await.unwrap();
    let own = labels(&["odd:a&b=c,d é", "prometheus:ne:location:prague", "service:web"]);
    assert_eq!(client.discovery().await.unwrap(), Discovery::new(name("a"), own.clone()));
    daemon.knows(serde_json::json!({"a": own})).await;
    let filter = Filter::Prefixes(vec!["service:".to_owned()]);
    assert_eq!(client.discoveries(&filter).await.unwrap()[0].labels, labels(&["service:web"]));
    assert_eq!(client.discoveries(&Filter::All).await.unwrap()[0].labels, own);
    assert_eq!(client.resolve("odd:a&b=c,d é").await.unwrap(), [name("a")]);
    let groups = client.prometheus("ne").await.unwrap();
    assert_eq!(
        (&groups[0].targets[0], &groups[0].labels["location"]),
        (&"a:9100".to_owned(), &"prague".to_owned())
    );
    let meta = client.prometheus_with_meta("ne").await.unwrap();
    assert_eq!(meta[0].targets, groups[0].targets);
    let mut labels = TargetGroup::meta_labels(&name("a"), own.iter().map(Label::as_str));
    labels.insert("location".to_owned(), "prague".to_owned());
    assert_eq!(meta[0].labels, labels);
    assert_eq!(client.prometheus_groups().await.unwrap(), ["ne"]);
    assert_eq!(client.refusals().await.unwrap(), []);
}

#[actix_rt::test]
async fn errors_tell_unreachable_unauthorised_and_refused_apart() {
    let unreachable = Client::new(&format!("http://127.0.0.1:{}", free_port())).unwrap();
    assert!(matches!(unreachable.discovery().await, Err(Error::Unreachable { .. })));
    let closed = Lobbyd::named("a").set("TOKEN", "s3cret").start().await;
    assert!(matches!(closed.client().discovery().await, Err(Error::Unauthorised { .. })));
    let open =
        Client::builder(&format!("http://{}", closed.address())).token("s3cret").build().unwrap();
    assert_eq!(open.discovery().await.unwrap().hostname, name("a"));
    std::fs::create_dir(closed.labels_path().join("_runtime")).unwrap();
    let refused = open.add_labels(&labels(&["x:1"])).await;
    assert!(
        matches!(refused, Err(Error::Refused { status: 500, ref text, .. }) if text.contains("_runtime"))
    );
}
