//! The structure of the source, as docs/internals draws it: imports lead down, folders stay small,
//! the core stays pure, names of tests stay short.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

mod imports;
mod test_names;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use imports::Source;

/// The rooms of lobbyd from top to bottom. A room imports only rooms of lower rows.
const DAEMON: &[&[&str]] = &[
    &["main"],
    &["lib"],
    &["app", "check"],
    &["http"],
    &["settings"],
    &["callback", "dns", "labels", "link", "service"],
    &["registry"],
    &["logging"],
    &["config", "healthz"],
    &["sys"],
];

/// The rooms of lobby-core from top to bottom.
const CORE: &[&[&str]] = &[
    &["testsuite"],
    &["lib"],
    &["events"],
    &["callback", "dns", "render", "sync"],
    &["registry"],
    &["select"],
    &["index"],
    &["facts", "leases", "link", "log"],
    &["signing"],
    &["liveness"],
    &["wire"],
    &["lines"],
];

/// Most source files in one folder.
const MAX_FILES: usize = 22;

/// What the core must not depend on, as beginnings of crate names: runtimes, drivers, input and
/// output.
const IMPURE: &[&str] =
    &["actix", "tokio", "async-", "redis", "notify", "awc", "rustix", "futures", "lobbyd", "clap"];

/// Parts of the standard library that the core must not use.
const IMPURE_STD: &[&str] = &["std::fs", "std::process", "std::thread", "std::env", "std::os"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All source files below a directory, by path.
fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The sources of a crate, without its tests.
fn sources(crate_directory: &str) -> Vec<Source> {
    let root = workspace().join(crate_directory).join("src");
    let is_test = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs");
    let files = rust_files(&root)
        .into_iter()
        .map(|file| (file.strip_prefix(&root).unwrap().to_owned(), file));
    files
        .filter(|(path, _)| !is_test(path))
        .map(|(path, file)| Source::new(&path, &read(&file)))
        .collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

/// The imports that do not lead to a lower row, each with the files that have it.
fn upward(sources: &[Source], order: &[&[&str]]) -> BTreeMap<(String, String), Vec<String>> {
    let row = |room: &str| order.iter().position(|row| row.contains(&room));
    let rooms: BTreeSet<_> = sources.iter().map(Source::room).collect();
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for source in sources {
        for path in source.imports() {
            // Everything else at the root of a crate is an item of lib.rs.
            let room = path
                .first()
                .filter(|room| rooms.contains(room.as_str()))
                .map_or("lib", String::as_str);
            let leads_down = row(source.room()).zip(row(room)).is_some_and(|(from, to)| from < to);
            if room != source.room() && !leads_down {
                found
                    .entry((source.room().to_owned(), room.to_owned()))
                    .or_default()
                    .push(source.name());
            }
        }
    }
    found
}

/// The folders beside each other that import each other, directly or through others.
fn circles(sources: &[Source]) -> BTreeSet<(String, String)> {
    let edges: BTreeSet<_> = sources.iter().flat_map(Source::neighbours).collect();
    let reaches = |from: &Vec<String>, to: &Vec<String>| {
        let mut seen = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(here) = open.pop() {
            let next = edges.iter().filter(|(source, _)| source == here).map(|(_, target)| target);
            open.extend(next.filter(|target| seen.insert(target)));
        }
        seen.contains(to)
    };
    let folders: BTreeSet<_> = sources.iter().filter_map(Source::folder).collect();
    let pairs = folders
        .iter()
        .flat_map(|from| folders.iter().map(move |to| (from, to)))
        .filter(|(from, to)| from < to);
    let circles = pairs.filter(|(from, to)| reaches(from, to) && reaches(to, from));
    circles.map(|(from, to)| (from.join("::"), to.join("::"))).collect()
}

fn assert_order(crate_directory: &str, order: &[&[&str]]) {
    let sources = sources(crate_directory);
    for source in &sources {
        assert!(
            order.concat().contains(&source.room()),
            "{} has no place in the order of rooms",
            source.name()
        );
    }
    let upward = upward(&sources, order);
    assert!(upward.is_empty(), "imports that do not lead down: {upward:#?}");
}

#[test]
fn the_rooms_of_the_daemon_import_only_rooms_below_them() {
    assert_order("lobbyd", DAEMON);
}

#[test]
fn the_rooms_of_the_core_import_only_rooms_below_them() {
    assert_order("lobbyd/core", CORE);
}

#[test]
fn no_folder_is_part_of_a_circle_of_imports() {
    for crate_directory in ["lobbyd", "lobbyd/core", "lobbyctl", "lobby-client"] {
        assert_eq!(circles(&sources(crate_directory)), BTreeSet::new(), "{crate_directory}");
    }
}

#[test]
fn no_folder_holds_more_source_files_than_one_can_survey() {
    let mut sizes: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for file in rust_files(&workspace()) {
        *sizes.entry(file.parent().unwrap().to_owned()).or_default() += 1;
    }
    sizes.retain(|_, files| *files > MAX_FILES);
    assert!(sizes.is_empty(), "more than {MAX_FILES} files: {sizes:?}");
}

#[test]
fn the_core_depends_on_no_runtime_driver_or_operating_system() {
    let manifest = read(&workspace().join("lobbyd/core/Cargo.toml"));
    let impure: Vec<_> =
        manifest.lines().filter(|line| IMPURE.iter().any(|name| line.starts_with(name))).collect();
    assert!(impure.is_empty(), "{impure:?}");
    for source in sources("lobbyd/core") {
        for name in IMPURE_STD {
            assert!(!source.text().contains(name), "{} uses {name}", source.name());
        }
    }
}

/// The names of tests that are too long.
fn long_names(text: &str) -> Vec<&str> {
    let is_long = |name: &&str| name.chars().count() > test_names::MAX_LEN;
    test_names::names(text).into_iter().filter(is_long).collect()
}

#[test]
fn names_of_tests_have_at_most_60_characters() {
    let (mut tests, mut long) = (0, Vec::new());
    for file in rust_files(&workspace()) {
        let text = read(&file);
        tests += test_names::names(&text).len();
        long.extend(long_names(&text).into_iter().map(|name| format!("{} {name}", file.display())));
    }
    assert!(tests > 1000, "not all tests were found: {tests}");
    assert!(long.is_empty(), "shorten {long:#?}");
}

/// A crate of two rooms, the lower of which has two folders: one imports the other through a file.
fn sample(wire: &str, layout: &str) -> Vec<Source> {
    let files = [
        ("registry/mod.rs", "use crate::wire::Packet;"),
        ("wire/mod.rs", wire),
        ("wire/layout/mod.rs", layout),
        ("wire/packet.rs", "use super::layout::Byte;"),
        ("wire/text/mod.rs", "use super::packet::Packet;"),
    ];
    files.iter().map(|(path, text)| Source::new(Path::new(path), text)).collect()
}

#[test]
fn an_import_that_leads_up_or_to_the_root_is_found() {
    let order: &[&[&str]] = &[&["lib"], &["registry"], &["wire"]];
    assert!(upward(&sample("", ""), order).is_empty());
    for back in [
        "use crate::registry::Host;",
        "fn f() { crate::registry::f() }",
        "pub use super::super::registry::Host;",
    ] {
        let found = upward(&sample("", back), order);
        let back = ("wire".to_owned(), "registry".to_owned());
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(back, vec!["wire/layout".to_owned()])]);
    }
    assert!(
        upward(&sample("use crate::{wire::A, run};", ""), order)
            .contains_key(&("wire".into(), "lib".into()))
    );
}

#[test]
fn a_circle_of_folders_is_found() {
    assert!(circles(&sample("mod layout;", "use super::Packet;")).is_empty());
    let found = circles(&sample("", "use crate::wire::text::Text;"));
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [("wire::layout".to_owned(), "wire::text".to_owned())]
    );
}

#[test]
fn a_test_of_too_long_a_name_is_found_whatever_makes_it_one() {
    let (long, short) = ("x".repeat(61), "y".repeat(60));
    for head in [
        "#[test]\nfn",
        "    #[test]\n    #[should_panic]\n    // fn that(\n    fn",
        "#[actix_rt::test]\nasync fn",
        "#[tokio::test(start_paused = true)] async fn",
    ] {
        let text = format!("fn f() {{}}\n{head} {long}() {{\n{head} {short}() {{");
        assert_eq!(long_names(&text), [long.as_str()], "{head}");
        assert_eq!(test_names::names(&text), [&long, &short], "{head}");
    }
    let case = format!("async fn {long}(mut channel: Channel) {{");
    assert_eq!(long_names(&case), [long.as_str()]);
    let helper = format!("#[cfg(test)]\nmod tests {{\nfn {long}(text: &str) {{");
    assert_eq!(long_names(&helper), Vec::<&str>::new());
}
