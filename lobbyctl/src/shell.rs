//! Shell: texts as words of a command line, to be copied into one.

use lobby_client::text::is_invisible;

/// Signs that mean nothing to a shell within a word, beside letters and digits.
const PLAIN: &str = "-_.:/@%+,=";

/// A text as one word: quoted where a shell would take it for something else. What cannot be seen
/// is written by its number, as bash and zsh read it.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || PLAIN.contains(c);
    if !text.is_empty() && !text.starts_with('=') && text.chars().all(is_plain) {
        text.to_owned()
    } else if text.chars().any(is_invisible) {
        format!("$'{}'", text.chars().map(escaped).collect::<String>())
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn escaped(c: char) -> String {
    match c {
        '\'' | '\\' => format!("\\{c}"),
        c if is_invisible(c) => format!("\\U{:08x}", u32::from(c)),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What a shell makes of a word.
    fn taken(shell: &str, word: &str) -> String {
        let command = format!("printf %s {word}");
        // It knows characters beyond ASCII by its locale.
        let run = Command::new(shell).args(["-c", &command]).env("LC_ALL", "C.UTF-8").output();
        String::from_utf8(run.unwrap().stdout).unwrap()
    }

    #[test]
    fn a_shell_takes_the_word_for_the_text() {
        for text in [
            "",
            "service:web",
            "město:Praha",
            "note:two words",
            "it's:'1'",
            "a;b",
            "x:$(id) `id`",
            "a\\b",
            "~",
            "=ls",
            "*",
            "a b\u{3000}c",
            "x\"y",
            "!1",
            "#",
            "{a,b}",
            "<>|&",
        ] {
            assert_eq!(taken("sh", &word(text)), text, "{}", word(text));
        }
        for text in ["a\u{202e}b\u{200b}", "\u{1b}[2J'\\ x", "e\u{e0041}"] {
            let shown = word(text);
            assert_eq!(taken("bash", &shown), text, "{shown}");
            assert!(!shown.chars().any(is_invisible), "{shown}");
        }
    }

    #[test]
    fn what_needs_no_quotes_has_none() {
        for text in ["service:web", "město:Praha", "url:http://a/b_c-d.e@f"] {
            assert_eq!(word(text), text);
        }
        assert_eq!(word("note:two words"), "'note:two words'");
    }
}
