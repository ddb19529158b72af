//! Answers as text for people and as JSON for programs.

use lobby_client::{Discovery, HostName, Label, Status};
use unicode_width::UnicodeWidthStr;

use crate::status;

/// What a command gave.
#[derive(Debug)]
pub(crate) enum Answer {
    /// One server.
    Server(Discovery),
    /// Servers.
    Servers(Vec<Discovery>),
    /// Names of servers.
    Names(Vec<HostName>),
    /// How the daemon is doing.
    Status(Box<Status>),
    /// Nothing to print.
    Done,
}

/// Colours of the original, or none.
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

    fn host(self, name: &HostName) -> String {
        self.paint(YELLOW, name.as_str())
    }

    fn label(self, label: &Label) -> String {
        let name = self.paint(GREEN, label.name());
        match label.value() {
            Some(value) => format!("{name}:{}", self.paint(MAGENTA, value)),
            None => name,
        }
    }
}

/// One line of JSON, as the API gives it.
pub(crate) fn json(answer: &Answer) -> serde_json::Result<String> {
    let line = match answer {
        Answer::Server(server) => serde_json::to_string(server)?,
        Answer::Servers(servers) => serde_json::to_string(servers)?,
        Answer::Names(names) => serde_json::to_string(names)?,
        Answer::Status(status) => serde_json::to_string(status)?,
        Answer::Done => return Ok(String::new()),
    };
    Ok(line + "\n")
}

/// Text as the original lays it out.
pub(crate) fn text(answer: &Answer, palette: Palette) -> String {
    match answer {
        Answer::Server(server) => one(server, palette),
        Answer::Servers(servers) => columns(servers, palette),
        Answer::Names(names) => names.iter().map(|name| format!("{}\n", palette.host(name))).collect(),
        Answer::Status(status) => status::text(status),
        Answer::Done => String::new(),
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
    let widest = servers.iter().map(|server| server.hostname.as_str().width()).max().unwrap_or(0);
    servers.iter().map(|server| entry(server, widest, palette)).collect()
}

fn entry(server: &Discovery, widest: usize, palette: Palette) -> String {
    // Counted without the colours, which take no room.
    let indent = " ".repeat(widest - server.hostname.as_str().width());
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

    fn plain(answer: &Answer) -> String {
        text(answer, Palette::Plain)
    }

    fn line(answer: &Answer) -> String {
        json(answer).unwrap()
    }

    #[test]
    fn one_server_is_its_name_and_its_labels_each_on_a_line() {
        let answer = Answer::Server(server("node-c", &["location:prague", "service:web"]));
        assert_eq!(plain(&answer), "Hostname:\n  node-c\nLabels:\n  location:prague\n  service:web\n");
    }

    #[test]
    fn a_server_without_labels_has_no_heading_for_them() {
        assert_eq!(plain(&Answer::Server(server("a", &[]))), "Hostname:\n  a\n");
    }

    #[test]
    fn names_stand_to_the_right_of_their_column_and_labels_below_each_other() {
        let answer = Answer::Servers(vec![server("n1", &["a:1", "b:2"]), server("node-2", &["c"]), server("x", &[])]);
        assert_eq!(plain(&answer), "    n1    a:1\n          b:2\n\nnode-2    c\n\n     x\n\n");
    }

    #[test]
    fn a_column_is_as_wide_as_its_widest_name_looks() {
        let answer =
            Answer::Servers(vec![server("žluť", &["a:1"]), server("東京", &["a:1"]), server("abcde", &["a:1"])]);
        assert_eq!(plain(&answer), " žluť    a:1\n\n 東京    a:1\n\nabcde    a:1\n\n");
    }

    #[test]
    fn colours_change_nothing_but_the_colour() {
        let answer = Answer::Servers(vec![server("n1", &["a:1:2", "up"]), server("node-2", &[])]);
        let coloured = text(&answer, Palette::Coloured);
        assert_eq!(
            coloured,
            "    \x1b[33mn1\x1b[0m    \x1b[32ma\x1b[0m:\x1b[35m1:2\x1b[0m\n          \x1b[32mup\x1b[0m\n\n\x1b[33mnode-2\x1b[0m\n\n"
        );
        let stripped = [33, 32, 35, 0].iter().fold(coloured, |text, code| text.replace(&format!("\x1b[{code}m"), ""));
        assert_eq!(stripped, plain(&answer));
    }

    #[test]
    fn names_are_one_a_line_and_none_is_nothing() {
        let names = ["a", "b"].map(|name| HostName::parse(name).unwrap()).to_vec();
        assert_eq!(plain(&Answer::Names(names)), "a\nb\n");
        assert_eq!(plain(&Answer::Names(vec![])), "");
        assert_eq!(plain(&Answer::Servers(vec![])), "");
    }

    #[test]
    fn json_is_one_line_with_the_fields_in_the_order_of_the_api() {
        let packet = Discovery { last_check: 7, ..server("a", &["b:\"2\""]) };
        let object = r#"{"hostname":"a","labels":["b:\"2\""],"last_check":7}"#;
        assert_eq!(line(&Answer::Server(packet.clone())), format!("{object}\n"));
        assert_eq!(line(&Answer::Servers(vec![packet])), format!("[{object}]\n"));
    }

    #[test]
    fn an_empty_list_is_an_empty_json_list_and_an_order_done_prints_nothing() {
        assert_eq!(line(&Answer::Servers(vec![])), "[]\n");
        assert_eq!(line(&Answer::Names(vec![])), "[]\n");
        assert_eq!(line(&Answer::Done), "");
        assert_eq!(plain(&Answer::Done), "");
    }
}
