//! Every way to log in to Redis, and what is said when it does not work.

use lobby_tests::{Certificates, RedisServer};
use lobbyd::config::Secret;
use lobbyd::link::drivers::redis::{Redis, RedisSettings};

use crate::drivers::{heard, opened, packet, redis_settings, refused, works};

/// An ACL user with these rights.
fn user(rights: &str) -> String {
    format!("user default off\nuser lobby on >s3cret {rights}")
}

const ENOUGH: &str = "resetchannels &lobby:discovery -@all +publish +subscribe";

fn as_user(port: u16, password: &str) -> RedisSettings {
    let password = Some(Secret::fixed(password));
    RedisSettings { username: Some("lobby".to_owned()), password, ..redis_settings(port) }
}

#[actix_rt::test]
async fn a_password_lets_in_and_a_wrong_one_is_not_shown() {
    let server = RedisServer::with_config("requirepass s3cret").await;
    let with = |password: Option<&str>| {
        Redis::new(RedisSettings { password: password.map(Secret::fixed), ..redis_settings(server.port()) })
    };
    works(&with(Some("s3cret"))).await;
    let named = |text: &str| format!("Redis server 127.0.0.1:{}: {text}", server.port());
    assert_eq!(refused(&with(Some("wr0ng"))).await, named("refused REDIS_USERNAME or REDIS_PASSWORD"));
    let missing = "wants a password: set REDIS_PASSWORD or REDIS_PASSWORD_FILE";
    assert_eq!(refused(&with(None)).await, named(missing));
}

#[actix_rt::test]
async fn an_acl_user_needs_only_publish_and_subscribe_on_the_channel() {
    let server = RedisServer::with_config(&user(ENOUGH)).await;
    works(&Redis::new(as_user(server.port(), "s3cret"))).await;
    let error = refused(&Redis::new(as_user(server.port(), "wr0ng"))).await;
    assert!(error.contains("refused REDIS_USERNAME or REDIS_PASSWORD") && !error.contains("wr0ng"), "{error}");
}

#[actix_rt::test]
async fn a_server_that_learns_the_user_later_lets_him_in_then() {
    let mut server = RedisServer::with_config("requirepass other").await;
    let driver = Redis::new(as_user(server.port(), "s3cret"));
    assert!(refused(&driver).await.contains("refused REDIS_USERNAME"));
    server.restart_with(&user(ENOUGH)).await;
    works(&driver).await;
}

#[actix_rt::test]
async fn a_user_who_may_not_subscribe_is_told_so_on_opening() {
    for rights in ["resetchannels &other -@all +publish +subscribe", "&* -@all +publish"] {
        let server = RedisServer::with_config(&user(rights)).await;
        let error = refused(&Redis::new(as_user(server.port(), "s3cret"))).await;
        assert!(error.contains("this user may not subscribe to channel lobby:discovery"), "{error}");
    }
}

#[actix_rt::test]
async fn a_user_who_may_not_publish_is_told_so_and_still_hears() {
    let server =
        RedisServer::with_config(&format!("{}\nuser other on nopass &* +publish", user("&* -@all +subscribe"))).await;
    let mut channel = opened(&Redis::new(as_user(server.port(), "s3cret"))).await;
    let error = channel.outgoing.publish(packet("hi")).await.unwrap_err().to_string();
    assert!(error.contains("this user may not publish on channel lobby:discovery"), "{error}");
    let other = RedisSettings { username: Some("other".to_owned()), ..as_user(server.port(), "any") };
    let mut connection = redis::Client::open(format!("redis://other:any@127.0.0.1:{}", other.port)).unwrap();
    redis::cmd("PUBLISH").arg("lobby:discovery").arg("from another").exec(&mut connection).unwrap();
    assert_eq!(heard(&mut channel).await, "from another");
}

#[actix_rt::test]
async fn tls_works_with_an_authority_of_ones_own_and_no_other() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let server = RedisServer::with_tls(&ours, &user(ENOUGH)).await;
    let trusting = |ca_file| Redis::new(RedisSettings { ca_file, ..as_user(server.port(), "s3cret") });
    works(&trusting(Some(ours.authority()))).await;
    let error = refused(&trusting(Some(theirs.authority()))).await;
    assert!(error.contains("invalid peer certificate"), "{error}");
    let missing = ours.authority().with_extension("missing");
    let error = refused(&trusting(Some(missing.clone()))).await;
    assert!(error.contains(&format!("REDIS_CA_FILE: cannot read {}", missing.display())), "{error}");
}

#[actix_rt::test]
async fn the_number_of_the_database_makes_no_difference_to_who_hears() {
    let server = RedisServer::start().await;
    let mut listener = opened(&Redis::new(redis_settings(server.port()))).await;
    let third = opened(&Redis::new(RedisSettings { db: 3, ..redis_settings(server.port()) })).await;
    third.outgoing.publish(packet("from 3")).await.unwrap();
    assert_eq!(heard(&mut listener).await, "from 3");
    let error = refused(&Redis::new(RedisSettings { db: 99, ..redis_settings(server.port()) })).await;
    assert!(error.contains("127.0.0.1") && error.to_lowercase().contains("db"), "{error}");
}
