use super::*;
use crate::config::Checked;
use crate::link::driver::Driver;

fn check(flags: &[&str], variables: &[(&str, &str)]) -> Checked<Box<dyn Driver>> {
    testing::check(&declaration(), flags, variables)
}

/// The line about a setting, its columns separated by one space.
fn line(checked: &Checked<Box<dyn Driver>>, setting: &str) -> String {
    let wanted = format!("{setting}=");
    let line = checked.lines.iter().find(|line| line.trim_start().starts_with(&wanted)).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn each_setting_is_shown_with_its_source_and_no_secret() {
    let checked = check(
        &["--driver=redis", "--token=hush"],
        &[("LOBBY_PORT", "14"), ("REDIS_PASSWORD", "hush"), ("LABELS", "a:1,b:2")],
    );
    for (setting, expected) in [
        ("HOST", "HOST=127.0.0.1 default"),
        ("PORT", "PORT=14 variable LOBBY_PORT"),
        ("TOKEN", "TOKEN=*** --token"),
        ("REDIS_PASSWORD", "REDIS_PASSWORD=*** variable REDIS_PASSWORD"),
        ("LABELS", "LABELS=a:1,b:2 variable LABELS"),
        ("CALLBACK", "CALLBACK=(none) default"),
        ("DRIVER", "DRIVER=redis --driver"),
    ] {
        assert_eq!(line(&checked, setting), expected);
    }
    let all = declaration().settings().count();
    assert_eq!(checked.lines.iter().filter(|line| line.starts_with("  ")).count(), all);
    assert!(checked.settings.is_some() && !format!("{checked:?}").contains("hush"));
}

#[test]
fn a_secret_in_a_file_is_shown_with_the_source_of_the_file() {
    let token = |flags: &[&str], variables: &[_]| line(&check(flags, variables), "TOKEN");
    let file = [("DRIVER", "Redis"), ("TOKEN_FILE", "/nowhere")];
    assert_eq!(token(&[], &file), "TOKEN=*** variable TOKEN_FILE");
    assert_eq!(token(&["--token-file=/x"], &file), "TOKEN=*** --token-file");
    let long = [("TOKEN", "hush"), ("LOBBY_TOKEN_FILE", "/nowhere")];
    assert_eq!(token(&[], &long), "TOKEN=*** variable LOBBY_TOKEN_FILE");
    assert_eq!(token(&["--token=hush"], &[]), "TOKEN=*** --token");
    assert_eq!(token(&["--token-file="], &file), "TOKEN=(none, no authentication) default");
    let nats = [("NATS_URL_FILE", "/nowhere"), ("NATS_CREDS_FILE", "/nowhere")];
    let checked = check(&[], &nats);
    assert_eq!(line(&checked, "NATS_URL"), "NATS_URL=*** variable NATS_URL_FILE");
    assert_eq!(line(&checked, "NATS_NKEY_SEED_FILE"), "NATS_NKEY_SEED_FILE=(none) default");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let checked = check(&["--ttl=x"], &[("PORT", "y"), ("TOKEN", "a"), ("TOKEN_FILE", "/b")]);
    let [port, ttl, both] = &checked.errors[..] else { panic!("{:?}", checked.errors) };
    assert!(port.starts_with("PORT: ") && ttl.starts_with("TTL: ") && both.contains("both set"));
    assert!(checked.settings.is_none());
    let missing = check(&["--driver=nats"], &[]);
    assert!(missing.errors.len() == 1 && missing.errors[0].starts_with("NATS_URL is missing"));
}

#[test]
fn files_are_shown_with_what_is_there() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "token").unwrap();
    let path = file.path().to_str().unwrap();
    let checked = check(&["--driver=redis"], &[("TOKEN_FILE", path), ("LABELS_PATH", "/nowhere")]);
    assert!(line(&checked, "TOKEN_FILE").ends_with("there, mode 0600"));
    assert!(line(&checked, "LABELS_PATH").contains("cannot be read: No such file"));
}

#[test]
fn an_open_api_is_odd() {
    let odd = |variables| {
        check(&["--driver=redis"], variables).oddities.iter().map(ToString::to_string).collect()
    };
    let open: Vec<String> = odd(&[("HOST", "0.0.0.0")]);
    assert_eq!(open, ["HOST: the API is open to everyone who reaches 0.0.0.0: set a TOKEN"]);
    for closed in [&[("HOST", "::1")][..], &[("HOST", "0.0.0.0"), ("TOKEN", "t")]] {
        assert_eq!(odd(closed), Vec::<String>::new());
    }
}
