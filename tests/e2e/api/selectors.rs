//! Selectors of lists: whole servers, chosen by their labels and names.

use lobby_tests::{LIMIT, Lobbyd, NatsServer, RawPeer, ensure, eventually};
use serde_json::{Value, json};

const LISTS: [&str; 5] =
    ["/", "/v1/discoveries", "/v1/resolve", "/v1/prometheus", "/v1/prometheus/web"];

/// A daemon `c` that knows of hosts `a`, `b` and `d`, too.
async fn fleet() -> (Lobbyd, NatsServer) {
    let nats = NatsServer::start().await;
    let wire = RawPeer::nats(&nats).await;
    let daemon = Lobbyd::named("c").set("TTL", "7200").nats(&nats).start().await;
    eventually(LIMIT, async || {
        wire.say_hi("a", &["location:prague", "prometheus:web"]).await;
        wire.say_hi("b", &["location:prague", "prometheus:web:port:81", "service:web"]).await;
        wire.say_hi("d", &["drain", "note:a \"b\"", "prometheus:mail", "service:webmail"]).await;
        let hosts = daemon.discoveries().await.len();
        ensure(hosts == 4, hosts)
    })
    .await;
    (daemon, nats)
}

fn names(packets: &Value) -> Vec<&str> {
    let packets = packets.as_array().expect("a list").iter();
    packets.map(|packet| packet["hostname"].as_str().expect("a name")).collect()
}

#[actix_rt::test]
async fn a_selector_chooses_whole_servers_on_every_list() {
    let (daemon, _nats) = fleet().await;
    for (selector, chosen) in [
        ("location%3Dprague", &["a", "b"][..]),
        ("location%3Dprague,service", &["b"]),
        ("not+service", &["a", "c"]),
        ("service%3D~%27web.*%27+and+!drain", &["b"]),
        ("service:web", &["b"]),
        ("%40hostname+in+(c,d)", &["c", "d"]),
        ("note%3D%22a+%5C%22b%5C%22%22", &["d"]),
        ("service%3Dnothing", &[]),
    ] {
        for path in ["/", "/v1/discoveries"] {
            let packets = daemon.get_json(&format!("{path}?selector={selector}")).await;
            assert_eq!(names(&packets), chosen, "{selector}");
        }
        let resolved = daemon.get_json(&format!("/v1/resolve?selector={selector}")).await;
        assert_eq!(resolved, json!(chosen), "{selector}");
    }
    let packets = daemon.get_json("/v1/discoveries?selector=service%3Dweb").await;
    let whole = json!(["location:prague", "prometheus:web:port:81", "service:web"]);
    assert_eq!(packets[0]["labels"], whole);
}

#[actix_rt::test]
async fn a_selector_narrows_a_prometheus_group() {
    let (daemon, _nats) = fleet().await;
    let targets = async |selector: &str| {
        let path = format!("/v1/prometheus/web?selector={selector}");
        let groups = daemon.get_json(&path).await;
        let groups = groups.as_array().expect("a list").iter();
        groups.map(|group| group["Targets"][0].clone()).collect::<Value>()
    };
    assert_eq!(targets("location").await, json!(["a:9100", "b:81"]));
    assert_eq!(targets("location+and+not+service").await, json!(["a:9100"]));
    assert_eq!(targets("drain").await, json!([]));
}

#[actix_rt::test]
async fn a_selector_narrows_the_names_of_prometheus_groups() {
    let (daemon, _nats) = fleet().await;
    assert_eq!(daemon.get_json("/v1/prometheus").await, json!(["mail", "web"]));
    for (selector, groups) in [
        ("location", json!(["web"])),
        ("drain", json!(["mail"])),
        ("not+location", json!(["mail"])),
        ("service", json!(["mail", "web"])),
        ("nothing", json!([])),
    ] {
        let names = daemon.get_json(&format!("/v1/prometheus?selector={selector}")).await;
        assert_eq!(names, groups, "{selector}");
    }
}

#[actix_rt::test]
async fn a_bad_selector_is_400_and_shown_with_its_place() {
    let (daemon, _nats) = fleet().await;
    for path in LISTS {
        let answer = daemon.get(&format!("{path}?selector=a%3Db+%3E+c")).await;
        let shown = "a=b > c\n    ^\nexpected a word or an operator, found \">\"\nhint: values are \
                     not compared by size: use =~ with a regular expression\n";
        assert_eq!((answer.status, &*answer.text()), (400, shown), "{path}");
        let answer = daemon.get(&format!("{path}?selector=")).await;
        let text = answer.text();
        assert_eq!(answer.status, 400);
        assert!(text.contains("an empty selector would mean every server"), "{text}");
    }
    let long = "a".repeat(3000);
    let answer = daemon.get(&format!("/?selector={long}")).await;
    let text = answer.text();
    assert_eq!(answer.status, 400);
    assert!(text.contains("a selector of 3000 bytes is too long"), "{text}");
}

#[actix_rt::test]
async fn a_selector_beside_another_choice_is_400_and_names_both() {
    let (daemon, _nats) = fleet().await;
    for path in LISTS {
        for other in ["labels", "prefixes", "label"] {
            let answer = daemon.get(&format!("{path}?{other}=x&selector=service")).await;
            let (status, text) = (answer.status, answer.text());
            let expected = format!("selector and {other} cannot be given together");
            assert!(status == 400 && text.starts_with(&expected), "{path}: {text}");
        }
        let answer = daemon.get(&format!("{path}?selector=a&selector=b")).await;
        let (status, text) = (answer.status, answer.text());
        assert!(status == 400 && text.contains("more than once"), "{path}: {text}");
    }
}
