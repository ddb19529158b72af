//! Parts of pages that are made from the program and its figures.

use std::process::Command;

use lobby_tests::program;

use super::page::{Page, root};

/// What stands in a page between the two marks of this name is what was made: compared, or with
/// `LOBBY_WRITE_DOCS=1` written.
fn assert_is(path: &str, name: &str, made: &str) {
    let page = Page::read(path);
    let (begin, end) = (format!("<!-- begin: {name}, "), format!("<!-- end: {name} -->"));
    let (before, rest) =
        page.text.split_once(&begin).unwrap_or_else(|| panic!("{path}: no mark {begin:?}"));
    let (mark, rest) =
        rest.split_once(" -->\n").unwrap_or_else(|| panic!("{path}: {begin:?} is not closed"));
    let (shown, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{path}: no mark {end:?}"));
    if std::env::vars_os().any(|(name, value)| name == "LOBBY_WRITE_DOCS" && value == "1") {
        let text = format!("{before}{begin}{mark} -->\n\n{made}\n{end}{after}");
        std::fs::write(root().join(path), text).unwrap();
    } else {
        assert_eq!(shown.trim(), made.trim(), "{path}: LOBBY_WRITE_DOCS=1 writes it anew");
    }
}

/// The settings in the order of `lobbyd --help`, a table for each group.
fn tables_of_help(help: &str) -> String {
    let (_, groups) = help.split_once("Print version\n").expect("the options of clap come first");
    let (mut tables, mut value, mut meaning) = (String::new(), String::new(), String::new());
    for line in groups.lines().map(str::trim) {
        if let Some((name, default)) =
            line.strip_prefix("[env: ").and_then(|rest| rest.split_once("] [default: "))
        {
            let default = default.trim_end_matches(']');
            tables +=
                &format!("| {name} | {value} | {default} | {} |\n", std::mem::take(&mut meaning));
        } else if let Some(heading) = line.strip_suffix(':').filter(|_| meaning.is_empty()) {
            tables += &format!(
                "\n### {heading}\n\n| setting | value | default | meaning |\n|---|---|---|---|\n"
            );
        } else if line.starts_with("--") {
            let (_, unit) = line.split_once('<').expect("a setting has a value");
            value = unit.trim_end_matches(['>', ']']).replace('|', ", ");
        } else if !line.is_empty() {
            // A long meaning is wrapped.
            meaning = format!("{meaning} {line}").trim_start().to_owned();
        }
    }
    tables
}

#[test]
fn the_tables_of_settings_are_what_help_says() {
    let output = Command::new(program("lobbyd")).arg("--help").env_clear().output().unwrap();
    let tables = tables_of_help(&String::from_utf8(output.stdout).unwrap());
    assert!(tables.contains("\n| KEEP_ALIVE | SECONDS | 5 | "), "{tables}");
    assert_is("docs/settings.md", "settings", &tables);
}

/// The rows of BENCHMARKS.md that the README repeats: what, and for how many hosts.
const COSTS: [(&str, &str); 11] = [
    ("size of the program lobbyd", ""),
    ("size of the program lobbyctl", ""),
    ("resident memory, limit: names and labels", "1,000"),
    ("resident memory, limit: names and labels", "10,000"),
    ("resident memory, limit: names and labels", "100,000"),
    ("the same after a full read of the API", "100,000"),
    ("processor time at rest, of one core", "1,000"),
    ("processor time at rest, of one core", "10,000"),
    ("GET /v1/discoveries", "1,000"),
    ("label added → listed elsewhere, NATS, median", ""),
    ("start to first API answer, broker there", ""),
];

fn costs(benchmarks: &str) -> String {
    let rows: Vec<Vec<_>> =
        benchmarks.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    let row = |(what, hosts): (&str, &str)| {
        let found = rows.iter().find(|row| row.get(1..3) == Some(&[what, hosts]));
        let figure = found
            .unwrap_or_else(|| panic!("BENCHMARKS.md has no row {what:?} for {hosts} hosts"))[3];
        let what = what.split(", limit: ").next().unwrap_or(what);
        format!("| {what} | {hosts} | {} |\n", figure.split(" (").next().unwrap_or(figure))
    };
    format!("| | hosts | `lobbyd` |\n|---|---|---|\n{}", COSTS.map(row).concat())
}

#[test]
fn what_it_costs_is_what_the_benchmarks_say() {
    assert_is("README.md", "costs", &costs(&Page::read("BENCHMARKS.md").text));
}
