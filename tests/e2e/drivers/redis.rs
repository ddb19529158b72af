//! Every way to log in to Redis, and what is said when it does not work.

use lobby_tests::{Certificates, LIMIT, Lobbyd, RedisServer, ensure, eventually};
use lobbyd::config::Secret;
use lobbyd::link::drivers::redis::{Redis, RedisSettings};

use crate::drivers::{ended, heard, link, opened, packet, redis_settings, refused, works};

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
        Redis::new(RedisSettings {
            password: password.map(Secret::fixed),
            ..redis_settings(server.port())
        })
    };
    works(&with(Some("s3cret"))).await;
    let named = |text: &str| format!("Redis server 127.0.0.1:{}: {text}", server.port());
    assert_eq!(
        refused(&with(Some("wr0ng"))).await,
        named("refused REDIS_USERNAME or REDIS_PASSWORD")
    );
    let missing = "wants a password: set REDIS_PASSWORD or REDIS_PASSWORD_FILE";
    assert_eq!(refused(&with(None)).await, named(missing));
}

#[actix_rt::test]
async fn an_acl_user_needs_only_publish_and_subscribe_on_the_channel() {
    let server = RedisServer::with_config(&user(ENOUGH)).await;
    works(&Redis::new(as_user(server.port(), "s3cret"))).await;
    let error = refused(&Redis::new(as_user(server.port(), "wr0ng"))).await;
    assert!(
        error.contains("refused REDIS_USERNAME or REDIS_PASSWORD") && !error.contains("wr0ng"),
        "{error}"
    );
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
        assert!(
            error.contains("this user may not subscribe to channel lobby:discovery"),
            "{error}"
        );
    }
}

#[actix_rt::test]
async fn a_user_who_may_not_publish_stays_down_until_he_may() {
    let may_not = "this user may not publish on channel lobby:discovery";
    let mut server = RedisServer::with_config(&user("&* -@all +subscribe")).await;
    let driver = Redis::new(as_user(server.port(), "s3cret"));
    let mut channel = opened(&driver).await;
    let error = channel.outgoing.publish(packet("hi")).await.unwrap_err().to_string();
    assert!(error.contains(may_not), "{error}");
    assert!(ended(&mut channel, LIMIT).await.contains(may_not));
    assert!(refused(&driver).await.contains(may_not));
    server.restart_with(&user(ENOUGH)).await;
    assert_eq!(heard(&mut opened(&driver).await).await, "hi");
}

#[actix_rt::test]
async fn a_connection_that_the_server_closed_is_renewed_for_a_packet() {
    let server = RedisServer::start().await;
    let mut channel = opened(&Redis::new(redis_settings(server.port()))).await;
    for round in ["one", "two"] {
        let mut other = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        let closed: u32 =
            redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]).query(&mut other).unwrap();
        assert_eq!(closed, 1);
        channel.outgoing.publish(packet(round)).await.unwrap();
        assert_eq!(heard(&mut channel).await, round);
    }
}

#[actix_rt::test]
async fn an_idle_limit_below_keep_alive_takes_no_link_down() {
    let server = RedisServer::with_config("timeout 1").await;
    let a = Lobbyd::named("a").set("KEEP_ALIVE", "3").set("TTL", "30").redis(&server).start().await;
    let b = Lobbyd::named("b").redis(&server).start().await;
    eventually(LIMIT, async || {
        let sent = link(&a).await["sent"].as_u64();
        ensure(sent >= Some(3), sent)
    })
    .await;
    b.meets("a").await;
    for daemon in [&a, &b] {
        assert!(
            daemon.logs().iter().all(|line| !line.contains("is down") && !line.contains("failed")),
            "{:?}",
            daemon.logs()
        );
    }
}

#[actix_rt::test]
async fn a_link_to_a_replica_says_so() {
    let master = RedisServer::start().await;
    let replica = RedisServer::with_config(&format!("replicaof 127.0.0.1 {}", master.port())).await;
    let a = Lobbyd::named("a").redis(&replica).start().await;
    eventually(LIMIT, async || {
        let driver = link(&a).await;
        let reason = driver["reason"].as_str().unwrap_or_default();
        ensure(driver["state"] == "up" && reason.contains("is a replica"), &driver)
    })
    .await;
    a.logged("is a replica").await;
    assert!(
        Lobbyd::named("b")
            .redis(&master)
            .start()
            .await
            .logs()
            .iter()
            .all(|line| !line.contains("replica"))
    );
}

#[actix_rt::test]
async fn a_master_that_is_demoted_ends_the_link() {
    let (master, other) = (RedisServer::start().await, RedisServer::start().await);
    let mut channel = opened(&Redis::new(redis_settings(other.port()))).await;
    let mut connection = redis::Client::open(other.url()).unwrap().get_connection().unwrap();
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(master.port()).exec(&mut connection).unwrap();
    let reason = ended(&mut channel, LIMIT).await;
    assert!(reason.contains("master and replica"), "{reason}");
}

#[actix_rt::test]
async fn a_self_signed_authority_is_accepted_where_it_is_named() {
    let certificates = Certificates::self_signed();
    let server = RedisServer::with_tls(&certificates, "").await;
    let trusting = |ca_file| {
        Redis::new(RedisSettings { ca_file: Some(ca_file), ..redis_settings(server.port()) })
    };
    works(&trusting(certificates.authority())).await;
    let error = refused(&trusting(Certificates::self_signed().authority())).await;
    assert!(error.contains("name that very certificate as the authority"), "{error}");
}

#[actix_rt::test]
async fn tls_works_with_an_authority_of_ones_own_and_no_other() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let server = RedisServer::with_tls(&ours, &user(ENOUGH)).await;
    let trusting =
        |ca_file| Redis::new(RedisSettings { ca_file, ..as_user(server.port(), "s3cret") });
    works(&trusting(Some(ours.authority()))).await;
    let error = refused(&trusting(Some(theirs.authority()))).await;
    assert!(error.contains("invalid peer certificate"), "{error}");
    let missing = ours.authority().with_extension("missing");
    let error = refused(&trusting(Some(missing.clone()))).await;
    assert!(
        error.contains(&format!("REDIS_CA_FILE: cannot read {}", missing.display())),
        "{error}"
    );
}

#[actix_rt::test]
async fn the_number_of_the_database_makes_no_difference_to_who_hears() {
    let server = RedisServer::start().await;
    let mut listener = opened(&Redis::new(redis_settings(server.port()))).await;
    let third = opened(&Redis::new(RedisSettings { db: 3, ..redis_settings(server.port()) })).await;
    third.outgoing.publish(packet("from 3")).await.unwrap();
    assert_eq!(heard(&mut listener).await, "from 3");
    let error =
        refused(&Redis::new(RedisSettings { db: 99, ..redis_settings(server.port()) })).await;
    assert!(error.contains("127.0.0.1") && error.to_lowercase().contains("db"), "{error}");
}
