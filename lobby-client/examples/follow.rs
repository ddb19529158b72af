//! Follows the servers that a selector chooses, in a tokio program: `follow [URL [SELECTOR]]`.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use lobby_client::{Event, Handle, Selector};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "http://127.0.0.1:1313".to_owned());
    let selector = args.next().unwrap_or_else(|| "service=smtp".to_owned());
    // A handle may go to any task and thread.
    let task =
        tokio::spawn(async move { follow(&url, &selector).await.map_err(|e| e.to_string()) });
    let Ok(Err(error)) = task.await else { return ExitCode::SUCCESS };
    writeln!(io::stderr(), "error: {error}").ok();
    ExitCode::FAILURE
}

async fn follow(url: &str, selector: &str) -> Result<(), Box<dyn Error>> {
    let client = Handle::new(url)?;
    let mut events = client.events(Some(&Selector::parse(selector)?));
    while let Some(event) = events.next().await {
        let line = match event? {
            Event::Snapshot { hosts } => format!("{} servers", hosts.len()),
            Event::Join { host } => format!("{} came", host.hostname),
            Event::Update { host, .. } => format!("{} has other labels", host.hostname),
            Event::Leave { hostname, .. } => format!("{hostname} went"),
            Event::Lost { cause } => format!("trying again: {cause}"),
            _ => continue,
        };
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(())
}
