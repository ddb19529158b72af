use std::os::unix::fs::PermissionsExt;

use super::*;

fn odd(flags: &str, variables: &str) -> Vec<String> {
    read(flags, variables).unwrap().oddities.iter().map(ToString::to_string).collect()
}

#[test]
fn usual_settings_are_not_odd() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    assert_eq!(
        odd("", &format!("NATS_URL=nats://b LABELS=service:web LABELS_PATH={path}")),
        [""; 0]
    );
    assert_eq!(odd("", "DRIVER=Local,NATS NATS_URL=nats://b LOCAL_PATH=/l"), [""; 0]);
}

#[test]
fn settings_of_a_driver_that_is_not_active_are_odd() {
    let expected = [
        "NATS_URL: it is set and not used: DRIVER does not name NATS",
        "NATS_DISCOVERY_CHANNEL: it is set and not used: DRIVER does not name NATS",
    ];
    assert_eq!(odd("--nats-discovery-channel=x", "DRIVER=Redis NATS_URL=nats://hush@b"), expected);
}

#[test]
fn labels_with_other_signs_are_odd() {
    let semicolon = r#"LABELS: "a:1;b:2" holds a semicolon: labels are separated by commas"#;
    assert_eq!(odd("--driver=redis", "LABELS=a:1;b:2"), [semicolon]);
    let equals = r#"LABELS: "a=1" holds a = and no colon: name and value of a label are separated by a colon"#;
    assert_eq!(odd("--driver=redis", "LABELS=c:3,a=1"), [equals]);
    assert_eq!(odd("--driver=redis", "LABELS=a=1,c:3,a:1;b:2"), [equals, semicolon]);
}

#[test]
fn a_secret_file_that_others_can_read_is_odd() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hush").unwrap();
    let path = file.path().display();
    let odd_with = |mode| {
        std::fs::set_permissions(file.path(), PermissionsExt::from_mode(mode)).unwrap();
        odd("--driver=redis", &format!("TOKEN_FILE={path}"))
    };
    let expected = format!(
        "TOKEN_FILE: {path} can be read by every user of this machine: its mode should be 0600 or 0640"
    );
    assert_eq!(odd_with(0o644), [expected]);
    for mode in [0o600, 0o640, 0o400] {
        assert_eq!(odd_with(mode), [""; 0]);
    }
}

#[test]
fn two_names_of_one_setting_are_odd() {
    let both = "PORT: PORT and LOBBY_PORT are both set: LOBBY_PORT counts";
    assert_eq!(odd("--driver=redis", "PORT=1 LOBBY_PORT=2"), [both]);
    assert_eq!(odd("--driver=redis", "LOBBY_PORT=2"), [""; 0]);
}

#[test]
fn a_shorter_name_that_the_twin_beats_is_odd() {
    let both =
        "NATS_URL_FILE: NATS_URL_FILE and LOBBY_NATS_URL are both set: LOBBY_NATS_URL counts";
    assert_eq!(odd("", "NATS_URL_FILE=/nowhere LOBBY_NATS_URL=nats://b"), [both]);
    assert_eq!(odd("", "NATS_URL_FILE= LOBBY_NATS_URL=nats://b"), [""; 0]);
}

#[test]
fn an_address_in_lobby_port_is_odd() {
    let link = "PORT: LOBBY_PORT is passed over: it was made for a link between containers or a service, expected PORT";
    assert_eq!(odd("--driver=redis", "LOBBY_PORT=tcp://10.0.0.1:80"), [link]);
}

#[test]
fn labels_with_blanks_instead_of_commas_are_odd() {
    let labels = [("LABELS", "service:web role:db"), ("DRIVER", "Redis")];
    let odd = read_exactly(&[], &labels).unwrap().oddities;
    let blank = r#"LABELS: "service:web role:db" holds a blank and another label behind it: labels are separated by commas"#;
    assert_eq!(odd[0].to_string(), blank);
    let usual = [("LABELS", "note:two words, other:x"), ("DRIVER", "Redis")];
    assert_eq!(read_exactly(&[], &usual).unwrap().oddities, []);
}

