use proptest::prelude::*;

use super::*;
use crate::{HostName, Label};

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn server(name: &str, labels: &[&str]) -> Discovery {
    let labels = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
    Discovery::new(HostName::parse(name).unwrap(), labels)
}

fn mail() -> Discovery {
    let labels = ["service:smtp", "service:imap", "location:prague", "ip6:2a03::1", "backup", "x:"];
    server("mail1.example", &labels)
}

fn shown(text: &str) -> String {
    Selector::parse(text).unwrap_err().to_string()
}

#[test]
fn terms_choose_by_key_value_label_pattern_and_name() {
    let chosen = [
        "service",
        "service=smtp",
        "service==imap",
        "service:smtp",
        "location!=brno",
        "absent!=x",
        "service in (pop3, imap)",
        "service notin (pop3)",
        "absent not in (a, b)",
        "service=~'im.+'",
        "service!~'im'",
        "ip6=2a03::1",
        "ip6:2a03::1",
        "backup",
        "not backup=''",
        "x=''",
        "x:",
        "@hostname",
        "@hostname=mail1.example",
        "@hostname=~'mail[0-9]\\.example'",
        "@hostname in (a, mail1.example)",
        "x=~''",
        "!drain",
    ];
    for text in chosen {
        assert!(selector(text).matches(&mail()), "{text}");
        assert!(!selector(&format!("not ({text})")).matches(&mail()), "{text}");
    }
}

#[test]
fn keys_and_values_are_compared_whole_and_with_their_case() {
    let others = ["servic", "service=SMTP", "Service", "service=smt", "service=~smt", "loc:prague"];
    for text in others {
        assert!(!selector(text).matches(&mail()), "{text}");
    }
}

#[test]
fn a_regular_expression_matches_wholly_also_one_of_alternatives() {
    for (text, expected) in [("a|b", true), ("b|a", true), ("aa|b", false), ("(?i)A", true)] {
        let matches = selector(&format!("k=~'{text}'")).matches(&server("h", &["k:a"]));
        assert_eq!(matches, expected, "{text}");
    }
    assert!(!selector("k=~'.*'").matches(&server("h", &["k"])), "a label without a value");
    assert!(Selector::parse("k=~'a)|(b'").is_err(), "valid in parentheses only");
}

#[test]
fn or_binds_less_than_and_which_a_comma_is_too() {
    let [a, b, c] = ["a", "b", "c"].map(|label| server("h", &[label]));
    let both = server("h", &["b", "c"]);
    for text in ["a or b and c", "a || b && c", "a or b, c", "A:1 or a or (b,c)"] {
        let chosen = [&a, &b, &c, &both].map(|host| selector(text).matches(host));
        assert_eq!(chosen, [true, false, false, true], "{text}");
    }
}

#[test]
fn keywords_are_values_where_a_value_stands() {
    for country in ["IN", "not", "or", "and", "notin"] {
        let text = format!("country={country} and country in ({country}, x)");
        assert!(selector(&text).matches(&server("h", &[&format!("country:{country}")])), "{text}");
    }
    assert!(selector("'in'=x AND NOT 'or' Or y NotIn (z)").matches(&server("h", &["in:x"])));
    assert!(shown("in=x").contains("put into quotes"), "{}", shown("in=x"));
}

