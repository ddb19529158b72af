use super::*;

fn help(width: usize) -> String {
    declaration().command().term_width(width).render_help().to_string()
}

#[test]
fn the_help_shows_flag_unit_variable_and_default() {
    let help = help(120);
    let declaration = declaration();
    for setting in declaration.settings().map(|(_, setting)| setting.info()) {
        let name = format!("--{} ", setting.flag());
        let line = help
            .lines()
            .find(|line| line.trim_start().starts_with(&name))
            .unwrap_or_else(|| panic!("{name}"));
        assert!(line.contains(&format!("<{}>", setting.unit)), "{line}");
        let facts = format!("[env: {}] [default: {}]", setting.name, setting.default());
        assert!(help.lines().any(|line| line.trim() == facts), "{facts}");
    }
}

#[test]
fn the_help_shows_a_setting_like_this() {
    let keep_alive = "
      --keep-alive <SECONDS>
          Interval of own packets
          [env: KEEP_ALIVE] [default: 5]
";
    assert!(help(80).contains(keep_alive), "{}", help(80));
}

#[test]
fn the_help_groups_settings() {
    let help = help(80);
    let headings: Vec<_> =
        help.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    let groups = [
        "HTTP API:",
        "This server:",
        "The lobby:",
        "Driver NATS:",
        "Driver Redis:",
        "Driver Local:",
        "DNS:",
    ];
    assert_eq!(headings, [&["Options:"], &groups[..], &["Callback:", "Logging:"]].concat());
}

#[test]
fn the_help_fits_the_terminal() {
    for width in [80, 120] {
        assert!(help(width).lines().all(|line| line.chars().count() <= width), "{}", help(width));
    }
}

#[test]
fn the_help_never_shows_a_value_from_the_environment() {
    let error = read("--help", "TOKEN=hush NATS_URL=nats://hush REDIS_PASSWORD=hush").unwrap_err();
    assert!(error.to_string().contains("--token") && !error.to_string().contains("hush"));
}

#[test]
fn help_and_version_are_no_failure() {
    for flag in ["--help", "--version"] {
        assert_eq!(read(flag, "").unwrap_err().exit_status(), 0);
    }
    assert_eq!(
        read("--version", "").unwrap_err().to_string().trim(),
        concat!("lobbyd ", env!("CARGO_PKG_VERSION"))
    );
}
