use std::collections::HashMap;
use std::os::unix::ffi::OsStringExt;

use super::*;

#[test]
fn a_bad_number_is_refused_with_its_range() {
    let year = 31_536_000_i64;
    for (setting, noun, least, most) in [
        ("PORT", "port", 0, 65_535),
        ("NODE_EXPORTER_PORT", "port", 1, 65_535),
        ("REDIS_PORT", "port", 1, 65_535),
        ("REDIS_DB", "database", 0, 4_294_967_295),
        ("MAX_SERVERS", "count", 1, 4_294_967_295),
        ("MAX_PACKET_RATE", "packet rate", 0, 4_294_967_295),
        ("MAX_STREAMS", "count", 1, 4_294_967_295),
        ("KEEP_ALIVE", "number of seconds", 1, year),
        ("TTL", "number of seconds", 1, year),
        ("CLEAN_EVERY", "number of seconds", 1, year),
        ("DNS_TTL", "number of seconds", 0, year),
        ("CALLBACK_COOLDOWN", "number of seconds", 0, year),
        ("CALLBACK_FIRST_RUN_DELAY", "number of seconds", 0, year),
        ("CALLBACK_SETTLE", "number of seconds", 0, year),
        ("CALLBACK_TIMEOUT", "number of seconds", 1, year),
    ] {
        for bad in [
            "abc",
            "-1",
            "1.5",
            "99999999999999999999",
            &(most + 1).to_string(),
            &(least - 1).to_string(),
        ] {
            let expected =
                format!("{setting}: {bad:?} is not a valid {noun}: expected {least} to {most}");
            assert_eq!(refusal(&format!("DRIVER=Redis {setting}={bad}")), expected);
        }
    }
}

#[test]
fn a_bad_flag_is_refused_as_a_bad_variable_is() {
    let expected = r#"PORT: "-1" is not a valid port: expected 0 to 65535"#;
    assert_eq!(message(read("--driver redis --port -1", ""), 2), expected);
    assert_eq!(
        message(read_exactly(&["--driver=redis", "--port="], &[]), 2),
        expected.replace("-1", "")
    );
}

#[test]
fn a_bad_variable_is_refused_by_the_name_that_it_has() {
    let expected = r#"LOBBY_PORT: "x" is not a valid port: expected 0 to 65535"#;
    assert_eq!(refusal("DRIVER=Redis PORT=1 LOBBY_PORT=x"), expected);
}

#[test]
fn a_bad_word_is_refused_with_what_is_allowed() {
    let level = "is not a valid log level: expected error, warn, info, debug, trace or a filter such as info,async_nats=debug";
    let drivers = "is not a valid list of drivers: expected NATS, Redis or Local, or several of them, comma separated";
    for (setting, bad, expected) in [
        (
            "REGISTER",
            "on",
            "is not a valid truth value: expected true, false, t, f, yes, no, y, n, 1 or 0",
        ),
        ("LOG_LEVEL", "verbose", level),
        ("LOG_LEVEL", "lobbyd=loud", level),
        ("LOG_LEVEL", "info,lobby[link]=debug", level),
        ("LOG_LEVEL", "[link]", level),
        ("LOG_LEVEL", ",", level),
        ("LOG_FORMAT", "xml", "is not a valid log format: expected text or json"),
        ("DRIVER", "NATS,Kafka", drivers),
        ("DRIVER", " , ", drivers),
    ] {
        assert_refused(setting, bad, expected);
    }
}

