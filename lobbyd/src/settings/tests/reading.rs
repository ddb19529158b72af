use std::path::Path;
use std::time::Duration;

use super::*;
use crate::config::LogFormat;
use lobby_core::signing::verifier::VerifyMode;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn defaults_are_those_of_the_contract() {
    let settings =
        read("", "NATS_URL=nats://broker DRIVER=NATS,Redis,Local LOCAL_PATH=/l").unwrap();
    let api = settings.api.as_ref().unwrap();
    assert_eq!((api.host.as_str(), api.port, api.node_exporter_port), ("127.0.0.1", 1313, 9100));
    assert!(api.token.is_none());
    let timing = settings.timing;
    assert_eq!(
        (timing.keep_alive, timing.ttl, timing.clean_every),
        (5 * SECOND, 30 * SECOND, 15 * SECOND)
    );
    assert!(settings.register && settings.callback.is_none());
    assert_eq!((settings.max_servers, settings.max_packet_rate), (100_000, 200));
    assert_eq!((settings.log.filter.as_str(), settings.log.format), ("info", LogFormat::Text));
    let facts = &settings.local;
    assert!(facts.hostname.is_none() && facts.labels.is_empty());
    assert_eq!(facts.labels_path, Path::new("/etc/lobby/labels"));
    assert_eq!(facts.runtime_labels_filename, "_runtime");
}

#[test]
fn the_default_driver_is_nats() {
    assert_eq!(drivers(&read("", "NATS_URL=nats://broker:4222").unwrap()), ["NATS"]);
}

#[test]
fn callback_waits_have_the_defaults_of_the_contract() {
    let callback = read("", "DRIVER=Redis CALLBACK=/bin/true").unwrap().callback.unwrap();
    assert_eq!((callback.cooldown, callback.first_run_delay), (15 * SECOND, 30 * SECOND));
    assert_eq!((callback.settle, callback.time_limit, callback.selector), (SECOND, None, None));
}

#[test]
fn a_flag_beats_the_variable_and_the_variable_the_default() {
    let port = |flags, variables| read(flags, variables).unwrap().api.unwrap().port;
    assert_eq!(port("--driver redis --port 3", "PORT=2"), 3);
    assert_eq!(port("--driver redis", "PORT=2"), 2);
    assert_eq!(port("--driver redis", ""), 1313);
}

#[test]
fn a_variable_that_is_set_but_empty_counts_as_unset() {
    let settings =
        read("", "DRIVER=Redis PORT= HOST= TOKEN= CALLBACK= LABELS= REGISTER= TTL= HOSTNAME=")
            .unwrap();
    let api = settings.api.unwrap();
    assert_eq!((api.host.as_str(), api.port), ("127.0.0.1", 1313));
    assert!(api.token.is_none() && settings.callback.is_none() && settings.register);
}

#[test]
fn an_empty_flag_hides_the_variable() {
    let settings =
        read("--driver=redis --labels= --token= --hostname=", "LABELS=a TOKEN=t HOSTNAME=h")
            .unwrap();
    assert!(settings.api.unwrap().token.is_none());
    assert!(settings.local.labels.is_empty() && settings.local.hostname.is_none());
}

#[test]
fn switches_are_read_in_every_spelling_and_case() {
    let register =
        |text: &str| read("", &format!("DRIVER=Redis REGISTER={text}")).unwrap().register;
    for yes in ["true", "True", "T", "t", "1", "yes", "YES", "y"] {
        assert!(register(yes), "{yes}");
    }
    for no in ["false", "FALSE", "F", "f", "0", "no", "No", "N"] {
        assert!(!register(no), "{no}");
    }
}

#[test]
fn a_switch_flag_takes_a_value_after_a_sign_a_space_or_none() {
    let read = |flags| read(flags, "DRIVER=Redis DISABLE_API=false").unwrap();
    assert!(!read("--register=false").register);
    assert!(!read("--register false").register);
    assert!(read("--disable-api").api.is_none());
    assert!(read("--disable-api --port 1").api.is_none());
}

#[test]
fn drivers_are_read_in_any_case_with_spaces_and_each_once() {
    let settings =
        read_exactly(&[], &[("DRIVER", " redis, NATS,,Redis "), ("NATS_URL", "nats://b")]).unwrap();
    assert_eq!(drivers(&settings), ["Redis", "NATS"]);
}

#[test]
fn labels_are_trimmed_and_empty_ones_skipped() {
    let settings =
        read_exactly(&["--driver=redis"], &[("LABELS", " service:smtp ,,ip6:2a03::1,")]).unwrap();
    let labels: Vec<_> = settings.local.labels.iter().map(lobby_client::Label::as_str).collect();
    assert_eq!(labels, ["service:smtp", "ip6:2a03::1"]);
}

