//! Waits until a server has a label, in a program without a runtime: `wait_for [URL [LABEL]]`.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use lobby_client::{Discovery, Event, Handle, Label};

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "http://127.0.0.1:1313".to_owned());
    let label = args.next().unwrap_or_else(|| "service:smtp".to_owned());
    let Err(error) = wait_for(&url, &label) else { return ExitCode::SUCCESS };
    writeln!(io::stderr(), "error: {error}").ok();
    ExitCode::FAILURE
}

fn wait_for(url: &str, label: &str) -> Result<(), Box<dyn Error>> {
    let client = Handle::new(url)?.blocking();
    writeln!(io::stdout(), "asking {}", client.discovery()?.hostname)?;
    let has_it = |host: &Discovery| host.labels.iter().map(Label::as_str).any(|it| it == label);
    for event in client.events(None) {
        let hosts = match event? {
            Event::Snapshot { hosts } => hosts,
            Event::Join { host } | Event::Update { host, .. } => vec![host],
            _ => continue,
        };
        if let Some(host) = hosts.into_iter().find(has_it) {
            writeln!(io::stdout(), "{} has {label}", host.hostname)?;
            return Ok(());
        }
    }
    Ok(())
}
