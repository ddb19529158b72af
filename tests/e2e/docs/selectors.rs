//! The table of the page on selectors: what other programs say, and what it means here.

use lobby_client::{Discovery, HostName, Label, Selector};

use super::page::{Page, unquoted};

const HEAD: &str = "| here | Kubernetes | Consul | PromQL | chooses | not |";

fn server(name: &str, labels: &str) -> Discovery {
    let labels = labels.split(' ').filter_map(|label| Label::parse(label).ok()).collect();
    Discovery::new(HostName::parse(name).unwrap(), labels)
}

#[test]
fn selectors_choose_what_the_table_says() {
    for row in Page::read("docs/selectors.md").table(HEAD) {
        let [here, kubernetes, _, _, chosen, other] =
            row.iter().map(|cell| unquoted(cell)).collect::<Vec<_>>()[..]
        else {
            panic!("{row:?}");
        };
        let selector: Selector = here.parse().unwrap();
        assert!(selector.matches(&server("h1", chosen)), "{row:?}");
        assert!(!selector.matches(&server("h2", other)), "{row:?}");
        if !here.starts_with('@') && kubernetes != "–" {
            assert_eq!(kubernetes.parse(), Ok(selector), "{row:?}");
        }
    }
}