#[test]
fn a_bad_name_is_refused_with_what_is_allowed() {
    let host = "is not a valid host: expected an IP address or a name";
    let file_name = "is not a valid file name: expected a bare name without /";
    let subject = "is not a valid subject: expected words joined by single dots, without the wildcards * and >";
    let events = "is not a valid subject: expected words joined by single dots, where * stands for one word and > at the end for all that follow";
    let listen = "is not a valid address: expected an IP address and a port, such as 127.0.0.1:8653 or [::1]:8653";
    let zone = "is not a valid zone: expected labels of 1 to 63 letters, digits, - and _, none of which begins with - or ends with - or _, with dots between them, 128 bytes in all, such as lobby.internal";
    let keys = "is not a valid list of keys: expected keys of labels, which hold no colon, comma separated";
    let program = "is not a valid command line: expected a program with its arguments";
    for (setting, bad, expected) in [
        ("HOST", "a b", host),
        ("REDIS_HOST", " ", host),
        ("HOST", "a..b", host),
        ("HOST", "-bad.", host),
        ("REDIS_HOST", "redis-", host),
        ("REDIS_HOST", ".redis", host),
        (
            "HOSTNAME",
            "a b",
            "is not a valid host name: expected 1 to 253 bytes without white space and control characters",
        ),
        (
            "LABELS",
            "ok,a\tb",
            r#""a\tb" is not a valid label: expected 1 to 1024 bytes without control characters"#,
        ),
        ("RUNTIME_LABELS_FILENAME", "../x", file_name),
        ("RUNTIME_LABELS_FILENAME", "..", file_name),
        ("RUNTIME_LABELS_FILENAME", ".", file_name),
        (
            "REDIS_CHANNEL",
            "a b",
            "is not a valid channel: expected one or more characters other than white space",
        ),
        (
            "NATS_DISCOVERY_CHANNEL",
            "a b",
            "is not a valid subject: expected one or more characters other than white space",
        ),
        ("NATS_DISCOVERY_CHANNEL", "lobby.>", subject),
        ("NATS_DISCOVERY_CHANNEL", "lobby..x", subject),
        ("NATS_EVENTS", "a b", events),
        ("NATS_EVENTS", "$SYS..DISCONNECT", events),
        ("NATS_EVENTS", "$SYS.>.DISCONNECT", events),
        ("PACKET_VERIFY", "always", "is not a valid way to verify: expected off, warn or enforce"),
        (
            "CALLBACK",
            "/bin/cb 'a",
            "is not a valid command line: expected every quote to be closed",
        ),
        ("CALLBACK", "'' a", program),
        ("CALLBACK", "  ", program),
        ("DNS_LISTEN", "8653", listen),
        ("DNS_LISTEN", "localhost:8653", listen),
        ("DNS_ZONE", "lobby..internal", zone),
        ("DNS_ZONE", ".", zone),
        ("DNS_ZONE", "-bad.", zone),
        ("ADDRESS_LABELS", "address:10.0.0.1", keys),
        ("ADDRESS_LABELS", ",", keys),
    ] {
        assert_refused(setting, bad, expected);
    }
}

fn assert_refused(setting: &str, bad: &str, expected: &str) {
    let shown = if expected.starts_with('"') { String::new() } else { format!("{bad:?} ") };
    let outcome = read_exactly(&[], &[("NATS_URL", "nats://b"), (setting, bad)]);
    assert_eq!(message(outcome, 2), format!("{setting}: {shown}{expected}"));
}