#[test]
fn a_callback_is_split_as_a_shell_would() {
    let settings =
        read_exactly(&["--driver=redis"], &[("CALLBACK", r#"/bin/cb 'a b' --to="x y"  z\ z"#)])
            .unwrap();
    assert_eq!(settings.callback.unwrap().command, ["/bin/cb", "a b", "--to=x y", "z z"]);
}

#[test]
fn callback_waits_of_zero_and_a_free_port_are_allowed() {
    let variables = "DRIVER=Redis PORT=0 CALLBACK=x CALLBACK_COOLDOWN=0 CALLBACK_FIRST_RUN_DELAY=0";
    let settings = read("", variables).unwrap();
    let callback = settings.callback.unwrap();
    assert_eq!((callback.cooldown, callback.first_run_delay), (Duration::ZERO, Duration::ZERO));
    assert_eq!(settings.api.unwrap().port, 0);
}

#[test]
fn an_ip6_host_may_stand_in_brackets() {
    let host =
        |text: &str| read("", &format!("DRIVER=Redis HOST={text}")).unwrap().api.unwrap().host;
    assert_eq!(host("[::1]"), "::1");
    assert_eq!(host("::1"), "::1");
    assert_eq!(host("srv1.example"), "srv1.example");
}

#[test]
fn a_log_filter_loses_its_white_space() {
    let settings = read_exactly(
        &["--driver=redis"],
        &[("LOG_LEVEL", " Info, async_nats=debug"), ("LOG_FORMAT", "JSON")],
    );
    let log = settings.unwrap().log;
    assert_eq!((log.filter.as_str(), log.format), ("Info,async_nats=debug", LogFormat::Json));
}

#[test]
fn with_a_key_packets_are_verified_with_a_warning_by_default() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
    let verify = |setting: &str| {
        let settings =
            read("--driver=redis", &format!("PACKET_KEY_FILE={} {setting}", file.path().display()));
        settings.unwrap().signing.unwrap().verify
    };
    assert_eq!(verify(""), Some(VerifyMode::Warn));
    assert_eq!(verify("PACKET_VERIFY=enforce"), Some(VerifyMode::Enforce));
    assert_eq!(verify("PACKET_VERIFY=off"), None);
    assert!(read("--driver=redis", "").unwrap().signing.is_none());
}

#[test]
fn settings_never_print_a_secret() {
    let variables =
        "DRIVER=NATS,Redis TOKEN=hush-token NATS_URL=nats://hush-token@b REDIS_PASSWORD=hush-word";
    let settings = read("", variables).unwrap();
    assert!(!format!("{settings:?} {settings:#?}").contains("hush"));
}

#[test]
fn variables_with_secrets_are_withheld_from_the_callback() {
    let callback = read("", "DRIVER=Redis CALLBACK=/bin/true").unwrap().callback.unwrap();
    let secrets = ["TOKEN", "READ_TOKEN", "NATS_URL", "REDIS_PASSWORD"];
    let of_systemd = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY"];
    assert_eq!(callback.withheld, [secrets, of_systemd].concat());
}

#[test]
fn a_flag_beats_the_longer_name_and_that_beats_the_shorter() {
    let port = |flags, variables| read(flags, variables).unwrap().api.unwrap().port;
    assert_eq!(port("--driver redis", "PORT=2 LOBBY_PORT=4"), 4);
    assert_eq!(port("--driver redis --port 3", "PORT=2 LOBBY_PORT=4"), 3);
    assert_eq!(port("--driver redis", "PORT=2 LOBBY_PORT="), 2);
    assert_eq!(drivers(&read("", "LOBBY_DRIVER=Local LOBBY_LOCAL_PATH=/l").unwrap()), ["Local"]);
}

#[test]
fn a_longer_name_beats_the_shorter_one_of_its_twin() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from-file").unwrap();
    let path = file.path().display();
    let token = |flags, variables: &str| {
        let token = read(flags, &format!("DRIVER=Redis {variables}")).unwrap().api.unwrap().token;
        token.map(|token| token.expose().to_string())
    };
    for (variables, expected) in [
        (format!("TOKEN=short LOBBY_TOKEN_FILE={path}"), "from-file"),
        ("TOKEN_FILE=/nowhere LOBBY_TOKEN=long".to_owned(), "long"),
        ("TOKEN=short TOKEN_FILE=/nowhere LOBBY_TOKEN=long".to_owned(), "long"),
    ] {
        assert_eq!(token("", &variables).as_deref(), Some(expected), "{variables}");
    }
    let hidden = format!("TOKEN_FILE={path} LOBBY_TOKEN=long");
    assert_eq!(token("--token=", &hidden).as_deref(), Some("from-file"));
}

#[test]
fn an_address_in_lobby_port_is_passed_over() {
    let port = |variables| read("--driver redis", variables).unwrap().api.unwrap().port;
    assert_eq!(port("LOBBY_PORT=tcp://10.0.0.1:80"), 1313);
    assert_eq!(port("PORT=2 LOBBY_PORT=udp://10.0.0.1:80"), 2);
}

#[test]
fn a_read_token_needs_a_token_and_is_another_one() {
    let api = read("--driver=redis", "TOKEN=t READ_TOKEN=r").unwrap().api.unwrap();
    assert_eq!(
        api.tokens().iter().map(|token| token.expose().to_string()).collect::<Vec<_>>(),
        ["t", "r"]
    );
    let alone = refusal("DRIVER=Redis READ_TOKEN=hush");
    assert!(
        alone.starts_with("READ_TOKEN: it is set without TOKEN") && !alone.contains("hush"),
        "{alone}"
    );
    let same = refusal("DRIVER=Redis TOKEN=hush LOBBY_READ_TOKEN=hush");
    assert!(
        same.starts_with("READ_TOKEN: it is the same as TOKEN") && !same.contains("hush"),
        "{same}"
    );
}
