//! The names of the tests in a source file.

/// Longest name of a test, in characters, as docs/internals/style.md has it.
pub(crate) const MAX_LEN: usize = 60;

/// How a case begins its parameters that a macro runs on several channels.
const CASE: [&str; 2] = ["(channel: Channel", "(mut channel: Channel"];

/// The names of the functions that an attribute makes tests, and of the cases of several channels.
pub(crate) fn names(text: &str) -> Vec<&str> {
    let (mut names, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")) {
        is_test |= has_test_attribute(line);
        let Some((name, rest)) = function(line) else { continue };
        if is_test || CASE.iter().any(|case| rest.starts_with(case)) {
            names.push(name);
        }
        is_test = false;
    }
    names
}

/// The name of the function that a line declares, and what follows it.
fn function(line: &str) -> Option<(&str, &str)> {
    let (before, rest) = line.split_once("fn ")?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (name, rest) = rest.split_at(rest.find(|c| !is_word(c))?);
    (before.is_empty() || before.ends_with(' '))
        .then_some((name, rest))
        .filter(|_| !name.is_empty())
}

/// Whether a line begins with `#[test]`, or with an attribute of a runtime such as
/// `#[tokio::test(…)]`.
fn has_test_attribute(line: &str) -> bool {
    let attribute = line.strip_prefix("#[").and_then(|rest| rest.split(['(', ']']).next());
    attribute.is_some_and(|path| path.rsplit("::").next() == Some("test"))
}
