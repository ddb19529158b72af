//! Odd forms: packets that no daemon writes, and what is refused.

use fastrand::Rng;

use super::draft::{Draft, escaped, field, list, text};

/// A change of a draft that may or may not leave it acceptable.
pub(crate) type Oddity = fn(&mut Rng, &mut Draft);

/// Forms that a tolerant reader should know.
pub(crate) const FORMS: &[(&str, Oddity)] = &[
    ("labels null", |_, draft| draft.set_inner("labels", "null")),
    ("no labels", |_, draft| draft.remove_inner("labels")),
    ("no last_check", |_, draft| draft.remove_inner("last_check")),
    ("odd last_check", |rng, draft| draft.set_inner("last_check", choose(rng, NUMBERS))),
    ("unknown field", |rng, draft| {
        let at = rng.usize(..=draft.envelope.len());
        draft.envelope.insert(at, field(choose(rng, NAMES), choose(rng, VALUES)));
    }),
    ("unknown inner field", |rng, draft| {
        let discovery = draft.discovery.get_or_insert_default();
        let at = rng.usize(..=discovery.len());
        discovery.insert(at, field(choose(rng, NAMES), choose(rng, VALUES)));
    }),
    ("other order", |rng, draft| {
        rng.shuffle(&mut draft.envelope);
        rng.shuffle(draft.discovery.get_or_insert_default());
        draft.discovery_at = rng.usize(..=draft.envelope.len());
    }),
    ("white space", |_, draft| draft.spaces = &["", " ", "\n", "\t", "  ", "\r\n"]),
    ("white space behind", |rng, draft| draft.tail = choose(rng, &["\n", " ", "\r\n\t "]).into()),
    ("escapes", |rng, draft| {
        for (name, value) in draft.discovery.get_or_insert_default() {
            if let Ok(serde_json::Value::String(plain)) = serde_json::from_str(value) {
                *value = escaped(&plain, rng);
            } else if name == "labels"
                && let Ok(labels) = serde_json::from_str::<Vec<String>>(value)
            {
                let labels: Vec<_> = labels.iter().map(|label| escaped(label, rng)).collect();
                *value = format!("[{}]", labels.join(","));
            }
        }
    }),
    ("escaped message", |_, draft| draft.set("message", "\"h\\u0069\"")),
    ("odd instance", |rng, draft| draft.set("instance", choose(rng, INSTANCES))),
    ("long instance", |rng, draft| draft.set("instance", text(&"a".repeat(rng.usize(17..3000))))),
    ("repeated instance", |_, draft| {
        draft.envelope.push(field("instance", "\"00000000000000ff\""));
    }),
    ("odd timestamp", |rng, draft| draft.set("timestamp", choose(rng, NUMBERS))),
    ("odd signature", |rng, draft| draft.set("signature", choose(rng, INSTANCES))),
    ("spaces around labels", |rng, draft| {
        let labels = [" a:1", "b:2 ", "\tc:3", "d:4", "d:4"].map(str::to_owned);
        draft.set_inner("labels", list(&labels[rng.usize(..3)..]));
    }),
];

