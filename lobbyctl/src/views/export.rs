//! Exports: files as other programs read them.

use std::net::IpAddr;

use lobby_client::{Discovery, TargetGroup};
use serde_json::{Value, json};

use super::cells::is_plain_name;
use super::{Fleet, View};
use crate::args::ExportFormat;

const NO_ADDRESS: &str = "without an address, or with a name that such a file cannot hold";

/// The servers in a format; `port` is that of Prometheus targets.
pub(super) fn view(fleet: &Fleet, format: ExportFormat, port: u16) -> View {
    match format {
        ExportFormat::Hosts => of_addresses(fleet, |name, address| format!("{address} {name}\n")),
        ExportFormat::SshConfig => {
            of_addresses(fleet, |name, address| format!("Host {name}\n    HostName {address}\n"))
        }
        ExportFormat::FileSd => {
            let targets: Value = fleet.servers.iter().map(|s| target(fleet, s, port)).collect();
            whole(format!("{targets:#}\n"))
        }
        ExportFormat::Jsonl => {
            // Packets of valid names and labels always have a form in JSON.
            let line = |server| serde_json::to_string(server).unwrap_or_default() + "\n";
            whole(fleet.servers.iter().map(line).collect())
        }
    }
}

fn whole(text: String) -> View {
    View { text, left_out: 0, reason: "" }
}

/// What is written of each server that has an address and a plain name: in these files other
/// characters have a meaning.
fn of_addresses(fleet: &Fleet, write: impl Fn(&str, IpAddr) -> String) -> View {
    let entries = fleet.servers.iter().filter_map(|server| {
        let name = server.hostname.as_str();
        let address = fleet.address_labels.address(&server.labels)?;
        is_plain_name(name).then(|| write(name, address))
    });
    let entries: Vec<_> = entries.collect();
    let left_out = fleet.servers.len() - entries.len();
    View { text: entries.concat(), left_out, reason: NO_ADDRESS }
}

/// A target of Prometheus' file discovery, with the labels that `/v1/prometheus/NAME?meta` has.
fn target(fleet: &Fleet, server: &Discovery, port: u16) -> Value {
    let host = match fleet.address_labels.address(&server.labels) {
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        Some(address) => address.to_string(),
        None => server.hostname.to_string(),
    };
    let labels = TargetGroup::meta_labels(&server.hostname, server.labels.iter());
    json!({"targets": [format!("{host}:{port}")], "labels": labels})
}
