//! Labels of the daemon's own server: what they come from, and what that means for those who add
//! and remove them.

mod words;

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use lobby_client::{Client, Error, Label, LabelOrigin, LocalLabel, Query};

use crate::args::LabelsCommand;
use crate::connection::Connection;
use crate::{Failure, print_view, shell};

pub(crate) use words::{places, table};

/// Lists, adds or removes labels.
pub(crate) async fn run(
    client: &Client,
    connection: &Connection,
    command: &LabelsCommand,
    json: bool,
) -> Result<(), Failure> {
    let asking = |error| Failure::asking(error, connection);
    match command {
        LabelsCommand::List => {
            print_view(&list(client, json).await.map_err(|error| {
                if is_of_before(&error) { cannot_tell() } else { asking(error) }
            })?)
        }
        LabelsCommand::Add { labels, time: None } => {
            client.add_labels(labels).await.map_err(asking)
        }
        LabelsCommand::Add { labels, time: Some(time) } => {
            let Some(there) = known(client).await.map_err(asking)? else {
                return Err(cannot_end(labels));
            };
            client.add_labels_for(labels, *time).await.map_err(asking)?;
            for label in labels {
                if let Some(places) = lasting(label, &there) {
                    let label = shell::word(label.as_str());
                    warn(&format!("{label} stays after that: {places}"));
                }
            }
            Ok(())
        }
        LabelsCommand::Del { labels, strict } => delete(client, connection, labels, *strict).await,
    }
}

async fn list(client: &Client, json: bool) -> Result<String, Error> {
    if json {
        return Ok(client.json(&Query::Labels).await? + "\n");
    }
    Ok(table(&client.labels().await?, unix_seconds()))
}

/// Removes labels, and tells which of them stay or were not there, if the daemon can tell.
async fn delete(
    client: &Client,
    connection: &Connection,
    labels: &[Label],
    strict: bool,
) -> Result<(), Failure> {
    let asking = |error| Failure::asking(error, connection);
    let before = known(client).await.map_err(asking)?;
    if strict && before.is_none() {
        return Err(cannot_tell());
    }
    client.delete_labels(labels).await.map_err(asking)?;
    let Some(before) = before else { return Ok(()) };
    let after = client.labels().await.map_err(asking)?;
    let left = labels.iter().filter_map(|label| words::left(label, &before, &after));
    let left: Vec<_> = left.collect();
    for warning in &left {
        warn(warning);
    }
    if strict && !left.is_empty() {
        return Err(Failure::other(match left.len() {
            1 => anyhow!("one label was not removed"),
            number => anyhow!("{number} labels were not removed"),
        }));
    }
    Ok(())
}

/// The labels with where they come from; none of a daemon that cannot tell.
pub(crate) async fn known(client: &Client) -> Result<Option<Vec<LocalLabel>>, Error> {
    match client.labels().await {
        Err(error) if is_of_before(&error) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Whether a daemon has refused to list its labels because it knows no such question: those of
/// before take labels at that place only.
pub(crate) fn is_of_before(error: &Error) -> bool {
    matches!(error, Error::Refused { status: 404 | 405, .. })
}

/// Whether somebody has added a label for good.
pub(crate) fn is_stored(label: &Label, there: &[LocalLabel]) -> bool {
    there.iter().any(|it| it.label == *label && it.source == LabelOrigin::Runtime)
}

/// Where a label comes from that does not end by itself.
pub(crate) fn lasting(label: &Label, there: &[LocalLabel]) -> Option<String> {
    let lasting = there.iter().filter(|it| it.source != LabelOrigin::Lease);
    Some(places(label, lasting)).filter(|places| !places.is_empty())
}

/// The failure of a daemon that would keep labels for good.
pub(crate) fn cannot_end(labels: &[Label]) -> Failure {
    let labels = listed(labels);
    Failure::other(anyhow!(
        "the daemon is older than labels that end, and would keep {labels} for good: nothing was added"
    ))
}

fn cannot_tell() -> Failure {
    Failure::other(anyhow!(
        "the daemon is too old to tell where its labels come from: lobbyctl discovery lists them"
    ))
}

/// Labels for people, each as a shell takes it.
pub(crate) fn listed(labels: &[Label]) -> String {
    labels.iter().map(|label| shell::word(label.as_str())).collect::<Vec<_>>().join(", ")
}

/// What a clock says, in seconds since the Unix epoch, rounded up as the ends of labels are.
#[expect(clippy::disallowed_methods, reason = "it is shown how long a label will be there")]
pub(crate) fn unix_seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = now.as_secs() + u64::from(now.subsec_nanos() > 0);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// Where standard error is closed nobody is warned.
pub(crate) fn warn(warning: &str) {
    writeln!(io::stderr(), "warning: {warning}").ok();
}
