//! The feed behind nginx, with its settings as they are.

use lobby_tests::{Feed, Nginx};

use super::Fixture;

#[actix_rt::test]
async fn events_pass_through_nginx_as_they_come() {
    let Fixture { daemon, peer, nats: _nats } = Fixture::new().await;
    // The daemon listens to a name of its own only, not to any that a browser may be lured with.
    let proxy = format!("location / {{ proxy_pass http://{}; }}", daemon.address());
    let nginx = Nginx::start("", &proxy).await;
    let version = "proxy_http_version 1.1; proxy_set_header Connection '';";
    let modern = Nginx::start("", &format!("{version}\n{proxy}")).await;
    for (number, nginx) in [nginx, modern].iter().enumerate() {
        let mut feed = Feed::open(nginx.address(), "/v1/events", &[]).await;
        assert_eq!(feed.next().await.unwrap().name, "snapshot");
        assert_eq!(feed.next().await.unwrap().name, "status");
        let host = format!("b{number}");
        peer.say_hi(&host, &["x:1"]).await;
        let join = feed.next_change().await;
        assert_eq!((join.name.as_str(), &join.data["host"]["hostname"]), ("join", &host.into()));
        let id = feed.last_id().unwrap().to_owned();
        drop(feed);
        peer.say_goodbye(&format!("b{number}")).await;
        let mut feed = Feed::open(nginx.address(), "/v1/events", &[("Last-Event-ID", &id)]).await;
        assert_eq!(feed.next_change().await.name, "leave");
    }
}
