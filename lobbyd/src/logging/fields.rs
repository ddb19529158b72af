//! The fields of a text line: what others wrote cannot break the line or act on a terminal.

use std::borrow::Cow;
use std::fmt::{self, Debug};

use lobby_client::text::is_invisible;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Formatter of fields, `name=value`, that shows control characters as escapes.
pub(super) struct CleanFields;

impl<'writer> FormatFields<'writer> for CleanFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = FieldWriter { writer, is_first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct FieldWriter<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    result: fmt::Result,
}

impl FieldWriter<'_> {
    fn write(&mut self, name: &str, value: &dyn Debug) -> fmt::Result {
        let separator = if std::mem::take(&mut self.is_first) { "" } else { " " };
        self.writer.write_str(separator)?;
        if name != "message" {
            // In italics, and the sign dimmed.
            let (start, middle, end) = if self.writer.has_ansi_escapes() {
                ("\x1b[3m", "\x1b[0m\x1b[2m", "\x1b[0m")
            } else {
                ("", "", "")
            };
            write!(self.writer, "{start}{name}{middle}={end}")?;
        }
        self.writer.write_str(&clean(&format!("{value:?}")))
    }
}

impl Visit for FieldWriter<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // The level and target of a record of the crate `log`, which the line shows already.
        if self.result.is_ok() && !field.name().starts_with("log.") {
            self.result = self.write(field.name().trim_start_matches("r#"), value);
        }
    }
}

/// A text in which control characters and invisible ones, tabs aside, are escapes: `\u{1b}`, `\r`.
fn clean(text: &str) -> Cow<'_, str> {
    let acts = |c: char| c != '\t' && is_invisible(c);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) { cleaned.extend(c.escape_default()) } else { cleaned.push(c) }
    }
    Cow::Owned(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_invisible_characters_become_escapes() {
        assert_eq!(
            clean("\x1b[2J50 %\r100 %\u{9b}1m\u{202e}"),
            r"\u{1b}[2J50 %\r100 %\u{9b}1m\u{202e}"
        );
    }

    #[test]
    fn a_text_that_can_be_seen_stays_as_it_is() {
        assert_eq!(clean("a\tb město 東京 \"c\\d\""), "a\tb město 東京 \"c\\d\"");
    }
}
