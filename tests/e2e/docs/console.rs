//! Every command of every page prints what is shown: a test for each page, so that pages do not
//! wait for each other. That of the recipes is beside this file.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::page::Page;
use super::stage::Stage;

macro_rules! pages {
    ($($test:ident: $path:literal;)+) => {
        $(
            #[actix_rt::test]
            async fn $test() {
                Stage::set().await.play(&Page::read($path)).await;
            }
        )+

        const PLAYED: &[&str] = &["docs/recipes.md", $($path),+];
    };
}

pages! {
    the_commands_about_installing: "docs/install.md";
    the_commands_about_settings: "docs/settings.md";
    the_commands_about_labels: "docs/labels.md";
    the_commands_about_labels_of_programs: "docs/leases.md";
    the_commands_about_the_callback: "docs/callback.md";
    the_commands_about_prometheus: "docs/prometheus.md";
    the_commands_about_dns: "docs/dns.md";
    the_commands_about_the_api: "docs/http-api.md";
    the_commands_about_templates: "docs/templates.md";
    the_commands_about_events: "docs/events.md";
    the_commands_about_lobbyctl: "docs/lobbyctl.md";
    the_commands_about_selectors: "docs/selectors.md";
    the_commands_about_views: "docs/views.md";
    the_commands_about_security: "docs/security.md";
    the_commands_about_operations: "docs/operations.md";
}

#[test]
fn every_page_with_commands_has_a_test() {
    let with_commands = Page::all().into_iter().filter(|page| !page.blocks("console").is_empty());
    let with_commands: BTreeSet<_> = with_commands.map(|page| page.path).collect();
    assert_eq!(with_commands, PLAYED.iter().map(PathBuf::from).collect());
}
