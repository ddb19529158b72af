//! What is told of labels and of where they come from.

use std::time::{Duration, UNIX_EPOCH};

use humantime::format_rfc3339_seconds;
use lobby_client::{Label, LabelOrigin, LocalLabel};

use crate::grid::{self, NOTHING};
use crate::shell;

/// A line for each label and each place that it comes from.
pub(crate) fn table(labels: &[LocalLabel], now: i64) -> String {
    let head = ["LABEL", "SOURCE", "FILE", "UNTIL", "LEFT"].map(str::to_owned).to_vec();
    let rows = labels.iter().map(|label| row(label, now));
    grid::text(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn row(label: &LocalLabel, now: i64) -> Vec<String> {
    let nothing = || NOTHING.to_owned();
    vec![
        shell::word(label.label.as_str()),
        source(label.source).to_owned(),
        label.file.as_deref().map_or_else(nothing, shell::word),
        label.until.map_or_else(nothing, moment),
        label.until.map_or_else(nothing, |until| left_time(until, now)),
    ]
}

fn source(source: LabelOrigin) -> &'static str {
    match source {
        LabelOrigin::Env => "env",
        LabelOrigin::File => "file",
        LabelOrigin::Runtime => "runtime",
        LabelOrigin::Lease => "lease",
        LabelOrigin::Fact => "fact",
        _ => "other",
    }
}

/// A moment of the wall clock, UTC.
fn moment(unix_seconds: i64) -> String {
    let seconds = Duration::from_secs(u64::try_from(unix_seconds).unwrap_or_default());
    let moment = UNIX_EPOCH.checked_add(seconds);
    moment.map_or_else(String::new, |moment| format_rfc3339_seconds(moment).to_string())
}

/// What is left of a time, in the units that options take; the parts that are 0 are left out.
fn left_time(until: i64, now: i64) -> String {
    let left = u64::try_from(until.saturating_sub(now)).unwrap_or_default();
    let parts =
        [(left / 86_400, 'd'), (left / 3_600 % 24, 'h'), (left / 60 % 60, 'm'), (left % 60, 's')];
    let text: String = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Where a label comes from, in words; empty if it is not there.
pub(crate) fn places<'a>(label: &Label, there: impl Iterator<Item = &'a LocalLabel>) -> String {
    let places = there.filter(|it| it.label == *label).map(place);
    let places = places.collect::<Vec<_>>().join(" and ");
    if places.is_empty() { places } else { format!("it comes from {places}") }
}

fn place(label: &LocalLabel) -> String {
    let file = label.file.as_deref().map(shell::word).unwrap_or_default();
    match label.source {
        LabelOrigin::Env => "LABELS".to_owned(),
        LabelOrigin::File => format!("the file {file}"),
        LabelOrigin::Runtime => "lobbyctl labels add".to_owned(),
        LabelOrigin::Lease => "a lease".to_owned(),
        LabelOrigin::Fact => "FACTS".to_owned(),
        _ => "elsewhere".to_owned(),
    }
}

/// What is to be said of a label that was to be removed; nothing if it was there and has gone.
pub(super) fn left(label: &Label, before: &[LocalLabel], after: &[LocalLabel]) -> Option<String> {
    let shown = shell::word(label.as_str());
    let staying = places(label, after.iter());
    if !staying.is_empty() {
        return Some(format!("{shown} stays: {staying}"));
    }
    let was_there = before.iter().any(|it| it.label == *label);
    (!was_there).then(|| format!("{shown} was not there"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    fn local(text: &str, source: LabelOrigin, file: Option<&str>) -> LocalLabel {
        let until = (source == LabelOrigin::Lease).then_some(1_795_424_065);
        LocalLabel { label: label(text), source, file: file.map(str::to_owned), until }
    }

    fn labels() -> Vec<LocalLabel> {
        vec![
            local("a:1", LabelOrigin::Env, None),
            local("a:1", LabelOrigin::File, Some("/etc/lobby/labels/base")),
            local("note:two words", LabelOrigin::Runtime, Some("/etc/lobby/labels/_runtime")),
            local("web", LabelOrigin::Lease, None),
        ]
    }

    #[test]
    fn a_table_tells_each_place_and_each_end() {
        let expected = "\
LABEL             SOURCE   FILE                        UNTIL                 LEFT
a:1               env      -                           -                     -
a:1               file     /etc/lobby/labels/base      -                     -
'note:two words'  runtime  /etc/lobby/labels/_runtime  -                     -
web               lease    -                           2026-11-23T08:54:25Z  1m5s
";
        assert_eq!(table(&labels(), 1_795_424_000), expected);
        assert!(table(&labels(), 1_795_424_100).ends_with("  0s\n"));
    }

    #[test]
    fn what_is_left_has_the_units_that_options_take() {
        for (seconds, left) in [
            (31_536_000, "365d"),
            (31_535_990, "364d23h59m50s"),
            (86_399, "23h59m59s"),
            (3_605, "1h5s"),
            (0, "0s"),
            (-1, "0s"),
        ] {
            assert_eq!(left_time(1_795_424_000 + seconds, 1_795_424_000), left);
        }
    }

    #[test]
    fn a_label_that_was_to_go_is_told_of_where_it_stays() {
        let (before, after) = (labels(), &labels()[..2]);
        let of = |text: &str| left(&label(text), &before, after);
        let stays = "a:1 stays: it comes from LABELS and the file /etc/lobby/labels/base";
        assert_eq!(of("a:1").as_deref(), Some(stays));
        assert_eq!(of("b").as_deref(), Some("b was not there"));
        assert_eq!(of("two words").as_deref(), Some("'two words' was not there"));
        assert_eq!(of("web"), None);
    }
}
