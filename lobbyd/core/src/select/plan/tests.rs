use lobby_client::{Discovery, Selector};
use proptest::prelude::*;

use crate::testsuite::fixtures::packet;
use crate::testsuite::servers::Servers;

#[test]
fn only_what_the_index_leaves_is_asked() {
    let packets = (0..100).map(|number| {
        let (name, ip) = (format!("h{number}"), format!("ip:10.0.0.{number}"));
        let service = if number < 7 { "service:db" } else { "service:web" };
        packet(&name, &[&ip, service, if number % 2 == 0 { "dc:a" } else { "dc:b" }])
    });
    let servers = Servers::new(packets.collect());
    for (selector, asked) in [
        ("service=db", 0),
        ("service=~'d.*'", 0),
        ("service", 0),
        ("not service=db", 0),
        ("service=db or dc=a", 0),
        ("service=db and dc=a", 7),
        ("ip and service=db", 7),
        ("not dc=a, service=db", 7),
        ("(service=db or ip='10.0.0.9') and dc=a", 8),
        ("@hostname in (h1,h2) and dc=a", 2),
        ("dc=~'.' and service=~db", 7),
        ("absent and service", 0),
        ("@hostname=~'h1.*'", 100),
        ("not (not dc=a)", 0),
        ("service=db or not dc=a", 100),
    ] {
        assert_eq!(servers.asked_for(&selector.parse().unwrap()), asked, "{selector}");
    }
}

#[test]
fn how_few_are_looked_at_is_known_before() {
    let packets = (0..100).map(|number| {
        let service = if number < 7 { "service:db" } else { "service:web" };
        packet(&format!("h{number}"), &[service, "dc:a", &format!("ip:{number}")])
    });
    let servers = Servers::new(packets.collect());
    for (selector, few) in [
        ("service=db", Some(7)),
        ("service=db and dc=a, ip!=3", Some(7)),
        ("dc=a and (ip=1 or not service=db) and service=db", Some(7)),
        ("service=db, absent", Some(0)),
        ("@hostname in (h1,h2) and dc", Some(2)),
        ("service=~'d.'", Some(7)),
        ("service=web", None),
        ("dc=a and service", None),
        ("not service=web", None),
        ("service=db or ip=9", None),
        ("@hostname=~'h1.*'", None),
        ("@hostname", None),
    ] {
        let looked_at = servers.looked_at(&selector.parse().unwrap(), 50);
        assert_eq!(looked_at, few, "{selector}");
    }
}

fn fleet() -> impl Strategy<Value = Vec<Discovery>> {
    let labels = prop::collection::vec("[abc](:[xy\"]{0,2})?", 0..4);
    prop::collection::vec(labels, 0..12).prop_map(|hosts| {
        let hosts = hosts.iter().enumerate().map(|(number, labels)| {
            packet(&format!("h{number}"), &labels.iter().map(String::as_str).collect::<Vec<_>>())
        });
        hosts.collect()
    })
}

fn selector() -> impl Strategy<Value = Selector> {
    let term = prop_oneof![
        "[abcd]",
        "[abc]=[xy]",
        "[abc]='[xy\"]{0,2}'",
        "[abc] in \\([xy],[xy],xx\\)",
        "[abc]=~'[xy]{0,2}([xy][?*]|[|]y|[.][+])?'",
        "@hostname=h[0-9]",
        "@hostname=~'h[0-3.].?'",
        "@hostname",
    ];
    let condition = term.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|operand| format!("not ({operand})")),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|all| format!("({})", all.join(" and "))),
            prop::collection::vec(inner, 2..4).prop_map(|any| format!("({})", any.join(" or "))),
        ]
    });
    condition.prop_filter_map("too many patterns", |text| Selector::parse(&text).ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_is_planned_finds_what_a_look_at_every_host_does(fleet in fleet(), selector in selector()) {
        let servers = Servers::new(fleet);
        prop_assert_eq!(servers.find(&selector), servers.scan(&selector), "{}", selector);
    }
}
