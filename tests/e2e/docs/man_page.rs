//! The manual page lobbyd(8), made of the declaration of settings.

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::page::root;

const DATE: &str = "2026-11-26";

const FILES: &[(&str, &str)] = &[
    (
        "/etc/lobby/lobbyd.env",
        "Settings, as the unit of systemd reads them: NAME=value, one a line.",
    ),
    (
        "/etc/lobby/labels",
        "Label files, one label a line, and those added at run time, in _runtime.",
    ),
    ("/var/lib/lobby", "Labels that end, which outlast a restart; that is STATE_PATH."),
    ("/run/lobby", "Where the daemons of one machine meet with DRIVER=Local; that is LOCAL_PATH."),
];

const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGTERM, SIGINT",
        "Says goodbye, answers running requests and exits within a second; a second one: at once.",
    ),
    ("SIGHUP", "Reads label files and secret files again."),
];

const STATUSES: &[(&str, &str)] = &[
    ("0", "A signal ended it. With --check: the settings are fine."),
    (
        "1",
        "It cannot start, or did not end in time; the last line of the log says why. With --check: \
         something is odd.",
    ),
    (
        "2",
        "A setting is wrong; one line names it and what would be right. With --check: lobbyd would \
         not start, and there is a line for each setting that is wrong.",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[(
    "NOTIFY_SOCKET, WATCHDOG_USEC",
    "Given by a service manager such as systemd: how it is told that lobbyd serves and works.",
)];

const EXAMPLES: &[&str] = &[
    "NATS_URL=nats://nats.example.com LABELS=service:smtp,location:prague lobbyd",
    "lobbyd --driver local --local-path /run/lobby --port 1321 --hostname one",
];

fn terms(page: &mut Roff, section: &str, terms: &[(&str, &str)]) {
    page.control("SH", [section]);
    for (term, meaning) in terms {
        page.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
    }
}

/// What the help of each option says behind `[name: `, if anything, in the order of the help.
fn notes(name: &str) -> Vec<String> {
    let note = |help: String| {
        let (_, rest) = help.split_once(&format!("[{name}: "))?;
        rest.split(']').next().map(str::to_owned)
    };
    let command = lobbyd::settings::command();
    command.get_arguments().filter_map(|option| note(option.get_help()?.to_string())).collect()
}

fn man_page() -> String {
    // In the help each setting stands under a heading; a manual page has all in one list.
    let command = lobbyd::settings::command().mut_args(|arg| arg.help_heading(None));
    let man = Man::new(command).section("8").date(DATE).manual("lobby");
    let mut text = Vec::new();
    man.render_title(&mut text).unwrap();
    man.render_name_section(&mut text).unwrap();
    let mut head = Roff::new();
    head.control("SH", ["SYNOPSIS"]).text([bold("lobbyd"), roman(" [OPTIONS]")]);
    head.control("SH", ["DESCRIPTION"]).text([roman(
        "lobbyd announces the host name and the labels of its server on a channel of NATS or Redis, \
         listens to all the others, and answers on an HTTP API which servers there are and what \
         labels they have.",
    )]);
    head.to_writer(&mut text).unwrap();
    man.render_options_section(&mut text).unwrap();
    let mut rest = Roff::new();
    rest.control("SH", ["ENVIRONMENT"]).text([roman(format!(
        "Every option but --check, --help and --version is a variable too, NAME or LOBBY_NAME: {}. \
         An option beats LOBBY_NAME, that beats NAME, which beats the default, and an empty \
         variable counts as unset. Where a secret may also stand in a file, LOBBY_TOKEN_FILE beats \
         TOKEN in the same way. Secrets belong into variables or files: everyone on the machine can \
         read a command line.",
        notes("env").join(", ")
    ))]);
    for (term, meaning) in ENVIRONMENT {
        rest.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
    }
    terms(&mut rest, "FILES", FILES);
    terms(&mut rest, "SIGNALS", SIGNALS);
    terms(&mut rest, "EXIT STATUS", STATUSES);
    rest.control("SH", ["EXAMPLES"]);
    rest.control("nf", []);
    for example in EXAMPLES {
        rest.text([roman(*example)]);
    }
    rest.control("fi", []);
    rest.control("SH", ["SEE ALSO"]).text([bold("lobbyctl"), roman("(1)")]);
    rest.to_writer(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!(".SH {heading}\n")).expect("a section");
    rest.split(".SH").next().unwrap_or_default()
}

#[test]
fn the_manual_page_names_all_variables_and_nothing_else() {
    let page = man_page();
    let (_, rest) = section(&page, "ENVIRONMENT").split_once("NAME or LOBBY_NAME: ").unwrap();
    let names: Vec<_> = rest.split(". ").next().unwrap().split(", ").collect();
    assert_eq!(names, notes("env"));
    let is_name = |name: &&str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    assert!(names.iter().all(is_name), "{names:?}");
}

#[test]
fn the_manual_page_names_the_files_of_all_defaults() {
    let page = man_page();
    let files = section(&page, "FILES");
    for default in notes("default") {
        let path = default.split(',').next().filter(|path| path.starts_with('/'));
        assert!(path.is_none_or(|path| files.contains(&format!("\\fB{path}\\fR"))), "{default}");
    }
}

#[test]
fn the_manual_page_has_each_exit_status_of_a_check() {
    let page = man_page();
    let statuses: Vec<_> = section(&page, "\"EXIT STATUS\"").split(".TP\n").skip(1).collect();
    assert_eq!(statuses.len(), 3);
    assert!(statuses.iter().all(|status| status.contains("With \\-\\-check: ")), "{statuses:?}");
}

#[test]
fn the_manual_page_is_that_of_the_settings() {
    let path = root().join("packaging/man/lobbyd.8");
    let page = man_page();
    assert!(page.contains("KEEP_ALIVE") && page.contains("EXIT STATUS"), "{page}");
    if std::env::vars_os().any(|(name, value)| name == "LOBBY_WRITE_DOCS" && value == "1") {
        std::fs::write(path, page).unwrap();
    } else {
        let shown = std::fs::read_to_string(path).unwrap();
        assert_eq!(shown, page, "LOBBY_WRITE_DOCS=1 writes it anew");
    }
}
