//! The manual pages, read by the programs that show them.

use std::process::Command;

use crate::machine::root;

#[test]
fn the_manual_pages_are_well_formed() {
    for page in ["lobbyd.8", "lobbyctl.1"] {
        let path = root().join("packaging/man").join(page);
        let lint = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).arg(&path).output();
        let lint = lint.unwrap();
        assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stdout));
        let shown = Command::new("mandoc").args(["-T", "ascii"]).arg(&path).output().unwrap();
        assert!(shown.stdout.len() > 2000, "{page}");
    }
}
