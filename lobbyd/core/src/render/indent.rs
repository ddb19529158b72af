//! Indentation: JSON for people to read, as `serde_json` writes it.

/// Columns of a level.
const WIDTH: usize = 2;

/// Writes compact JSON, which is expected to be valid, on several lines. All but the first of them
/// are indented by `depth` levels more.
pub(crate) fn indent(compact: &str, mut depth: usize, json: &mut String) {
    let mut rest = compact;
    while let Some(first) = rest.chars().next() {
        let token = token(rest, first);
        rest = &rest[token.len()..];
        match first {
            '{' | '[' => {
                json.push(first);
                if !rest.starts_with(['}', ']']) {
                    depth += 1;
                    start_line(depth, json);
                } else if let Some(end) = rest.chars().next() {
                    json.push(end);
                    rest = &rest[1..];
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                start_line(depth, json);
                json.push(first);
            }
            ',' => {
                json.push(',');
                start_line(depth, json);
            }
            ':' => json.push_str(": "),
            _ => json.push_str(token),
        }
    }
}

/// Begins a line of this depth.
pub(crate) fn start_line(depth: usize, json: &mut String) {
    json.push('\n');
    json.extend(std::iter::repeat_n(' ', depth * WIDTH));
}

/// What a text begins with: a string, a punctuation mark, or anything else up to the next mark.
fn token(rest: &str, first: char) -> &str {
    match first {
        '"' => &rest[..string_len(rest)],
        '{' | '}' | '[' | ']' | ',' | ':' => &rest[..1],
        _ => &rest[..rest.find(['{', '}', '[', ']', ',', ':', '"']).unwrap_or(rest.len())],
    }
}

/// The length of the string that a text begins with, quotes included.
fn string_len(rest: &str) -> usize {
    let (bytes, mut at) = (rest.as_bytes(), 1);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a\"\\\\{},:é\\[\\]\n]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-c\"\\\\:]{0,3}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_writes_what_serde_json_writes(value in value()) {
            let mut json = String::new();
            indent(&value.to_string(), 0, &mut json);
            prop_assert_eq!(json, serde_json::to_string_pretty(&value).unwrap());
        }

        #[test]
        fn it_takes_any_text(text in "\\PC{0,40}") {
            indent(&text, 1, &mut String::new());
        }
    }
}
