//! Views: the servers of a lobby as other programs take them.
//!
//! Programs take what is missing from a list for gone, so none is printed of a daemon that may not
//! have heard every server.

mod ansible;
mod cells;
mod export;
mod table;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use anyhow::anyhow;
use lobby_client::{AddressLabels, Client, Discovery, Error, Filter, LinkState, Status};

use crate::Failure;
use crate::addresses::address_labels;
use crate::args::{AnsibleOptions, ExportOptions, TableOptions, ViewOptions};
use crate::connection::Connection;

/// The servers of a lobby, sorted by name.
struct Fleet {
    servers: Vec<Discovery>,
    address_labels: AddressLabels,
    /// What the daemon's clock says, in seconds since the Unix epoch.
    now: i64,
}

/// What is printed of a fleet, and what cannot be.
struct View {
    text: String,
    /// Servers that are not in it.
    left_out: usize,
    /// Why they are not.
    reason: &'static str,
}

impl View {
    /// The text, after a warning of what is not in it.
    fn told(self) -> String {
        if let Some(warning) = self.warning() {
            warn(&warning);
        }
        self.text
    }

    fn warning(&self) -> Option<String> {
        let left_out = match self.left_out {
            0 => return None,
            1 => "1 server is".to_owned(),
            count => format!("{count} servers are"),
        };
        Some(format!("{left_out} left out: {}", self.reason))
    }
}

/// The table of servers.
pub(crate) async fn table(
    client: &Client,
    connection: &Connection,
    options: &TableOptions,
) -> Result<String, Failure> {
    let fleet = fleet(client, connection, &options.view).await?;
    Ok(table::text(&fleet, &options.columns))
}

/// The servers in a form of other programs.
pub(crate) async fn export(
    client: &Client,
    connection: &Connection,
    options: &ExportOptions,
) -> Result<String, Failure> {
    let fleet = fleet(client, connection, &options.view).await?;
    Ok(export::view(&fleet, options.format, options.target_port).told())
}

/// The inventory of Ansible, or the variables of one of its hosts.
pub(crate) async fn ansible(
    client: &Client,
    connection: &Connection,
    options: &AnsibleOptions,
) -> Result<String, Failure> {
    let fleet = fleet(client, connection, &options.view).await?;
    Ok(match &options.inventory_host {
        Some(host) => ansible::host(&fleet, host),
        None => ansible::inventory(&fleet).told(),
    })
}

async fn fleet(
    client: &Client,
    connection: &Connection,
    options: &ViewOptions,
) -> Result<Fleet, Failure> {
    let address_labels = address_labels(&options.addresses).map_err(Failure::usage)?;
    let now = match client.status().await {
        Ok(status) => Some(trusted(&status, options)?),
        Err(Error::Refused { .. }) if options.anyway => None,
        Err(Error::Refused { status: 404, .. }) => {
            let problem = "the daemon cannot tell whether it has heard every server: --anyway \
                           prints what it knows";
            return Err(Failure::other(anyhow!(problem)));
        }
        Err(error) => return Err(Failure::asking(error, connection)),
    };
    let servers = servers(client, options).await;
    let servers = servers.map_err(|error| Failure::asking(error, connection))?;
    let now = now.unwrap_or_else(|| newest(&servers));
    Ok(Fleet { servers, address_labels, now })
}

/// The list. The daemon may have been started anew since it told its status.
async fn servers(client: &Client, options: &ViewOptions) -> Result<Vec<Discovery>, Error> {
    let filter = options.selector.clone().map_or(Filter::All, Filter::Selector);
    if options.anyway {
        client.discoveries(&filter).await
    } else {
        client.warm_discoveries(&filter).await
    }
}

/// What the clock of a daemon says whose list can be used.
fn trusted(status: &Status, options: &ViewOptions) -> Result<i64, Failure> {
    if !status.warm && !options.anyway {
        let problem = "the daemon cannot have heard every server yet, so nothing is printed: try \
                       again, or print what it knows with --anyway";
        return Err(Failure::other(anyhow!(problem)));
    }
    let down = |state: &LinkState| *state == LinkState::Down;
    if !status.drivers.is_empty() && status.drivers.iter().all(|driver| down(&driver.state)) {
        let problem = "all links of the daemon are down: its list is frozen as it was last known";
        if options.require_link {
            return Err(Failure::other(anyhow!(problem)));
        }
        warn(problem);
    }
    Ok(status.now)
}

/// When the last of some servers was heard.
fn newest(servers: &[Discovery]) -> i64 {
    servers.iter().map(|server| server.last_check).max().unwrap_or_default()
}

fn warn(problem: &str) {
    // Where standard error is closed, the list must do.
    writeln!(io::stderr(), "warning: {problem}").ok();
}
