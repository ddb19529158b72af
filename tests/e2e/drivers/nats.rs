//! Every way to log in to NATS, and what is said when it does not work.

use lobby_tests::{Certificates, LIMIT, NatsAccounts, NatsServer, ensure, eventually, free_port};
use lobbyd::config::Secret;
use lobbyd::link::drivers::nats::{Nats, NatsSettings};
use nkeys::KeyPair;
use tokio::time::timeout;

use crate::drivers::{ended, heard, nats_settings, opened, packet, refused, works};

fn nats(settings: NatsSettings) -> Nats {
    Nats::new(settings)
}

/// A driver of a URL with these credentials in it.
fn logging_in(server: &NatsServer, credentials: &str) -> Nats {
    nats(nats_settings(&format!("nats://{credentials}@127.0.0.1:{}", server.port())))
}

fn users(permissions: &str) -> String {
    format!(
        "authorization {{ users: [{{ user: lobby, password: \"p@ss,word\", permissions: {permissions} }}] }}"
    )
}

const EVERYTHING: &str = "{ publish: \">\", subscribe: \">\" }";

#[actix_rt::test]
async fn user_and_password_are_decoded_and_wrong_ones_are_not_shown() {
    let server = NatsServer::with_config(&users(EVERYTHING)).await;
    works(&logging_in(&server, "lobby:p%40ss%2Cword")).await;
    let error = refused(&logging_in(&server, "lobby:s3cret")).await;
    assert_eq!(
        error,
        format!(
            "NATS server 127.0.0.1:{}: refused the credentials (authorization violation)",
            server.port()
        )
    );
}

#[actix_rt::test]
async fn a_token_from_the_url_lets_in() {
    let server = NatsServer::with_config("authorization { token: \"t0ken\" }").await;
    works(&logging_in(&server, "t0ken")).await;
    assert!(refused(&logging_in(&server, "other")).await.contains("refused the credentials"));
    assert!(refused(&nats(nats_settings(&server.url()))).await.contains("refused the credentials"));
}

#[actix_rt::test]
async fn credentials_are_read_again_each_time() {
    let server = NatsServer::with_config("authorization { token: \"new\" }").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, format!("old@127.0.0.1:{}\n", server.port())).unwrap();
    let url = Secret::from_file("NATS_URL_FILE", file.path()).unwrap();
    let driver = nats(NatsSettings { url: url.clone(), ..nats_settings("") });
    assert!(refused(&driver).await.contains("refused the credentials"));
    std::fs::write(&file, format!("new@127.0.0.1:{}\n", server.port())).unwrap();
    url.reload().unwrap();
    works(&driver).await;
}

#[actix_rt::test]
async fn an_nkey_seed_lets_in_and_a_bad_one_is_named() {
    let key = KeyPair::new_user();
    let server = NatsServer::with_config(&format!(
        "authorization {{ users: [{{ nkey: {} }}] }}",
        key.public_key()
    ))
    .await;
    let with = |seed: &str| {
        nats(NatsSettings { nkey_seed: Some(Secret::fixed(seed)), ..nats_settings(&server.url()) })
    };
    works(&with(&key.seed().unwrap())).await;
    assert!(
        refused(&with(&KeyPair::new_user().seed().unwrap()))
            .await
            .contains("refused the credentials")
    );
    let error = refused(&with("SUSECRET")).await;
    assert!(error.contains("nkey seed") && !error.contains("SUSECRET"), "{error}");
}

#[actix_rt::test]
async fn a_creds_file_lets_in_and_a_missing_or_bad_one_is_named() {
    let accounts = NatsAccounts::new();
    let server = NatsServer::with_config(&accounts.config).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_owned();
    let driver =
        nats(NatsSettings { creds_file: Some(path.clone()), ..nats_settings(&server.url()) });
    std::fs::write(&path, &accounts.creds).unwrap();
    works(&driver).await;
    std::fs::write(&path, "nonsense").unwrap();
    assert!(
        refused(&driver).await.contains(&format!("NATS_CREDS_FILE: cannot use {}", path.display()))
    );
    drop(file);
    assert!(
        refused(&driver)
            .await
            .contains(&format!("NATS_CREDS_FILE: cannot read {}", path.display()))
    );
}

#[actix_rt::test]
async fn tls_works_with_an_authority_of_ones_own_and_no_other() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let server = NatsServer::with_config(&ours.nats_config(false)).await;
    let trusting = |scheme: &str, authority| {
        let url = format!("{scheme}://localhost:{}", server.port());
        nats(NatsSettings { ca_file: Some(authority), ..nats_settings(&url) })
    };
    works(&trusting("tls", ours.authority())).await;
    works(&trusting("nats", ours.authority())).await;
    let error = refused(&trusting("tls", theirs.authority())).await;
    assert!(error.contains("invalid peer certificate"), "{error}");
    let (_, key) = ours.server();
    let error = refused(&trusting("tls", key.clone())).await;
    assert!(
        error.contains(&format!("NATS_CA_FILE: {} holds no certificate", key.display())),
        "{error}"
    );
}

#[actix_rt::test]
async fn who_names_an_authority_never_talks_to_a_server_without_tls() {
    let server = NatsServer::start().await;
    let ca_file = Some(Certificates::new().authority());
    let error = refused(&nats(NatsSettings { ca_file, ..nats_settings(&server.url()) })).await;
    assert!(error.contains("127.0.0.1"), "{error}");
}

