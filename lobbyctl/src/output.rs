//! Output: text for people, laid out as lobby 1.x does it, or JSON for programs.

use lobby_client::text::printable;
use lobby_client::{Discovery, HostName, Label, Query, Status};
use unicode_width::UnicodeWidthStr;

use crate::doctor::Report;
use crate::status;

/// What a command gave, to be printed.
#[derive(Debug)]
pub(crate) enum Output {
    /// The answer of the API to a question as it came, for programs.
    Json(Query, String),
    /// One server.
    Server(Discovery),
    /// Servers.
    Servers(Vec<Discovery>),
    /// Names of servers.
    Names(Vec<HostName>),
    /// How the daemon is doing.
    Status(Box<Status>),
    /// What the doctor found, as JSON or not.
    Report(Report, bool),
    /// Nothing to print.
    Done,
}

impl Output {
    /// Whether it is a list, and nothing is in it.
    pub(crate) fn is_empty_list(&self) -> bool {
        match self {
            Self::Names(names) => names.is_empty(),
            Self::Json(_, answer) => matches!(answer.as_str(), "[]" | "null"),
            _ => false,
        }
    }

    /// The status of the daemon, if that is what was asked for.
    pub(crate) fn status(&self) -> Option<Status> {
        match self {
            Self::Status(status) => Some(*status.clone()),
            Self::Json(Query::Status, answer) => serde_json::from_str(answer).ok(),
            _ => None,
        }
    }
}

/// Colours of lobby 1.x, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Palette {
    /// The text alone.
    Plain,
    /// With the escape sequences of a terminal.
    Coloured,
}

const YELLOW: u8 = 33;
const GREEN: u8 = 32;
const MAGENTA: u8 = 35;

impl Palette {
    fn paint(self, colour: u8, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\x1b[{colour}m{text}\x1b[0m"),
        }
    }

    /// The name of a host.
    pub(crate) fn host(self, name: &HostName) -> String {
        self.paint(YELLOW, &printable(name.as_str()))
    }

    /// A label.
    pub(crate) fn label(self, label: &Label) -> String {
        let name = self.paint(GREEN, &printable(label.name()));
        match label.value() {
            Some(value) => format!("{name}:{}", self.paint(MAGENTA, &printable(value))),
            None => name,
        }
    }
}

/// The text to print: what others wrote is stripped of what a terminal would obey, but in JSON,
/// which escapes it.
pub(crate) fn text(output: &Output, palette: Palette) -> String {
    match output {
        Output::Json(_, answer) => format!("{answer}\n"),
        Output::Server(server) => one(server, palette),
        Output::Servers(servers) => columns(servers, palette),
        Output::Names(names) => {
            names.iter().map(|name| format!("{}\n", palette.host(name))).collect()
        }
        Output::Status(status) => status::text(status),
        Output::Report(report, true) => format!("{}\n", report.json()),
        Output::Report(report, false) => report.text(),
        Output::Done => String::new(),
    }
}

fn one(server: &Discovery, palette: Palette) -> String {
    let mut text = format!("Hostname:\n  {}\n", palette.host(&server.hostname));
    if !server.labels.is_empty() {
        text += "Labels:\n";
    }
    for label in &server.labels {
        text += &format!("  {}\n", palette.label(label));
    }
    text
}

/// Names to the right of one column, labels beside them, a blank line after each server.
fn columns(servers: &[Discovery], palette: Palette) -> String {
    let widest = servers.iter().map(|server| width(&server.hostname)).max().unwrap_or(0);
    servers.iter().map(|server| entry(server, widest, palette)).collect()
}

/// Columns of a terminal that a name takes.
fn width(name: &HostName) -> usize {
    printable(name.as_str()).width()
}

fn entry(server: &Discovery, widest: usize, palette: Palette) -> String {
    // Counted without the colours, which take no room.
    let indent = " ".repeat(widest - width(&server.hostname));
    let labels: Vec<String> = server.labels.iter().map(|label| palette.label(label)).collect();
    let below = format!("\n{}", " ".repeat(widest + 4));
    let gap = if labels.is_empty() { "" } else { "    " };
    format!("{indent}{}{gap}{}\n\n", palette.host(&server.hostname), labels.join(&below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, labels: &[&str]) -> Discovery {
        let labels = labels.iter().map(|text| Label::parse(text).unwrap()).collect();
        Discovery::new(HostName::parse(name).unwrap(), labels)
    }

    fn plain(output: &Output) -> String {
        text(output, Palette::Plain)
    }

    #[test]
    fn one_server_is_its_name_and_its_labels_each_on_a_line() {
        let output = Output::Server(server("node-c", &["location:prague", "service:web"]));
        assert_eq!(
            plain(&output),
            "Hostname:\n  node-c\nLabels:\n  location:prague\n  service:web\n"
        );
    }

    #[test]
    fn a_server_without_labels_has_no_heading_for_them() {
        assert_eq!(plain(&Output::Server(server("a", &[]))), "Hostname:\n  a\n");
    }

    #[test]
    fn names_are_right_aligned_with_labels_below_each_other() {
        let output = Output::Servers(vec![
            server("n1", &["a:1", "b:2"]),
            server("node-2", &["c"]),
            server("x", &[]),
        ]);
        assert_eq!(plain(&output), "    n1    a:1\n          b:2\n\nnode-2    c\n\n     x\n\n");
    }

    #[test]
    fn a_column_is_as_wide_as_its_widest_name_looks() {
        let output = Output::Servers(vec![
            server("žluť", &["a:1"]),
            server("東京", &["a:1"]),
            server("abcde", &["a:1"]),
        ]);
        assert_eq!(plain(&output), " žluť    a:1\n\n 東京    a:1\n\nabcde    a:1\n\n");
    }

    #[test]
    fn colours_change_nothing_but_the_colour() {
        let output = Output::Servers(vec![server("n1", &["a:1:2", "up"]), server("node-2", &[])]);
        let coloured = text(&output, Palette::Coloured);
        assert_eq!(
            coloured,
            "    \x1b[33mn1\x1b[0m    \x1b[32ma\x1b[0m:\x1b[35m1:2\x1b[0m\n          \x1b[32mup\x1b[0m\n\n\x1b[33mnode-2\x1b[0m\n\n"
        );
        let stripped = [33, 32, 35, 0]
            .iter()
            .fold(coloured, |text, code| text.replace(&format!("\x1b[{code}m"), ""));
        assert_eq!(stripped, plain(&output));
    }

    #[test]
    fn names_are_one_a_line_and_none_is_nothing() {
        let names = ["a", "b"].map(|name| HostName::parse(name).unwrap()).to_vec();
        assert_eq!(plain(&Output::Names(names)), "a\nb\n");
        assert_eq!(plain(&Output::Names(vec![])), "");
        assert_eq!(plain(&Output::Servers(vec![])), "");
    }

    #[test]
    fn json_is_printed_as_it_came() {
        assert_eq!(
            plain(&Output::Json(Query::Discovery, r#"[{"new":1}]"#.to_owned())),
            "[{\"new\":1}]\n"
        );
    }

    #[test]
    fn an_order_that_is_done_prints_nothing() {
        assert_eq!(plain(&Output::Done), "");
    }

    #[test]
    fn marks_that_turn_the_writing_are_not_printed() {
        let odd = server("a\u{202e}b", &["x:\u{200b}1", "up\u{feff}"]);
        assert_eq!(
            plain(&Output::Servers(vec![odd, server("abc", &[])])),
            " ab    up\n       x:1\n\nabc\n\n"
        );
    }
}
