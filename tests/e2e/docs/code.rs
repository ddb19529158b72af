//! What pages say of the source is so.

use std::collections::BTreeSet;

use super::page::{Page, files_below, root, unquoted};

/// All that lobbyd is made of, less what only tests see.
fn sources() -> String {
    let mut files = files_below(&root().join("lobbyd/src"), "rs");
    files.extend(files_below(&root().join("lobbyd/core/src"), "rs"));
    files.retain(|path| !path.ends_with("tests.rs") && !path.iter().any(|part| part == "tests"));
    let texts = files.iter().map(|path| std::fs::read_to_string(path).unwrap());
    texts
        .map(|text| text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned())
        .collect()
}

/// The texts in the source that begin so, up to their closing quote.
fn literals(sources: &str, beginning: &str) -> BTreeSet<String> {
    let opening = format!("\"{beginning}");
    let found = sources.split(&opening).skip(1).filter_map(|rest| rest.split('"').next());
    found.map(|rest| format!("{beginning}{rest}")).collect()
}

#[test]
fn the_log_targets_documented_are_those_of_the_code() {
    let rows = Page::read("docs/operations.md").table("| target | tells of |");
    let documented: BTreeSet<_> = rows.iter().map(|row| unquoted(&row[0]).to_owned()).collect();
    let mut in_code = literals(&sources(), "lobby");
    in_code.retain(|text| text == "lobby" || text.starts_with("lobby::"));
    assert_eq!(documented, in_code);
}

#[test]
fn the_log_lines_documented_are_in_the_code() {
    let sources = sources();
    for row in Page::read("docs/operations.md").table("| line | means |") {
        assert!(sources.contains(&format!("\"{}", unquoted(&row[0]))), "nothing logs {}", row[0]);
    }
}

#[test]
fn the_reasons_of_refusals_documented_are_those_of_the_code() {
    let sources = sources();
    let (_, rest) = sources
        .split_once("pub fn reason(&self) -> &'static str {")
        .expect("refusals have a reason");
    let (arms, _) = rest.split_once("\n    }").unwrap();
    let in_code: BTreeSet<_> = arms.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    let rows = Page::read("docs/internals/wire-format.md").table("| reason | why |");
    assert_eq!(
        rows.iter().map(|row| unquoted(&row[0]).to_owned()).collect::<BTreeSet<_>>(),
        in_code
    );
}

/// The rooms in the rows of a constant of the test of the structure.
fn rooms(constant: &str) -> Vec<String> {
    let test = Page::read("lobbyd/tests/structure/main.rs").text;
    let (_, rest) =
        test.split_once(&format!("const {constant}: ")).expect("the test draws the rooms");
    let (rows, _) = rest.split_once(";\n").unwrap();
    rows.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_rooms_are_drawn_as_the_test_of_the_structure_has_them() {
    let page = Page::read("docs/internals/architecture.md");
    for (constant, krate) in [("DAEMON", "lobbyd"), ("CORE", "lobby-core")] {
        let rows = page.table(&format!("| {krate}, from top to bottom | has |"));
        let drawn: Vec<_> = rows.iter().flat_map(|row| row[0].split(", ")).collect();
        let rooms: Vec<_> =
            rooms(constant).into_iter().filter(|room| krate == "lobbyd" || room != "lib").collect();
        assert_eq!(drawn, rooms, "{krate}");
    }
}

/// An invariant is proved by tests that are there: each is named as `[name](file)`.
#[test]
fn the_proofs_of_invariants_are_tests() {
    let rows =
        Page::read("docs/internals/architecture.md").table("| | invariant | held by | proved by |");
    for row in &rows {
        let proofs = row[3].split("](").count() - 1;
        assert!(proofs > 0, "{} has no proof", row[0]);
        for (name, rest) in row[3].split("[`").skip(1).filter_map(|proof| proof.split_once("`](")) {
            let file = rest.split(')').next().unwrap_or_default().trim_start_matches("../");
            assert!(
                Page::read(file).text.contains(&format!("fn {name}(")),
                "{}: no test {name} in {file}",
                row[0]
            );
        }
    }
}
