//! Drain: a label by which a server asks for no more work.

use anyhow::anyhow;
use lobby_client::text::is_invisible;
use lobby_client::{Client, Error, Label, LabelOrigin, LocalLabel};

use crate::args::DrainOptions;
use crate::connection::Connection;
use crate::labels::{self, cannot_end, known, listed, places, unix_seconds, warn};
use crate::{Failure, print_view};

/// The key of the label.
const KEY: &str = "drain";

/// The label of a server that is drained for a reason. White space in it becomes one blank.
pub(crate) fn with_reason(reason: &str) -> Result<Label, String> {
    let words: Vec<_> = reason.split_whitespace().collect();
    if words.is_empty() {
        return Err("must say something: leave --reason out if there is none".to_owned());
    }
    let reason = words.join(" ");
    if reason.chars().any(is_invisible) {
        return Err("must have no characters that cannot be seen".to_owned());
    }
    Label::parse(&format!("{KEY}:{reason}")).map_err(|error| error.to_string())
}

/// Drains the server, or shows or ends that.
pub(crate) async fn run(
    client: &Client,
    connection: &Connection,
    options: &DrainOptions,
    json: bool,
) -> Result<(), Failure> {
    if options.show {
        let shown = show(client, json).await;
        return print_view(&shown.map_err(|error| Failure::asking(error, connection))?);
    }
    if options.end {
        return end(client, connection).await;
    }
    begin(client, connection, options).await
}

async fn begin(
    client: &Client,
    connection: &Connection,
    options: &DrainOptions,
) -> Result<(), Failure> {
    let asking = |error| Failure::asking(error, connection);
    let label = match &options.label {
        Some(label) => label.clone(),
        None => Label::parse(KEY).map_err(|error| Failure::usage(error.into()))?,
    };
    let (there, label) = (known(client).await.map_err(asking)?, [label]);
    match (options.time, &there) {
        (None, _) => client.add_labels(&label).await,
        (Some(_), None) => return Err(cannot_end(&label)),
        (Some(time), Some(there)) => {
            refuse_another_end(there)?;
            client.add_labels_for(&label, time).await
        }
    }
    .map_err(asking)?;
    if options.time.is_some() {
        tell_what_stays(there.iter().flatten());
    }
    // One reason is enough: the new one counts.
    let others = there.iter().flatten().filter(|it| is_ours(it) && it.label != label[0]);
    let others: Vec<_> = others.map(|it| it.label.clone()).collect();
    if others.is_empty() { Ok(()) } else { client.delete_labels(&others).await.map_err(asking) }
}

/// A drain that somebody wanted without an end is given none behind their back.
fn refuse_another_end(there: &[LocalLabel]) -> Result<(), Failure> {
    let endless = |it: &&LocalLabel| is_ours(it) && it.source == LabelOrigin::Runtime;
    let Some(first) = there.iter().find(endless) else { return Ok(()) };
    let label = listed(std::slice::from_ref(&first.label));
    Err(Failure::other(anyhow!(
        "the server is drained by {label} without an end: lobbyctl drain --end ends that"
    )))
}

/// Warns of what will drain the server when the time is over.
fn tell_what_stays<'a>(there: impl Iterator<Item = &'a LocalLabel>) {
    for other in there.filter(|it| it.label.name() == KEY && !is_ours(it)) {
        let label = listed(std::slice::from_ref(&other.label));
        let places = places(&other.label, std::iter::once(other));
        warn(&format!("{label} stays after that: {places}"));
    }
}

async fn show(client: &Client, json: bool) -> Result<String, Error> {
    let there = drained(client).await?;
    if json {
        // Labels always have a form in JSON.
        return Ok(serde_json::to_string(&there).unwrap_or_default() + "\n");
    }
    if there.is_empty() {
        return Ok("not drained\n".to_owned());
    }
    Ok(labels::table(&there, unix_seconds()))
}

async fn end(client: &Client, connection: &Connection) -> Result<(), Failure> {
    let asking = |error| Failure::asking(error, connection);
    let before = drained(client).await.map_err(asking)?;
    let ours: Vec<_> = before.iter().filter(|it| is_ours(it)).map(|it| it.label.clone()).collect();
    if ours.is_empty() && before.is_empty() {
        warn("the server was not drained");
        return Ok(());
    }
    if !ours.is_empty() {
        client.delete_labels(&ours).await.map_err(asking)?;
    }
    let after = drained(client).await.map_err(asking)?;
    let Some(first) = after.first() else { return Ok(()) };
    let (label, places) = (&first.label, places(&first.label, after.iter()));
    let label = listed(std::slice::from_ref(label));
    Err(Failure::other(anyhow!("the server is still drained by {label}: {places}")))
}

/// The labels that drain the server. A daemon of before does not tell where they come from.
async fn drained(client: &Client) -> Result<Vec<LocalLabel>, Error> {
    let there = match known(client).await? {
        Some(there) => there,
        None => {
            let of_nowhere =
                |label| LocalLabel { label, source: LabelOrigin::Other, file: None, until: None };
            client.discovery().await?.labels.into_iter().map(of_nowhere).collect()
        }
    };
    Ok(there.into_iter().filter(|it| it.label.name() == KEY).collect())
}

/// Whether a label goes where it is removed.
fn is_ours(label: &LocalLabel) -> bool {
    use LabelOrigin::{Lease, Other, Runtime};
    label.label.name() == KEY && matches!(label.source, Runtime | Lease | Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_becomes_a_legal_label() {
        let label = |reason| with_reason(reason).map(|label| label.as_str().to_owned());
        assert_eq!(label("kernel update"), Ok("drain:kernel update".to_owned()));
        assert_eq!(label(" a\n\tb: c, d "), Ok("drain:a b: c, d".to_owned()));
    }

    #[test]
    fn a_reason_that_cannot_be_a_label_is_refused() {
        for reason in ["", " \n", "a\u{1b}[2Jb", "a\u{202e}b", &"x".repeat(2_000)] {
            assert!(with_reason(reason).is_err(), "{reason:?}");
        }
        assert!(with_reason("").unwrap_err().contains("leave --reason out"));
    }
}