/// Things that a packet must not be.
pub(crate) const WRONGS: &[(&str, Oddity)] = &[
    ("no hostname", |_, draft| draft.remove_inner("hostname")),
    ("odd hostname", |rng, draft| draft.set_inner("hostname", choose(rng, HOSTNAMES))),
    ("long hostname", |rng, draft| {
        draft.set_inner("hostname", text(&"h".repeat(rng.usize(254..400))));
    }),
    ("too many labels", |rng, draft| {
        let labels: Vec<_> =
            (0..rng.usize(1025..1100)).map(|number| format!("n:{number}")).collect();
        draft.set_inner("labels", list(&labels));
    }),
    ("the same label too often", |_, draft| {
        draft.set_inner("labels", list(&vec!["same".into(); 1025]));
    }),
    ("bad label", |rng, draft| draft.set_inner("labels", choose(rng, LABELS))),
    ("label too long", |rng, draft| {
        draft.set_inner("labels", list(&["ok".into(), "l".repeat(rng.usize(1025..1500))]));
    }),
    ("no message", |_, draft| draft.remove("message")),
    ("odd message", |rng, draft| draft.set("message", choose(rng, MESSAGES))),
    ("no discovery", |_, draft| draft.discovery = None),
    ("discovery null", |_, draft| {
        draft.discovery = None;
        draft.envelope.push(field("discovery", "null"));
    }),
    ("repeated hostname", |_, draft| {
        draft.discovery.get_or_insert_default().push(field("hostname", "\"twice\""));
    }),
    ("repeated message", |_, draft| draft.envelope.push(field("message", "\"goodbye\""))),
    ("too large", |rng, draft| {
        draft.set("padding", text(&"p".repeat(rng.usize(262_000..270_000))));
    }),
    ("something behind", |rng, draft| {
        draft.tail = choose(rng, &["}", "x", ",", "{}", "\0", "null"]).into();
    }),
    ("deep", |rng, draft| {
        let depth = rng.usize(100..400);
        draft.set("deep", format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    }),
];

/// Whole payloads that are nothing like a packet. Lists in place of objects are not among them: the
/// first base took them for packets, and one that only one program accepts makes all later lists
/// differ.
pub(crate) const JUNK: &[&[u8]] = &[
    b"",
    b" ",
    b"null",
    b"true",
    b"0",
    b"\"hi\"",
    b"[]",
    b"{}",
    b"{",
    b"}",
    b"[1,2",
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b"\0\0\0\0",
    b"hi",
    b"{\"message\":\"hi\"}",
    b"{\"discovery\":{}}",
    b"{\"discovery\":{},\"message\":\"hi\"}",
    b"{\"discovery\":{\"hostname\":\"\\ud800\"},\"message\":\"hi\"}",
    b"{\"discovery\":{\"hostname\":\"a\xffb\"},\"message\":\"hi\"}",
    b"{'discovery':{'hostname':'a'},'message':'hi'}",
    b"{\"discovery\":{\"hostname\":\"a\",},\"message\":\"hi\"}",
    b"{\"DISCOVERY\":{\"hostname\":\"a\"},\"message\":\"hi\"}",
    b"{\"discovery\":{\"hostname\":\"a\"},\"message\":\"hi\"} {\"discovery\":{\"hostname\":\"b\"},\"message\":\"hi\"}",
    b"{\"discovery\":{\"hostname\":\"a\nb\"},\"message\":\"hi\"}",
];

const NUMBERS: &[&str] = &[
    "-1",
    "1",
    "1.5",
    "1e3",
    "1e400",
    "99999999999999999999",
    "\"0\"",
    "null",
    "true",
    "[]",
    "{}",
    "-0",
    "00",
];

const NAMES: &[&str] =
    &["x", "version", "Hostname", "LABELS", "", "discovery2", "key with spaces", "\\u0068ostname"];

const VALUES: &[&str] = &[
    "1",
    "null",
    "true",
    "\"text\"",
    "[1,[2,[3]]]",
    "{\"a\":{\"b\":[null,1.5e-3]}}",
    "\"\\ud83d\\ude00\"",
    "\"\"",
    "-0.0",
    "[]",
    "{\"hostname\":\"inner\",\"message\":\"hi\"}",
];

const INSTANCES: &[&str] = &[
    "null",
    "1",
    "-1",
    "1.5",
    "true",
    "\"\"",
    "\"1\"",
    "\"0000000000000000\"",
    "\"0000000000000001\"",
    "\"00000000000000FF\"",
    "\"00000000000000ff\"",
    "\"00000000000000f\"",
    "\"000000000000000ff\"",
    "\"nonsense\"",
    "\"\\u0030000000000000abc\"",
    "[\"00000000000000ff\"]",
    "{\"a\":1}",
    "\"ž\"",
];

const HOSTNAMES: &[&str] = &[
    "null",
    "\"\"",
    "\" \"",
    "1",
    "true",
    "[]",
    "{}",
    "\"a b\"",
    "\"a\\u0000b\"",
    "\"a\\nb\"",
    "\" a\"",
    "\"a \"",
    "\"a\\tb\"",
    "\"\\u00a0\"",
    "\"a\\u2028b\"",
    "\"a\\u007fb\"",
    "\"a\\u0085b\"",
    "\"\\ud800\"",
    "\"a\\u200bb\"",
];

const LABELS: &[&str] = &[
    "[\"\"]",
    "[\" \"]",
    "[null]",
    "[1]",
    "[[\"a\"]]",
    "\"a\"",
    "{}",
    "1",
    "true",
    "[\"a\\u0000\"]",
    "[\"a\\nb\"]",
    "[\"ok\",\"\\u001b[31m\"]",
    "[\"a\\u007fb\"]",
    "[\"a\\u0085b\"]",
    "[\"\\ud800\"]",
    "[\"a\",\"\",\"b\"]",
    "[\"a\\tb\"]",
    "[\"\\u2028\"]",
    "[\"ok\",\"a\\rb\"]",
];

const MESSAGES: &[&str] = &[
    "null",
    "\"\"",
    "\"HI\"",
    "\"hi \"",
    "\" hi\"",
    "\"bye\"",
    "\"goodbye!\"",
    "\"Goodbye\"",
    "1",
    "true",
    "[\"hi\"]",
    "{}",
    "\"hi\\u0000\"",
];

/// One of these.
pub(crate) fn choose(rng: &mut Rng, choices: &[&'static str]) -> &'static str {
    choices[rng.usize(..choices.len())]
}
