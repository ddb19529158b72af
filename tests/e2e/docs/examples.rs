//! Examples and tables of pages are those of the program.

use std::process::Command;

use lobby_tests::{Lobbyd, program};

use super::page::{Page, unquoted};

/// The only block of its kind in a page.
fn only(page: &str, kind: &str) -> String {
    let [block] = Page::read(page)
        .blocks(kind)
        .try_into()
        .unwrap_or_else(|_| panic!("{page}: not one block of {kind}"));
    block
}

#[test]
fn the_prometheus_configuration_is_the_file() {
    assert_eq!(only("docs/prometheus.md", "yaml"), Page::read("config/prometheus.yml").text);
}

#[test]
fn the_permissions_for_nats_are_the_file() {
    assert_eq!(only("docs/security.md", "conf"), Page::read("config/nats-permissions.conf").text);
}

#[test]
fn the_recipes_for_dns_are_the_files() {
    for (kind, file) in
        [("unbound", "unbound.conf"), ("resolved", "resolved.conf"), ("haproxy", "haproxy.cfg")]
    {
        let file = Page::read(format!("config/dns/{file}"));
        assert_eq!(only("docs/dns.md", kind), file.text);
    }
}

#[test]
fn the_status_shown_has_the_words_that_a_daemon_uses() {
    let example = only("docs/http-api.md", "json");
    let status: lobby_client::Status = serde_json::from_str(&example).unwrap();
    assert_eq!(serde_json::to_string_pretty(&status).unwrap() + "\n", example);
    assert_eq!(status.version, env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_word_of_the_status_is_explained() {
    let example: serde_json::Value =
        serde_json::from_str(&only("docs/http-api.md", "json")).unwrap();
    let rows = Page::read("docs/http-api.md").table("| word | meaning |");
    let explained: Vec<_> = rows.iter().flat_map(|row| row[0].split(", ")).map(unquoted).collect();
    let daemon = example.as_object().unwrap().keys();
    for word in daemon.chain(example["drivers"][0].as_object().unwrap().keys()) {
        let is_plain = ["version", "drivers", "name"].contains(&word.as_str());
        assert!(is_plain || explained.contains(&word.as_str()), "{word} is not explained");
    }
}

#[test]
fn the_rust_example_is_taken_from_the_program() {
    let program = Page::read("lobby-client/examples/find_service.rs").text.replace("\n    ", "\n");
    let example = only("docs/http-api.md", "rust");
    assert!(program.contains(&example), "{example}\nis not part of\n{program}");
}

#[actix_rt::test]
async fn every_request_of_the_table_is_served() {
    let lobbyd = Lobbyd::named("a").start().await;
    let rows = Page::read("docs/http-api.md").table("| request | answer |");
    for request in
        rows.iter().flat_map(|row| row[0].split(", ")).filter(|cell| cell.starts_with('`'))
    {
        // Another parameter of the request before it.
        let Some((method, path)) = unquoted(request).split_once(' ') else { continue };
        // The answer to a GET of the feed has no end.
        let method = if path.starts_with("/v1/events") { "HEAD" } else { method };
        let status = lobbyd.request(method, path, &[], "").await.status;
        assert_eq!(status, 200, "{request}");
    }
}

#[test]
fn the_options_of_lobbyctl_are_what_help_says() {
    let output = Command::new(program("lobbyctl")).arg("--help").env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for row in Page::read("docs/lobbyctl.md").table("| option | variable | default |") {
        let option = unquoted(&row[0]);
        let described = help
            .split(&format!("{option} <"))
            .nth(1)
            .unwrap_or_else(|| panic!("no {option} in {help}"));
        assert!(described.contains(&format!("[env: {}]", row[1])), "{option} is not {}", row[1]);
    }
}

#[test]
fn the_exit_statuses_of_lobbyctl_are_what_help_says() {
    let output = Command::new(program("lobbyctl")).arg("--help").env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let (_, rest) = help.split_once("Exit status:\n").unwrap();
    let told: Vec<_> = rest
        .lines()
        .take_while(|line| !line.is_empty())
        .map(|line| line.trim()[..1].to_owned())
        // A long meaning goes on in the next line.
        .filter(|status| status.parse::<u8>().is_ok())
        .collect();
    let rows = Page::read("docs/lobbyctl.md").table("| status | meaning |");
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), told);
}

#[test]
fn the_containers_are_given_settings_that_there_are() {
    let output = Command::new(program("lobbyd")).arg("--help").env_clear().output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let compose = Page::read("config/compose.yaml").text;
    let of_compose = compose.lines().filter_map(|line| line.trim().split_once(": "));
    let image = Page::read("config/Containerfile").text;
    let of_image = image.lines().filter_map(|line| line.strip_prefix("ENV "));
    let of_image = of_image.flat_map(str::split_whitespace).filter_map(|it| it.split_once('='));
    let names: Vec<_> = of_compose
        .chain(of_image)
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect();
    assert!(names.contains(&"NATS_URL") && names.contains(&"STATE_PATH"), "{names:?}");
    for name in names {
        assert!(help.contains(&format!("[env: {name}]")), "lobbyd has no setting {name}");
    }
}

#[test]
fn the_container_has_the_same_programs_as_the_package() {
    let image = Page::read("config/Containerfile").text;
    for program in
        ["/release/lobbyd ", "/release/lobbyctl ", "ln -s lobbyctl /usr/bin/lobby-inventory\n"]
    {
        assert!(image.contains(program), "no {program:?} in {image}");
    }
}
