//! Wherever permissions for NATS are written, they name every subject that daemons use.

use super::page::{Page, files_below, root};

const SUBJECT: &str = "lobby.discovery";
const SYNC: &str = "lobby.discovery.sync";

/// Whether this text permits the one subject and forgets the other.
fn is_half(text: &str) -> bool {
    let names = |subject: &str| [format!("`{subject}`"), format!("\"{subject}\"")];
    let has = |subject| names(subject).iter().any(|name| text.contains(name));
    text.contains("ublish") && text.contains("ubscribe") && has(SUBJECT) && !has(SYNC)
}

#[test]
fn who_may_use_the_subject_may_use_that_of_sync() {
    let files = files_below(&root().join("config"), "conf");
    let files = files.iter().map(|file| Page::read(file.strip_prefix(root()).unwrap()));
    for page in Page::all().into_iter().chain(files) {
        // A rule of a file is a line, one of a page a paragraph.
        for text in page.text.split("\n\n") {
            assert!(!is_half(text), "{}: without {SYNC}: {text}", page.path.display());
        }
        for line in page.text.lines().filter(|line| line.contains(&format!("\"{SUBJECT}\""))) {
            let line = line.trim();
            assert!(line.contains(&format!("\"{SYNC}\"")), "{}: {line}", page.path.display());
        }
    }
}

#[test]
fn half_of_the_permissions_are_found() {
    assert!(is_half("The user may publish and subscribe to `lobby.discovery`."));
    assert!(!is_half("It may publish and subscribe to `lobby.discovery`, `lobby.discovery.sync`."));
    assert!(!is_half("Packets travel on `lobby.discovery`."));
}
