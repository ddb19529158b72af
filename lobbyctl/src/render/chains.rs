//! Chains: what nests in a template without brackets, such as `1+1+1` and one `elif` after another.
//! minijinja bounds the depth of brackets and blocks only, and recurses over these too.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// Most names, operators and opening brackets of a tag.
const MAX_LINKS: usize = 1_000;

/// Most `elif` of an `if`, together with those of the `if` around it.
const MAX_BRANCHES: usize = 1_000;

/// The first chain that is too long: where it stands, in bytes, and what is wrong.
///
/// What the lexer refuses ends the search: the parser gets no further either.
pub(super) fn first_too_long(text: &str, syntax: SyntaxConfig) -> Option<(usize, String)> {
    let mut chains = Chains::default();
    let mut tokens = tokenize(text, false, syntax).map_while(Result::ok);
    tokens.find_map(|(token, span)| chains.take(&token, span.start_offset as usize))
}

/// The chains at one place of a template.
#[derive(Debug, Default)]
struct Chains {
    /// Where the tag begins, and what it has so far.
    tag: usize,
    links: usize,
    /// Whether the next token is the word that says what a block does.
    is_keyword_next: bool,
    /// The `elif` of each `if` that is open, and of all of them.
    branches: Vec<usize>,
    open: usize,
}

impl Chains {
    fn take(&mut self, token: &Token<'_>, place: usize) -> Option<(usize, String)> {
        let is_keyword = std::mem::take(&mut self.is_keyword_next);
        match token {
            Token::BlockStart | Token::VariableStart => {
                (self.tag, self.links) = (place, 0);
                self.is_keyword_next = matches!(token, Token::BlockStart);
                return None;
            }
            Token::Ident(keyword) if is_keyword => self.branch(keyword),
            _ => {}
        }
        self.links += usize::from(is_link(token));
        if self.links > MAX_LINKS {
            let parts = "names, operators and opening brackets";
            return Some((self.tag, format!("the tag has more than {MAX_LINKS} {parts}")));
        }
        (self.open > MAX_BRANCHES)
            .then(|| (self.tag, format!("the if has more than {MAX_BRANCHES} elif")))
    }

    fn branch(&mut self, keyword: &str) {
        match keyword {
            "if" => self.branches.push(0),
            "elif" => {
                // One without an `if` is an error to the parser, and the last that it reads.
                if let Some(branches) = self.branches.last_mut() {
                    *branches += 1;
                    self.open += 1;
                }
            }
            "endif" => self.open -= self.branches.pop().unwrap_or_default(),
            _ => {}
        }
    }
}

/// Whether a token may nest what stands beside it. Values and what separates them do not, however
/// long a list is.
fn is_link(token: &Token<'_>) -> bool {
    !matches!(
        token,
        Token::TemplateData(_)
            | Token::Str(_)
            | Token::String(_)
            | Token::Int(_)
            | Token::Int128(_)
            | Token::Float(_)
            | Token::Comma
            | Token::Colon
            | Token::BracketClose
            | Token::ParenClose
            | Token::BraceClose
            | Token::BlockEnd
            | Token::VariableEnd
    )
}

#[cfg(test)]
mod tests {
    use std::thread;

    use minijinja::Environment;

    use super::*;
    use crate::render::template::STACK;

    /// Most `if` in one another, to minijinja.
    const DEPTH: usize = 140;

    /// Every chain with about so many links, and its place.
    fn chains(links: usize) -> Vec<String> {
        let tag = |begin: &str, link: &str, parts: usize, end: &str| {
            format!("\n{{{begin}{}{end}}}", link.repeat(links / parts))
        };
        let (ifs, end) = (links / DEPTH, "{% endif %}".repeat(DEPTH));
        let deep = format!("{{% if 1 %}}{}", "{% elif 1 %}".repeat(ifs)).repeat(DEPTH);
        let inner = tag("{ ", "not ", 1, "1 }");
        vec![
            tag("{ 1", "+1", 1, " }"),
            tag("{ hosts", "+hosts", 2, " }"),
            tag("{ ", "not ", 1, "1 }"),
            tag("{ ", "-", 1, "1 }"),
            tag("{ 1", "~1", 1, " }"),
            tag("{ hosts", ".x", 2, " }"),
            tag("{ hosts", "[0]", 1, " }"),
            tag("{ 1", "|string", 2, " }"),
            tag("{ 1", " is not string", 3, " }"),
            tag("{ 1", " if 0 else 1", 2, " }"),
            tag("% set ", "(", 1, &format!("x{} = 1 %", ")".repeat(links))),
            tag("% if 1 %}{", "% elif 1 %}{", 1, "% endif %"),
            format!("\n{deep}{inner}{end}"),
        ]
    }

    fn excess(text: &str) -> Option<(usize, String)> {
        first_too_long(text, SyntaxConfig::default())
    }

    #[test]
    fn chains_that_are_too_long_are_found() {
        for chain in chains(MAX_LINKS * 2) {
            let (place, problem) = excess(&chain).unwrap();
            assert!(problem.contains(" has more than 1000 "), "{problem}");
            assert!(chain[place..].starts_with('{'), "{place}: {chain}");
        }
    }

    #[test]
    fn chains_that_are_allowed_need_a_quarter_of_the_stack() {
        let work = || {
            for chain in chains(MAX_LINKS - 5) {
                assert_eq!(excess(&chain), None);
                let mut environment = Environment::new();
                let chain = format!("{{% macro x() %}}{chain}{{% endmacro %}}{chain}");
                environment.add_template("x", &chain).unwrap();
                // What it makes is of no interest: most of it is not there.
                environment.get_template("x").unwrap().render(()).ok();
            }
        };
        thread::Builder::new().stack_size(STACK / 4).spawn(work).unwrap().join().unwrap();
    }

    #[test]
    fn long_lists_and_many_tags_are_no_chains() {
        let list = format!("{{% set x = [{}] %}}", "'a', -1, 1.5, ".repeat(900));
        let table = format!("{{% set x = {{{}}} %}}", "'a': 'b', ".repeat(9000));
        let tags = "{% if 1 %}{% elif 1 %}{{ 1 + 1 }}{% endif %}".repeat(9000);
        let texts = ["+x".repeat(9000), "{# - #}".repeat(9000)];
        for text in [list, table, tags, format!("{{% raw %}}{{{{ {} }}}}{{% endraw %}}", texts[0])]
        {
            assert_eq!(excess(&text), None);
        }
        assert_eq!(excess(&texts.concat()), None);
    }
}