#[test]
fn an_address_that_gives_none_is_odd() {
    let missing = &odd("--driver=redis", "FACTS=address ADDRESS=nosuch0")[0];
    assert!(missing.starts_with("ADDRESS: there is no interface nosuch0: there are "), "{missing}");
    assert!(missing.contains("lo"), "{missing}");
    let loopback = "ADDRESS: interface lo has no address that others can reach";
    assert_eq!(odd("--driver=redis", "FACTS=os,address ADDRESS=lo"), [loopback]);
    let unused = "ADDRESS: it is set and not used: FACTS does not name address";
    assert_eq!(odd("--driver=redis", "FACTS=os ADDRESS=10.0.0.7"), [unused]);
    assert_eq!(odd("--driver=redis", "FACTS=address ADDRESS=10.0.0.7"), [""; 0]);
}

#[test]
fn settings_without_the_one_that_they_belong_to_are_odd() {
    let unused = "CALLBACK_SELECTOR: it is set and not used: CALLBACK is not set";
    assert_eq!(odd("--driver=redis", "CALLBACK_SELECTOR=service"), [unused]);
    let unused = "DNS_ZONE: it is set and not used: DNS_LISTEN is not set";
    assert_eq!(odd("--driver=redis --dns-zone=a.b", ""), [unused]);
    let unused = "ADDRESS_LABELS: it is set and not used: DNS_LISTEN is not set";
    assert_eq!(odd("--driver=redis", "ADDRESS_LABELS=lan"), [unused]);
    let dns = "ADDRESS_LABELS=lan DNS_LISTEN=127.0.0.1:53";
    assert_eq!(odd("--driver=redis", dns), [""; 0]);
    assert_eq!(odd("--driver=redis", "CALLBACK=true CALLBACK_SELECTOR=service"), [""; 0]);
}

#[test]
fn a_ttl_that_one_lost_packet_outlasts_is_odd() {
    let little = "TTL: 10 s is little for a KEEP_ALIVE of 5 s: where one packet is lost this server is gone for a moment, expected more than 10 s";
    assert_eq!(odd("--driver=redis", "TTL=10"), [little]);
    assert_eq!(odd("--driver=redis", "TTL=11"), [""; 0]);
}

#[test]
fn a_variable_that_is_no_setting_is_odd_and_the_nearest_named() {
    let misspelt = "LOBBY_TTLL: it is not a setting and does nothing: LOBBY_TTL is one";
    assert_eq!(odd("--driver=redis", "LOBBY_TTLL=60"), [misspelt]);
    let unknown = "LOBBY_COLOUR: it is not a setting and does nothing: lobbyd --help lists them";
    assert_eq!(odd("--driver=redis", "LOBBY_COLOUR=red"), [unknown]);
    let unread = "LOBBY_PROTO: it is not a setting and does nothing: lobbyd --help lists them";
    assert_eq!(odd("--driver=redis", "LOBBY_PROTO=https"), [unread]);
    let others =
        "TTLL=60 LOBBY_PROTOCOL=https LOBBY_SERVICE_HOST=10.0.0.1 LOBBY_TTL=60 LOBBY_LABELZ=";
    assert_eq!(odd("--driver=redis", others), [""; 0]);
}

/// The variables that the options of lobbyctl name; a test of lobbyctl compares its page with them.
fn variables_of_lobbyctl() -> impl Iterator<Item = &'static str> {
    let page = include_str!("../../../../packaging/man/lobbyctl.1");
    page.split("[env: ").skip(1).filter_map(|rest| rest.split(']').next())
}

#[test]
fn no_variable_of_lobbyctl_is_odd() {
    assert!(variables_of_lobbyctl().any(|name| name == "PROTOCOL"));
    for name in variables_of_lobbyctl().map(|name| format!("LOBBY_{name}")) {
        let checked = testing::check(&declaration(), &["--driver=redis"], &[(&name, "1")]);
        let odd = checked.oddities.iter().find(|oddity| oddity.setting == name);
        assert_eq!(odd, None);
    }
}

#[test]
fn an_invisible_character_is_odd_and_shown_by_its_number() {
    let odd = |variables: &[(&str, &str)]| {
        let variables = [variables, &[("DRIVER", "Redis")]].concat();
        let oddities = read_exactly(&[], &variables).unwrap().oddities;
        oddities.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let unseen = |setting, number| {
        format!(
            "{setting}: it holds the invisible character U+{number}, expected none that cannot be seen"
        )
    };
    assert_eq!(odd(&[("HOSTNAME", "a\u{200b}b")]), [unseen("HOSTNAME", "200B")]);
    assert_eq!(odd(&[("TOKEN", "hush\u{feff}")]), [unseen("TOKEN", "FEFF")]);
    assert_eq!(odd(&[("HOSTNAME", "host-1"), ("LABELS", "m\u{11b}sto:Praha")]), [""; 0]);
}
