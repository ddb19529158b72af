//! Templates that nest without end: each is refused in one line, and none ends the program.

use lobby_tests::{Lobbyd, lobbyctl_with};

use super::{Place, word};

/// Templates with chains of so many links.
fn chains(links: usize) -> Vec<String> {
    let tag = |link: &str| format!("line\n{{{{ 1{} }}}}", link.repeat(links));
    let in_front = |link: &str| format!("line\n{{{{ {}1 }}}}", link.repeat(links));
    let elif = "{% elif 1 %}".repeat(links);
    let links = ["+1", ".x", "|string", "~1", " if 0 else 1", "[0]", " is string", "**1"];
    let mut chains: Vec<_> = links.into_iter().map(tag).collect();
    chains.extend(["not ", "-"].map(in_front));
    chains.push(format!("line\n{{% if 1 %}}{elif}{{% endif %}}"));
    chains
}

#[actix_rt::test]
async fn long_chains_are_refused_in_one_line() {
    let place = Place::with("");
    for links in [1_001, 80_000] {
        for chain in chains(links) {
            std::fs::write(place.template(), &chain).unwrap();
            let outcome = lobbyctl_with(&[], &["render", word(&place.template())]).await;
            let beginning = &chain[..20];
            assert_eq!(outcome.status, Some(2), "{beginning}: {}", outcome.stderr);
            let place = format!("error: {}:2:", word(&place.template()));
            assert!(outcome.stderr.starts_with(&place), "{beginning}: {}", outcome.stderr);
            assert!(outcome.stderr.contains(" has more than 1000 "), "{}", outcome.stderr);
            assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
        }
    }
}

#[actix_rt::test]
async fn chains_of_hundreds_of_links_are_rendered() {
    let daemon = Lobbyd::named("a").start().await;
    let (sum, elif) = ("+1".repeat(900), "{% elif 0 %}".repeat(900));
    let place =
        Place::with(&format!("{{{{ 0{sum} }}}}{{% if 0 %}}{elif}{{% else %}} x{{% endif %}}"));
    let outcome = place.render(&daemon, &[]).await;
    assert_eq!((outcome.status, place.text().as_str()), (Some(0), "900 x"), "{outcome:?}");
}
