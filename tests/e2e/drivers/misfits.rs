//! Servers that are not what the settings say, and files that are not what they should be: what is
//! said about them.

use lobby_tests::{Certificates, Lobbyd, NatsServer, RedisServer};
use lobbyd::link::driver::Driver;
use lobbyd::link::drivers::nats::{Nats, NatsSettings};
use lobbyd::link::drivers::redis::{Redis, RedisSettings};

use crate::drivers::{nats_settings, redis_settings, refused, works};

fn nats_at(scheme: &str, port: u16) -> Nats {
    Nats::new(nats_settings(&format!("{scheme}://127.0.0.1:{port}")))
}

fn redis_at(port: u16, tls: bool) -> Redis {
    Redis::new(RedisSettings { tls, ..redis_settings(port) })
}

async fn assert_refused(driver: impl Driver, words: &str) {
    let error = refused(&driver).await;
    assert!(error.ends_with(words), "{error} instead of {words}");
}

#[actix_rt::test]
async fn a_server_of_another_protocol_is_called_so() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let web = Lobbyd::named("web").start().await;
    for port in [redis.port(), web.address().port()] {
        assert_refused(nats_at("nats", port), ": is not a NATS server").await;
    }
    for port in [nats.port(), web.address().port()] {
        assert_refused(redis_at(port, false), ": is not a Redis server").await;
    }
}

#[actix_rt::test]
async fn tls_on_one_side_only_is_called_so() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    assert_refused(nats_at("tls", nats.port()), ": it does not speak TLS").await;
    assert_refused(redis_at(redis.port(), true), ": it does not speak TLS").await;
    let secure = RedisServer::with_tls(&Certificates::new(), "").await;
    assert_refused(redis_at(secure.port(), false), ": a server that wants TLS does so (REDIS_TLS)")
        .await;
}

#[actix_rt::test]
async fn a_self_signed_authority_is_accepted_where_it_is_named() {
    let certificates = Certificates::self_signed();
    let server = NatsServer::with_config(&certificates.nats_config(false)).await;
    let trusting = |ca_file| {
        let url = format!("tls://localhost:{}", server.port());
        Nats::new(NatsSettings { ca_file: Some(ca_file), ..nats_settings(&url) })
    };
    works(&trusting(certificates.authority())).await;
    let error = refused(&trusting(Certificates::self_signed().authority())).await;
    assert!(error.contains("name that very certificate as the authority"), "{error}");
}

#[actix_rt::test]
async fn a_client_certificate_that_does_not_fit_its_key_is_named() {
    let (ours, theirs) = (Certificates::new(), Certificates::new());
    let server = NatsServer::with_config(&ours.nats_config(true)).await;
    let (certificate, key) = (ours.client().0, theirs.client().1);
    let expected = format!(
        "NATS_CERT_FILE: {} cannot be used: it does not belong to the key in {}",
        certificate.display(),
        key.display()
    );
    let settings = nats_settings(&format!("tls://127.0.0.1:{}", server.port()));
    let client_certificate = Some((certificate, key));
    let driver =
        Nats::new(NatsSettings { ca_file: Some(ours.authority()), client_certificate, ..settings });
    assert_refused(driver, &expected).await;
}

#[actix_rt::test]
async fn an_expired_certificate_is_told_as_such() {
    let certificates = Certificates::expired();
    let nats = NatsServer::with_config(&certificates.nats_config(false)).await;
    let redis = RedisServer::with_tls(&certificates, "").await;
    let ca_file = Some(certificates.authority());
    let url = format!("tls://127.0.0.1:{}", nats.port());
    let nats = NatsSettings { ca_file: ca_file.clone(), ..nats_settings(&url) };
    let redis = RedisSettings { ca_file, ..redis_settings(redis.port()) };
    for error in [refused(&Nats::new(nats)).await, refused(&Redis::new(redis)).await] {
        assert!(error.contains("certificate expired"), "{error}");
    }
}

#[actix_rt::test]
async fn a_client_certificate_of_version_1_is_named() {
    let certificates = Certificates::new();
    let server = NatsServer::with_config(&certificates.nats_config(true)).await;
    let client_certificate = certificates.version_1();
    let expected = format!(
        "NATS_CERT_FILE: {} cannot be used: the certificate is of X.509 version 1: expected version 3",
        client_certificate.0.display()
    );
    let settings = nats_settings(&format!("tls://127.0.0.1:{}", server.port()));
    let ca_file = Some(certificates.authority());
    let client_certificate = Some(client_certificate);
    assert_refused(Nats::new(NatsSettings { ca_file, client_certificate, ..settings }), &expected)
        .await;
}

#[actix_rt::test]
async fn files_that_became_a_fifo_or_a_device_are_refused_at_once() {
    let (nats, redis) = (NatsServer::start().await, RedisServer::start().await);
    let with = |path: &str| {
        let file = || Some(path.into());
        let nats = || nats_settings(&nats.url());
        let redis = RedisSettings { ca_file: file(), ..redis_settings(redis.port()) };
        let drivers: [Box<dyn Driver>; 4] = [
            Box::new(Nats::new(NatsSettings { creds_file: file(), ..nats() })),
            Box::new(Nats::new(NatsSettings { ca_file: file(), ..nats() })),
            Box::new(Nats::new(NatsSettings { client_certificate: file().zip(file()), ..nats() })),
            Box::new(Redis::new(redis)),
        ];
        drivers
    };
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (path, kind) in [(fifo.to_str().unwrap(), "FIFO"), ("/dev/zero", "device")] {
        for driver in with(path) {
            let error = refused(&*driver).await;
            assert!(error.contains(&format!("is a {kind}, not a regular file")), "{error}");
        }
    }
}
