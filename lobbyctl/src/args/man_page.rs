//! The manual page lobbyctl(1), made of the command line.

use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{AFTER_HELP, CommandLine};

const DATE: &str = "2026-11-26";

/// The commands below this one, each with its arguments, in the order of the help.
fn commands(page: &mut Roff, command: &clap::Command, above: &str) {
    let shown = command.get_subcommands().filter(|command| command.get_name() != "help");
    for command in shown {
        let name = format!("{above}{}", command.get_name());
        let about = command.get_long_about().or(command.get_about()).map(ToString::to_string);
        let mut line = name.clone();
        for argument in command.get_positionals() {
            line = format!("{line} {argument}");
        }
        page.control("TP", []).text([bold(line)]).text([roman(about.unwrap_or_default())]);
        for argument in command.get_positionals() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            page.control("IP", []).text([roman(format!("{argument}: {help}"))]);
        }
        let own = command.get_arguments().filter(|it| !it.is_positional() && !it.is_global_set());
        for option in own.filter(|option| option.get_id() != "help") {
            let help = option.get_help().map(ToString::to_string).unwrap_or_default();
            page.control("IP", []).text([bold(names(option)), roman(format!(": {help}"))]);
        }
        commands(page, command, &format!("{name} "));
    }
}

/// An option as the help shows it, the short name first.
fn names(option: &clap::Arg) -> String {
    let short = option.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    format!("{short}{option}")
}

/// What stands below the options in the help: paragraphs, some of them under a heading.
fn sections(page: &mut Roff) {
    let (headed, plain): (Vec<_>, Vec<_>) = AFTER_HELP
        .split("\n\n")
        .partition(|paragraph| paragraph.lines().next().is_some_and(|line| line.ends_with(':')));
    page.control("SH", ["NOTES"]);
    for (number, paragraph) in plain.into_iter().enumerate() {
        if number > 0 {
            page.control("PP", []);
        }
        page.text([roman(paragraph.replace('\n', " "))]);
    }
    for paragraph in headed {
        let (heading, lines) = paragraph.split_once(":\n").unwrap();
        page.control("SH", [heading.to_uppercase().as_str()]).control("nf", []);
        for line in lines.lines() {
            page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        page.control("fi", []);
    }
}

fn man_page() -> String {
    let mut command = CommandLine::command();
    command.build();
    let man = Man::new(CommandLine::command()).section("1").date(DATE).manual("lobby");
    let mut text = Vec::new();
    man.render_title(&mut text).unwrap();
    man.render_name_section(&mut text).unwrap();
    man.render_synopsis_section(&mut text).unwrap();
    man.render_description_section(&mut text).unwrap();
    let mut page = Roff::new();
    page.control("SH", ["COMMANDS"]);
    commands(&mut page, &command, "");
    page.to_writer(&mut text).unwrap();
    man.render_options_section(&mut text).unwrap();
    let mut page = Roff::new();
    sections(&mut page);
    page.control("SH", ["SEE ALSO"]).text([bold("lobbyd"), roman("(8)")]);
    page.to_writer(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_manual_page_is_that_of_the_command_line() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/man/lobbyctl.1");
    let page = man_page();
    for section in ["COMMANDS", "OPTIONS", "ENVIRONMENT", "EXIT STATUS", "EXAMPLES"] {
        assert!(page.contains(section), "no {section} in {page}");
    }
    if std::env::vars_os().any(|(name, value)| name == "LOBBY_WRITE_DOCS" && value == "1") {
        std::fs::write(path, page).unwrap();
    } else {
        let shown = std::fs::read_to_string(path).unwrap();
        assert_eq!(shown, page, "LOBBY_WRITE_DOCS=1 writes it anew");
    }
}

/// The short names of the options of all commands below this one, each with the long one.
fn short_names(command: &clap::Command) -> Vec<String> {
    let named = command
        .get_arguments()
        .filter_map(|option| Some(format!("-{}, --{}", option.get_short()?, option.get_long()?)));
    let below = command.get_subcommands().flat_map(short_names);
    named.chain(below).collect()
}

#[test]
fn the_manual_page_shows_the_short_name_of_each_option() {
    let (page, names) = (man_page(), short_names(&CommandLine::command()));
    for expected in ["-l, --selector", "-o, --output", "-L, --columns"] {
        assert!(names.iter().any(|name| name == expected), "{expected}");
    }
    for name in names {
        assert!(page.contains(&format!("\\fB{}", name.replace('-', "\\-"))), "{name}");
    }
}
