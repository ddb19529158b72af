//! Prints the servers that offer a service: `find_service [URL [LABEL]]`.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use lobby_client::{Client, Filter, Label};

#[actix_rt::main]
async fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "http://127.0.0.1:1313".to_owned());
    let label = args.next().unwrap_or_else(|| "service:smtp".to_owned());
    let Err(error) = find_service(&url, &label).await else { return ExitCode::SUCCESS };
    writeln!(io::stderr(), "error: {error}").ok();
    ExitCode::FAILURE
}

async fn find_service(url: &str, label: &str) -> Result<(), Box<dyn Error>> {
    let client = Client::new(url)?; // with a token: Client::builder(url).token("…").build()?

    // Who offers it, by name and with all they say about themselves?
    let names = client.resolve(label).await?;
    for server in client.discoveries(&Filter::All).await? {
        if names.contains(&server.hostname) {
            let labels: Vec<&str> = server.labels.iter().map(Label::as_str).collect();
            writeln!(io::stdout(), "{}: {}", server.hostname, labels.join(", "))?;
        }
    }
    Ok(())
}