#[actix_rt::test]
async fn a_client_certificate_is_shown_where_the_server_demands_one() {
    let certificates = Certificates::new();
    let server = NatsServer::with_config(&certificates.nats_config(true)).await;
    let url = format!("tls://127.0.0.1:{}", server.port());
    let without = NatsSettings { ca_file: Some(certificates.authority()), ..nats_settings(&url) };
    let (cert, key) = certificates.client();
    works(&nats(NatsSettings { client_certificate: Some((cert.clone(), key)), ..without.clone() }))
        .await;
    let error = refused(&nats(without.clone())).await;
    assert!(error.to_lowercase().contains("certificate"), "{error}");
    let error =
        refused(&nats(NatsSettings { client_certificate: Some((cert.clone(), cert)), ..without }))
            .await;
    assert!(error.contains("NATS_KEY_FILE") && error.contains("no private key"), "{error}");
}

#[actix_rt::test]
async fn a_user_who_may_not_subscribe_is_told_so_on_opening() {
    let server = NatsServer::with_config(&users("{ publish: \">\", subscribe: \"other\" }")).await;
    let error = refused(&logging_in(&server, "lobby:p%40ss%2Cword")).await;
    assert!(
        error.contains("Permissions Violation for Subscription to \"lobby.discovery\""),
        "{error}"
    );
}

#[actix_rt::test]
async fn a_user_who_may_not_publish_loses_the_link_when_he_does() {
    let server = NatsServer::with_config(&users("{ publish: \"other\", subscribe: \">\" }")).await;
    let mut channel = opened(&logging_in(&server, "lobby:p%40ss%2Cword")).await;
    channel.outgoing.publish(packet("hi")).await.unwrap();
    let reason = ended(&mut channel, LIMIT).await;
    assert!(
        reason.contains("Permissions Violation for Publish to \"lobby.discovery\""),
        "{reason}"
    );
}

#[actix_rt::test]
async fn a_user_who_may_use_the_one_subject_only_lacks_nothing() {
    for permissions in [
        "{ publish: \"lobby.discovery\", subscribe: \"lobby.discovery\" }",
        "{ publish: \"lobby.discovery\", subscribe: [\"lobby.discovery\", \"_INBOX.>\"] }",
        "{ publish: \">\", subscribe: \"lobby.discovery\" }",
    ] {
        let server = NatsServer::with_config(&users(permissions)).await;
        let mut channel = opened(&logging_in(&server, "lobby:p%40ss%2Cword")).await;
        channel.outgoing.publish(packet("hi")).await.unwrap();
        assert_eq!(heard(&mut channel).await, "hi");
        timeout(LIMIT, channel.outgoing.close()).await.expect(permissions);
    }
}

#[actix_rt::test]
async fn a_packet_too_large_for_the_server_leaves_the_link_up() {
    let server = NatsServer::with_config("max_payload: 1000").await;
    let mut channel = opened(&nats(nats_settings(&server.url()))).await;
    let error = channel.outgoing.publish(packet(&"x".repeat(1001))).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "the packet has 1001 bytes, the NATS server takes at most 1000 (its max_payload)"
    );
    channel.outgoing.publish(packet("small")).await.unwrap();
    assert_eq!(heard(&mut channel).await, "small");
}

#[actix_rt::test]
async fn a_server_that_announces_its_shutdown_ends_the_link() {
    let server = NatsServer::start().await;
    let mut channel = opened(&nats(nats_settings(&server.url()))).await;
    server.retire();
    assert!(ended(&mut channel, LIMIT).await.contains("lame duck mode"));
}

#[actix_rt::test]
async fn a_server_that_learns_the_user_later_lets_him_in_then() {
    let mut server = NatsServer::with_config("authorization { token: \"t0ken\" }").await;
    let driver = logging_in(&server, "lobby:p%40ss%2Cword");
    assert!(refused(&driver).await.contains("refused the credentials"));
    server.restart_with(&users(EVERYTHING)).await;
    works(&driver).await;
}

#[actix_rt::test]
async fn of_several_servers_one_that_lives_will_do() {
    let server = NatsServer::start().await;
    let list = format!("127.0.0.1:{},{}", free_port(), server.url());
    for _ in 0..5 {
        works(&nats(nats_settings(&list))).await;
    }
}

#[actix_rt::test]
async fn a_server_learned_from_the_cluster_takes_over() {
    let (other, advertised) = (free_port(), free_port());
    let cluster = |own: u16, peer: u16| {
        format!(
            "cluster {{ name: c, listen: \"127.0.0.1:{own}\", routes: [\"nats://127.0.0.1:{peer}\"] }}"
        )
    };
    let mut first = NatsServer::with_config(&cluster(other, advertised)).await;
    let second = NatsServer::with_config(&cluster(advertised, other)).await;
    let driver = nats(nats_settings(&first.url()));
    eventually(LIMIT, async || knows_of(&first, second.port()).await).await;
    works(&driver).await;
    first.kill();
    works(&driver).await;
}

/// Whether the server names to its clients another one on this port.
async fn knows_of(server: &NatsServer, port: u16) -> Result<(), String> {
    let info =
        async_nats::connect(server.url()).await.map_err(|error| error.to_string())?.server_info();
    ensure(
        info.connect_urls.iter().any(|url| url.ends_with(&format!(":{port}"))),
        info.connect_urls,
    )
}