#[test]
fn an_empty_flag_is_refused_where_a_value_must_be() {
    for (flag, expected) in [
        ("--host=", r#"HOST: "" is not a valid host: expected an IP address or a name"#),
        ("--labels-path=", r#"LABELS_PATH: "" is not a valid directory: expected a path"#),
        (
            "--runtime-labels-filename=",
            r#"RUNTIME_LABELS_FILENAME: "" is not a valid file name: expected a bare name without /"#,
        ),
    ] {
        assert_eq!(message(read(flag, "DRIVER=Redis"), 2), expected);
    }
}

#[test]
fn a_bad_value_is_refused_also_where_nothing_asks_for_it() {
    assert!(refusal("DRIVER=Redis DISABLE_API=1 PORT=x").starts_with("PORT:"));
    assert!(refusal("DRIVER=Local LOCAL_PATH=/l REDIS_PORT=x").starts_with("REDIS_PORT:"));
}

#[test]
fn a_ttl_that_is_not_greater_than_keep_alive_is_refused() {
    let expected = "TTL: 30 s is too short: expected more than KEEP_ALIVE, 30 s";
    assert_eq!(refusal("DRIVER=Redis KEEP_ALIVE=30"), expected);
    assert!(read("", "DRIVER=Redis KEEP_ALIVE=30 TTL=31").is_ok());
}

#[test]
fn nats_without_url_is_refused_with_two_ways_out() {
    let message = refusal("DRIVER=Redis,NATS");
    for part in ["NATS_URL is missing", "nats://127.0.0.1:4222", "DRIVER=Local"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn nats_without_a_server_is_refused() {
    let expected = "NATS_URL: no server is named: expected nats:// or tls:// URLs, comma separated";
    assert_eq!(message(read_exactly(&[], &[("NATS_URL", " , ")]), 2), expected);
}

#[test]
fn both_forms_of_one_thing_are_refused() {
    for (one, other) in [
        ("TOKEN", "TOKEN_FILE"),
        ("NATS_URL", "NATS_URL_FILE"),
        ("REDIS_PASSWORD", "REDIS_PASSWORD_FILE"),
        ("NATS_NKEY_SEED_FILE", "NATS_CREDS_FILE"),
    ] {
        let message = refusal(&format!("DRIVER=Local LOCAL_PATH=/l {one}=hush {other}=/hush"));
        assert_eq!(message, format!("{one} and {other} are both set: only one of them is allowed"));
    }
}

#[test]
fn both_forms_are_refused_by_the_names_that_they_were_given() {
    let refusal = |flags, variables: &str| message(read(flags, variables), 2);
    for (flags, variables, named) in [
        ("", "LOBBY_TOKEN=hush LOBBY_TOKEN_FILE=/hush", "LOBBY_TOKEN and LOBBY_TOKEN_FILE"),
        ("", "TOKEN=hush LOBBY_TOKEN=hush LOBBY_TOKEN_FILE=/x", "LOBBY_TOKEN and LOBBY_TOKEN_FILE"),
        ("--token=hush", "TOKEN_FILE=/hush", "--token and TOKEN_FILE"),
        ("--token=hush", "LOBBY_TOKEN=hush TOKEN_FILE=/hush", "--token and TOKEN_FILE"),
        ("--token=hush --token-file=/hush", "", "--token and --token-file"),
    ] {
        let expected = format!("{named} are both set: only one of them is allowed");
        assert_eq!(refusal(flags, &format!("DRIVER=Redis {variables}")), expected);
    }
    let expected = "LOBBY_TLS_CERT_FILE is set without TLS_KEY_FILE: both are needed";
    assert_eq!(refusal("--driver=redis", "LOBBY_TLS_CERT_FILE=/x"), expected);
}

#[test]
fn a_client_certificate_or_a_key_alone_is_refused() {
    let read = |setting| refusal(&format!("NATS_URL=nats://b {setting}=/x"));
    assert_eq!(
        read("NATS_CERT_FILE"),
        "NATS_CERT_FILE is set without NATS_KEY_FILE: both are needed"
    );
    assert_eq!(
        read("NATS_KEY_FILE"),
        "NATS_KEY_FILE is set without NATS_CERT_FILE: both are needed"
    );
}

#[test]
fn an_unreadable_file_is_refused_with_another_status() {
    for setting in [
        "TOKEN_FILE",
        "PACKET_KEY_FILE",
        "NATS_NKEY_SEED_FILE",
        "NATS_CREDS_FILE",
        "NATS_CA_FILE",
        "REDIS_PASSWORD_FILE",
        "REDIS_CA_FILE",
    ] {
        let outcome =
            read("", &format!("DRIVER=NATS,Redis NATS_URL=nats://b {setting}=/nowhere/file"));
        let message = message(outcome, 1);
        assert!(message.starts_with(&format!("{setting}: cannot read ")), "{message}");
        assert!(message.contains("/nowhere/file") && message.contains("No such file"), "{message}");
    }
}

#[test]
fn files_of_an_idle_driver_are_not_read() {
    assert!(
        read("", "DRIVER=Redis NATS_CREDS_FILE=/nowhere DISABLE_API=1 TOKEN_FILE=/nowhere").is_ok()
    );
}

#[test]
fn a_bad_secret_in_a_file_is_refused_without_being_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ",,\n").unwrap();
    let message = refusal(&format!("NATS_URL_FILE={}", file.path().display()));
    assert_eq!(
        message,
        "NATS_URL_FILE: no server is named: expected nats:// or tls:// URLs, comma separated"
    );
}

#[test]
fn a_bad_url_is_refused_by_its_place_without_being_shown() {
    let message = refusal("NATS_URL=nats://a,nats://user:hush@b:port");
    assert_eq!(message, "NATS_URL: server 2: the port is not a number from 1 to 65535");
}

#[test]
fn a_value_that_is_not_utf8_is_refused_a_secret_one_not_shown() {
    let refusal = |bad: &str| {
        let variable = (bad.to_owned(), OsString::from_vec(b"hush\xff".to_vec()));
        let environment = HashMap::from([variable]);
        message(declaration().read(["lobbyd".into(), "--driver=redis".into()], &environment), 2)
    };
    assert_eq!(refusal("HOST"), r#"HOST: "hush\xFF" is not UTF-8: expected UTF-8 text"#);
    assert_eq!(refusal("TOKEN"), "TOKEN: the value is not UTF-8: expected UTF-8 text");
}

#[test]
fn an_unknown_flag_is_refused() {
    for flags in ["--no-such-flag", "-port 1", "word"] {
        let error = read(flags, "DRIVER=Redis").unwrap_err();
        assert!(matches!(error, ConfigError::CommandLine(_)), "{error}");
        assert_eq!(error.exit_status(), 2);
    }
}

#[test]
fn packet_keys_are_wanted_where_signatures_are() {
    for verify in ["warn", "Enforce"] {
        let expected = "PACKET_KEY_FILE is missing, and PACKET_VERIFY wants signatures: set it to a file of secret keys, or set PACKET_VERIFY=off";
        assert_eq!(refusal(&format!("DRIVER=Redis PACKET_VERIFY={verify}")), expected);
    }
    assert!(read("", "DRIVER=Redis PACKET_VERIFY=off").unwrap().signing.is_none());
}

#[test]
fn a_key_file_without_a_good_key_is_refused_without_showing_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refusal = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        refusal(&format!("DRIVER=Redis PACKET_KEY_FILE={}", file.path().display()))
    };
    let expected = "PACKET_KEY_FILE: the key on line 2 has 4 bytes: at least 16 are allowed, for example 64 hexadecimal digits";
    assert_eq!(refusal("0123456789abcdef\nhush\n"), expected);
    let expected =
        "PACKET_KEY_FILE: there is no key in it: one key a line, of at least 16 bytes, is allowed";
    assert_eq!(refusal("\n\n"), expected);
}

#[test]
fn a_host_that_holds_a_port_is_refused_with_the_right_setting() {
    for host in ["127.0.0.1:1313", "srv1:80", "[::1]:80"] {
        assert_eq!(
            refusal(&format!("DRIVER=Redis HOST={host}")),
            format!("HOST: {host:?} holds a port: use PORT for it")
        );
        let expected = format!("REDIS_HOST: {host:?} holds a port: use REDIS_PORT for it");
        assert_eq!(refusal(&format!("DRIVER=Redis REDIS_HOST={host}")), expected);
    }
    assert!(read("", "DRIVER=Redis HOST=::1 REDIS_HOST=2a03::1:80").is_ok());
}

#[test]
fn a_token_that_no_client_can_send_is_refused_unshown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for token in ["hush hush", " hush", "hush\n\n", "hush\t", "hu\nsh"] {
        let expected =
            "the token holds white space or a line break, which no client can send: expected none";
        let outcome = read_exactly(&["--driver=redis"], &[("TOKEN", token)]);
        assert_eq!(message(outcome, 2), format!("TOKEN: {expected}"));
        std::fs::write(file.path(), token).unwrap();
        let outcome =
            read_exactly(&["--driver=redis"], &[("TOKEN_FILE", file.path().to_str().unwrap())]);
        assert_eq!(message(outcome, 2), format!("TOKEN_FILE: {expected}"));
    }
}

