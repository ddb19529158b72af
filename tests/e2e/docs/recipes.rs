//! The page of recipes: one session in a shell, whose first commands start the servers that all
//! others ask.

use std::path::Path;

use lobby_tests::{LIMIT, Process};
use rustix::process::Signal;
use tempfile::TempDir;

use super::page::Page;
use super::stage::Ports;

/// The files that a page shows under their names, as they are here.
fn write_files(page: &Page, ports: &Ports, directory: &Path) {
    for (name, text) in page.files() {
        std::fs::write(directory.join(name), ports.here(&text)).unwrap();
    }
}

/// Ends programs as a reader does, so that they end what they have started.
async fn end(programs: &[Process]) {
    for program in programs {
        program.signal(Signal::TERM);
        program.wait(LIMIT).await;
    }
}

#[actix_rt::test]
async fn the_commands_of_the_recipes() {
    let (page, ports) = (Page::read("docs/recipes.md"), Ports::free());
    let directory = TempDir::new().unwrap();
    write_files(&page, &ports, directory.path());
    let mut servers: Vec<Process> = Vec::new();
    for block in page.blocks("console") {
        let running = ports.play(&block, directory.path()).await;
        if servers.is_empty() {
            servers = running;
        } else {
            end(&running).await;
        }
    }
}