#[test]
fn quotes_keep_what_they_hold() {
    let host = server("h", &["k:it's \"x\" \\ \\d", "a b:c d"]);
    assert!(selector(r#"k="it's \"x\" \\ \d""#).matches(&host));
    assert!(selector("'a b'='c d' and 'a b:c d'").matches(&host));
}

#[test]
fn spellings_of_the_same_are_equal_in_canonical_form() {
    let spellings = [
        ("b , a", "a and b"),
        ("((a)) && a", "a"),
        ("!a and !!b", "b and not a"),
        ("k!=v", "not k=v"),
        ("k notin (b, a,b)", "not k in (a,b)"),
        ("k:v", "k=v"),
        ("k in ('v')", "k=v"),
        ("k:", "k=''"),
        ("not (a or b)", "not (a or b)"),
        ("(a or b) and c", "c and (a or b)"),
        ("a or (b or (c, d))", "a or b or c and d"),
        ("k!~'a.*'", "not k=~'a.*'"),
        (r#"k="a'b\"""#, r#"k="a'b\"""#),
        ("'NOT'=x", "'NOT'=x"),
        ("'@hostname'=h", "@hostname=h"),
    ];
    for (text, canonical) in spellings {
        assert_eq!(selector(text).to_string(), canonical, "{text}");
        assert_eq!(selector(text), selector(canonical));
    }
}

#[test]
fn a_regular_expression_without_quotes_is_advised_to_have_them() {
    for text in ["n=~a|b", "x and n!~ a^b", "n=~web.*", "n=~a{2}"] {
        let shown = shown(text);
        assert!(shown.ends_with("into quotes: k=~'a|b'"), "{text}: {shown}");
    }
    assert!(shown("n=a|b").ends_with("write `or` or ||"), "{}", shown("n=a|b"));
    assert!(shown("n=web*").contains("no wildcards"));
}

#[test]
fn an_error_shows_the_place_what_was_expected_and_a_hint() {
    assert_eq!(
        shown("service=web location=prague"),
        "service=web location=prague\n            ^\nexpected `and`, `or` or the end, found \
         \"location\"\nhint: put `,` or `and` between two conditions"
    );
    let error = Selector::parse("a,\n žluť ==").unwrap_err();
    let line = "column 12: expected a value, found the end; an empty value is written ''";
    assert_eq!((error.column(), &*error.one_line()), (12, line));
    assert!(error.to_string().starts_with("a,  žluť ==\n           ^\n"), "{error}");
}

#[test]
fn each_mistake_is_told_where_it_is() {
    let mistakes = [
        ("web*", 4, "regular expression"),
        ("a:b=c", 1, "whole label"),
        ("'a:b'=c", 1, "whole label"),
        ("a=", 3, "written ''"),
        ("a and", 6, "a condition"),
        ("(a or b", 8, "`)`"),
        ("a)", 2, "the end"),
        ("a in b", 6, "a list of values"),
        ("a in ()", 7, "a value"),
        ("a in (b c)", 9, "`,` or `)`"),
        ("a not b", 7, "`in` behind `not`"),
        ("a & b", 3, "&&"),
        ("a | b", 3, "||"),
        ("a ~ b", 3, "=~"),
        ("a > 1", 3, "by size"),
        ("a#", 2, "into quotes"),
        ("a='b", 3, "closes"),
        ("a=\"b\\\"", 3, "closes"),
        ("a=~(b|c)", 4, "into quotes"),
        ("a=~'b(c'", 6, "unclosed group"),
        ("ž=~'ž[a'", 6, "unclosed character class"),
        ("a=~'\\w{1000}'", 5, "too large"),
        ("a='b\u{7}'", 5, "control characters"),
        ("=web", 1, "a condition"),
        (",a", 1, "a condition"),
    ];
    for (text, column, expected) in mistakes {
        let error = Selector::parse(text).unwrap_err();
        assert_eq!(error.column(), column, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn the_empty_selector_is_refused_and_says_why() {
    for text in ["", " \t\n"] {
        assert!(shown(text).starts_with("expected a condition, found nothing\nhint: "), "{text:?}");
    }
}

#[test]
fn a_long_text_is_shown_around_the_place_of_the_fault() {
    let error = shown(&format!("{} ? {}", "a or ".repeat(40), "b".repeat(1000)));
    let lines: Vec<_> = error.lines().collect();
    let at = lines[0].chars().position(|c| c == '?').unwrap();
    assert_eq!(lines[1].find('^'), Some(at), "{error}");
    assert!(lines[0].chars().count() <= 103 && lines[0].ends_with('…'), "{error}");
}

#[test]
fn what_acts_on_a_terminal_is_not_shown() {
    let error = shown("a='\u{202e}\u{1b}[31m'");
    assert!(error.starts_with("a='\u{fffd}\u{fffd}[31m'\n    ^\n"), "{error:?}");
}

#[test]
fn length_depth_terms_and_patterns_are_limited() {
    let deep = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    let list = |term: &str, len| vec![term; len].join(" or ");
    let long = |len| "a".repeat(len);
    let most = [deep(32), list("a", 64), list("k=~'a.'", 8), long(2048)];
    most.iter().for_each(|text| drop(selector(text)));
    let more = [deep(33), list("a", 65), list("k=~'a.'", 9), long(2049)];
    let told = ["at most 32 paren", "at most 64 cond", "at most 8 reg", "2049 bytes is too long"];
    for (text, told) in more.iter().zip(told) {
        assert!(shown(text).contains(told), "{}", shown(text));
    }
    assert!(Selector::parse(&"(".repeat(2048)).is_err());
    assert_eq!(selector(&format!("{}a", "!".repeat(2000))), selector("a"));
}

#[test]
fn a_selector_that_is_too_long_in_canonical_form_is_refused() {
    let text = format!("k in (\"'{}\")", r"\.".repeat(900));
    assert!(text.len() < Selector::MAX_LEN);
    assert!(shown(&text).contains("is too long: at most 2048"), "{}", shown(&text));
}

#[test]
fn a_regular_expression_that_repeats_itself_takes_no_time() {
    let host = server("h", &[&format!("k:{}", "a".repeat(1000))]);
    assert!(!selector("k=~'(a+)+b'").matches(&host));
    assert!(selector("k=~'(a*)*a*'").matches(&host));
}

#[test]
fn values_that_match_begin_with_the_literal_prefix() {
    let prefixes = [
        ("web", "web"),
        ("^web-.*$", "web-"),
        ("webs?", "web"),
        ("web+", "web"),
        (r"a\.b\-c\d", "a.b-c"),
        (r"\<a", ""),
        ("a|b", ""),
        ("(?i)web", ""),
        ("ab{0}", "a"),
    ];
    for (text, prefix) in prefixes {
        assert_eq!(Pattern::new(text.to_owned()).ok().unwrap().literal_prefix(), prefix, "{text}");
    }
}

/// A selector as a tree, with a spelling and a meaning of its own.
#[derive(Debug, Clone)]
enum Tree {
    Has(String),
    Is(String, String),
    In(String, Vec<String>),
    Like(String, String),
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

impl Tree {
    /// How it is written; `style` chooses among the spellings.
    fn spelled(&self, style: usize) -> String {
        let pick = |spellings: &[&str]| spellings[style % spellings.len()].to_owned();
        let joined = |trees: &[Self], operator: String| {
            let operands = trees.iter().map(|tree| match tree {
                Self::And(_) | Self::Or(_) => format!("({})", tree.spelled(style / 3)),
                _ => tree.spelled(style / 2),
            });
            operands.collect::<Vec<_>>().join(&operator)
        };
        match self {
            Self::Has(key) => pick(&["K", "'K'", " K "]).replace('K', key),
            Self::Is(key, value) => {
                pick(&["K=V", "K == V", "K:V", "K in (V)"]).replace('K', key).replace('V', value)
            }
            Self::In(key, values) => format!("{key} in ({})", values.join(&pick(&[",", " , "]))),
            Self::Like(key, value) => format!("{key}=~'{value}.*'"),
            Self::Not(tree) => format!("{}({})", pick(&["!", "not ", "NOT"]), tree.spelled(style)),
            Self::And(trees) => joined(trees, pick(&[",", " and ", "&&", "\nAND "])),
            Self::Or(trees) => joined(trees, pick(&[" or ", "||", " Or\t"])),
        }
    }

    fn holds(&self, labels: &[(String, String)]) -> bool {
        let any = |wanted: &String, test: &dyn Fn(&String) -> bool| {
            labels.iter().any(|(key, value)| key == wanted && test(value))
        };
        match self {
            Self::Has(key) => any(key, &|_| true),
            Self::Is(key, value) => any(key, &|v| v == value),
            Self::In(key, values) => any(key, &|v| values.contains(v)),
            Self::Like(key, start) => any(key, &|v| v.starts_with(start.as_str())),
            Self::Not(tree) => !tree.holds(labels),
            Self::And(trees) => trees.iter().all(|tree| tree.holds(labels)),
            Self::Or(trees) => trees.iter().any(|tree| tree.holds(labels)),
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        "[a-c]".prop_map(Tree::Has),
        ("[a-c]", "[x-z]").prop_map(|(key, value)| Tree::Is(key, value)),
        ("[a-c]", prop::collection::vec("[x-z]", 1..3)).prop_map(|(key, v)| Tree::In(key, v)),
        ("[a-c]", "[x-z]").prop_map(|(key, value)| Tree::Like(key, value)),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Tree::And),
            prop::collection::vec(inner, 2..4).prop_map(Tree::Or),
        ]
    })
}

proptest! {
    #[test]
    fn every_spelling_means_what_its_tree_means(
        tree in tree(),
        style in 0..10_000_usize,
        labels in prop::collection::vec(("[a-c]", "[x-z]{1,2}"), 0..4),
    ) {
        let spelled = tree.spelled(style);
        let texts: Vec<_> = labels.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        let host = server("h", &texts.iter().map(String::as_str).collect::<Vec<_>>());
        match Selector::parse(&spelled) {
            Ok(selector) => prop_assert_eq!(selector.matches(&host), tree.holds(&labels), "{}", spelled),
            Err(error) => prop_assert!(error.problem().contains("at most"), "{}", error),
        }
    }

    #[test]
    fn what_a_selector_prints_is_read_as_the_same(tokens in prop::collection::vec(
        prop_oneof![
            prop::sample::select(vec![
                "and", "or", "not", "in", "notin", "(", ")", ",", "!", "=", "!=", "=~", "!~", "a", "k:v", "@hostname",
                "&&", "||", "''", "'in'",
            ]).prop_map(str::to_owned),
            r#""[^"\\[:cntrl:]]{0,3}(\\\\){0,2}(\\")?['x]?""#,
        ],
        0..12,
    )) {
        if let Ok(selector) = Selector::parse(&tokens.join(" ")) {
            let again = Selector::parse(selector.as_str()).unwrap();
            prop_assert_eq!(&again, &selector);
            prop_assert_eq!(again.condition(), selector.condition());
        }
    }

    #[test]
    fn any_text_is_read_or_refused_in_lines_that_fit(text in "\\PC{0,120}") {
        if let Err(error) = Selector::parse(&text) {
            prop_assert!(error.column() <= text.chars().count() + 1);
            prop_assert!(error.to_string().lines().count() <= 4, "{}", error);
        }
    }

    #[test]
    fn a_literal_prefix_is_never_wrong(pattern in r"[ab.?*+|^$\\()\[\]{}0-9-]{1,8}", value in "[ab.-]{0,5}") {
        if let Ok(pattern) = Pattern::new(pattern) {
            let prefix = pattern.literal_prefix();
            prop_assert!(!pattern.matches(&value) || value.starts_with(&prefix), "{:?} {}", pattern, prefix);
        }
    }
}