#[test]
fn a_device_or_fifo_in_place_of_any_file_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let regular = tempfile::NamedTempFile::new().unwrap();
    let pair = |setting: &str| match setting {
        "NATS_CERT_FILE" => format!("NATS_KEY_FILE={}", regular.path().display()),
        "NATS_KEY_FILE" => format!("NATS_CERT_FILE={}", regular.path().display()),
        "TLS_CERT_FILE" => format!("TLS_KEY_FILE={}", regular.path().display()),
        "TLS_KEY_FILE" => format!("TLS_CERT_FILE={}", regular.path().display()),
        _ => String::new(),
    };
    let declaration = declaration();
    let files = declaration
        .settings()
        .map(|(_, setting)| setting.info())
        .filter(|info| info.unit == "FILE");
    for setting in files.map(|info| info.name) {
        for (path, kind) in [(fifo.to_str().unwrap(), "FIFO"), ("/dev/zero", "device")] {
            let given = format!("DRIVER=NATS,Redis {} {setting}={path}", pair(setting));
            let url = if setting == "NATS_URL_FILE" { "" } else { "NATS_URL=nats://b" };
            let message = message(read("", &format!("{given} {url}")), 1);
            assert!(
                message.starts_with(setting)
                    && message.contains(&format!("is a {kind}, not a regular file")),
                "{message}"
            );
        }
    }
}

#[test]
fn a_bad_selector_of_the_callback_is_refused_with_its_place() {
    let told = refusal("DRIVER=Redis CALLBACK=/bin/true CALLBACK_SELECTOR=web,(mail");
    assert!(
        told.starts_with("CALLBACK_SELECTOR: \"web,(mail\" is not a valid selector: column "),
        "{told}"
    );
    assert!(!told.contains('\n'), "{told}");
}
