//! Changes: answers that were changed on purpose as a whole, each with its reason.
//!
//! A change makes of the old program's answer the one that the new program must give, from what the
//! old one says, also when it is asked the same in another form ([`Form`]). The result must then be
//! equal to the new answer as any other. So a change hides no fault that comes later, and applies
//! no more once the older program has it, too.

use std::collections::BTreeSet;

use crate::http::PACKED_LENGTH;
use crate::observation::{Form, Observation};

/// An answer that was changed on purpose.
pub(crate) struct Change {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// Why, in a sentence.
    pub(crate) reason: &'static str,
    /// What the new program must show, from what the old one shows; `None` where nothing was
    /// changed. The new answer is only for picking one of a few known texts.
    update: fn(case: &str, old: &Observation, new: &Observation) -> Option<Observation>,
}

/// All changes, in the order in which they are made.
pub(crate) static CHANGES: &[Change] = &[
    Change {
        name: "HEAD",
        reason: "HEAD is answered wherever GET is, by the same head.",
        update: |_, old, _| {
            let get = old.form(Form::Get).filter(|_| status(old) == "405")?;
            (status(get) != "405").then(|| get.clone())
        },
    },
    Change {
        name: "raw target",
        reason: "Raw characters in a target are taken as if they were encoded.",
        update: |_, old, _| old.form(Form::Encoded).filter(|_| status(old) == "400").cloned(),
    },
    Change {
        name: "pretty",
        reason: "Indented lists have an ETag, vary and are packed, as compact ones.",
        update: |_, old, _| {
            let lacks = status(old) == "200" && old.part("header etag").is_none();
            let compact = old.form(Form::Compact).filter(|_| lacks)?;
            let etag = compact.part("header etag")?;
            if status(compact) == "304" {
                return Some(compact.clone());
            }
            let mut updated = old.clone();
            updated.set_header("etag", etag);
            updated.set_header("vary", "Accept-Encoding");
            if let Some(coding) = compact.part("header content-encoding") {
                updated.set_header("content-encoding", coding);
                updated.set_header("content-length", PACKED_LENGTH);
                updated.set("unpacking", "works");
            }
            Some(updated)
        },
    },
    Change {
        name: "304 vary",
        reason: "A 304 varies by Accept-Encoding as the 200 does.",
        update: |_, old, _| {
            let lacks = status(old) == "304" && old.part("header vary").is_none();
            lacks.then(|| old.edited(|seen| seen.set_header("vary", "Accept-Encoding")))
        },
    },
    Change {
        name: "long lists",
        reason: "Long lists are written while they are sent, indented and packed ones, too.",
        update: |_, old, new| {
            let body = old.part("body").filter(|body| body.len() > LONG_LIST)?;
            let formed = old.part("header content-encoding").is_some() || body.starts_with("[\n");
            let chunked = new.part("header transfer-encoding") == Some("chunked");
            (formed && chunked).then(|| {
                old.edited(|seen| {
                    seen.remove_header("content-length");
                    seen.set_header("transfer-encoding", "chunked");
                })
            })
        },
    },
    Change {
        name: "refusals",
        reason: "A request that is not valid HTTP is refused with a line that says why.",
        update: |_, old, new| {
            let silent = |number: &&str| {
                let part = |name: &str| old.part(&format!("{name}{number}"));
                let refused = part("status line").is_some_and(|line| BY_PARSERS.contains(&line));
                refused && part("header content-length") == Some("0")
            };
            let number = ["", " 2", " 3"].into_iter().find(silent)?;
            let told = new.part(&format!("body{number}")).filter(|told| REFUSALS.contains(told))?;
            Some(old.edited(|seen| seen.set_text(number, told)))
        },
    },
    Change {
        name: "allow HEAD",
        reason: "Where GET is allowed, HEAD is.",
        update: |_, old, _| {
            let refused = status(old) == "405" && old.part("header allow") == Some("GET");
            refused.then(|| {
                old.edited(|seen| {
                    seen.set_header("allow", "GET, HEAD");
                    seen.set_text("", "method not allowed here: use GET, HEAD\n");
                })
            })
        },
    },
    Change {
        name: "host names",
        reason: "The refusal of a foreign Host is worded in plain English.",
        update: |_, old, _| {
            let body = old.part("body").filter(|_| status(old) == "403")?;
            let told = body.replace("\" is no name of", "\" is not a name of");
            (told != body).then(|| old.edited(|seen| seen.set_text("", &told)))
        },
    },
    Change {
        name: "LABELS_PATH a file",
        reason: "The path that is not a directory is named, not the file that would be in it.",
        update: |case, old, _| {
            let body = old.part("body").filter(|_| case.starts_with("LABELS_PATH=file"))?;
            let told = body.replace("/_runtime: Not a directory", ": Not a directory");
            (told != body).then(|| old.edited(|seen| seen.set_text("", &told)))
        },
    },
    Change {
        name: "JSON labels",
        reason: "A body that says it is JSON is not taken for labels.",
        update: |case, old, _| {
            let json =
                case == "POST /v1/labels Content-Type: application/json \"type:1\" (6 bytes)";
            (json && status(old) == "200").then(|| {
                old.edited(|seen| {
                    seen.set("status line", "HTTP/1.1 415 Unsupported Media Type");
                    seen.set_text("", NOT_LABELS);
                })
            })
        },
    },
    Change {
        name: "JSON labels stored",
        reason: "The older program stores the label of such a body.",
        update: |case, old, _| {
            let after = case.starts_with("after POST /v1/labels Content-Type: application/json");
            after.then(|| {
                old.edited(|seen| {
                    for part in ["body", "list", "file"] {
                        let text = old.part(part).unwrap_or_default();
                        seen.set(part, text.replace("\"type:1\",", "").replace("type:1\n", ""));
                    }
                })
            })
        },
    },
];

/// Longer lists than this are written while they are sent.
const LONG_LIST: usize = 2 << 20;

/// Status lines of parsers that refuse.
const BY_PARSERS: [&str; 2] =
    ["HTTP/1.1 400 Bad Request", "HTTP/1.1 431 Request Header Fields Too Large"];

/// What a parser that refuses says.
const REFUSALS: &[&str] = &[
    "exactly one Host header is needed\n",
    "the version of HTTP is not supported: use HTTP/1.1\n",
    "the request line is not valid: expected a method, a path without spaces and HTTP/1.1\n",
    "a header is not valid: expected lines of the form \"Name: value\"\n",
    "the request is not valid HTTP/1.1\n",
    "Content-Length is not valid: expected one whole number of bytes, and no Transfer-Encoding beside it\n",
    "the chunks of the body are not valid, or its Transfer-Encoding is not \"chunked\"\n",
    "the head of the request is too long: shorten the path, the query or the headers\n",
];

const NOT_LABELS: &str =
    "a body of type \"application/json\" cannot be read: send one label a line, as text/plain\n";

/// What the new program must show in a case, from what the old one shows. The names of the changes
/// that were made are added to `used`.
pub(crate) fn up_to_date(
    case: &str,
    old: &Observation,
    new: &Observation,
    used: &mut BTreeSet<&'static str>,
) -> Observation {
    let mut updated = old.clone();
    for Change { name, update, .. } in CHANGES {
        if let Some(changed) = update(case, &updated, new).filter(|changed| *changed != updated) {
            used.insert(name);
            updated = changed;
        }
    }
    if used.contains("HEAD") {
        updated.remove_body();
    }
    updated
}

fn status(seen: &Observation) -> &str {
    seen.part("status line").and_then(|line| line.split(' ').nth(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::observe;

    const GET: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-type: application/json\r\n\
        etag: W/\"7-1\"\r\nvary: Accept-Encoding\r\n\r\n[]\n";
    const REFUSED: &str = "HTTP/1.1 405 Method Not Allowed\r\nallow: GET\r\n\
        content-length: 32\r\ncontent-type: text/plain; charset=utf-8\r\n\r\n";

    fn seen(reply: &str) -> Observation {
        observe(reply.as_bytes(), true)
    }

    fn updated(
        case: &str,
        old: &Observation,
        new: &Observation,
    ) -> (Observation, Vec<&'static str>) {
        let mut used = BTreeSet::new();
        let updated = up_to_date(case, old, new, &mut used);
        (updated, used.into_iter().collect())
    }

    /// Whether both have the same parts, in whatever order.
    fn are_same(one: &Observation, other: &Observation) -> bool {
        let all = |seen: &Observation| -> BTreeSet<(String, String)> {
            let part =
                |name: &str| (name.to_owned(), seen.part(name).unwrap_or_default().to_owned());
            seen.names().map(part).collect()
        };
        all(one) == all(other)
    }

    #[test]
    fn head_must_be_answered_by_the_head_of_get() {
        let old = seen(REFUSED).with_form(Form::Get, seen(GET));
        let mut head = seen(GET);
        head.remove_body();
        let (expected, used) = updated("HEAD /", &old, &head);
        assert!(are_same(&expected, &head), "{expected:?}");
        assert_eq!(used, ["HEAD"]);
        for wrong in [seen(REFUSED), seen(GET), head.edited(|seen| seen.set_header("etag", "8"))] {
            assert!(!are_same(&updated("HEAD /", &old, &wrong).0, &wrong), "{wrong:?}");
        }
    }

    #[test]
    fn an_indented_list_must_have_the_etag_of_the_compact_one() {
        let plain = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n[\n]\n";
        let old = seen(plain).with_form(Form::Compact, seen(GET));
        let new = seen(plain).edited(|seen| {
            seen.set_header("etag", "W/\"7-1\"");
            seen.set_header("vary", "Accept-Encoding");
        });
        let (expected, used) = updated("GET /?pretty", &old, &new);
        assert!(are_same(&expected, &new), "{expected:?}");
        assert_eq!(used, ["pretty"]);
        let other = new.edited(|seen| seen.set_header("etag", "W/\"8-1\""));
        assert!(!are_same(&updated("GET /?pretty", &old, &other).0, &other));
    }

    #[test]
    fn a_parser_may_say_only_what_is_known() {
        let old = seen("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        let told = |text: &str| old.edited(|seen| seen.set_text("", text));
        for (text, is_known) in [(REFUSALS[0], true), ("exactly two Host headers\n", false)] {
            let new = told(text);
            assert_eq!(are_same(&updated("raw x", &old, &new).0, &new), is_known, "{text}");
        }
    }

    #[test]
    fn an_answer_that_nothing_was_changed_of_stays_as_it_is() {
        let old = seen(GET);
        assert_eq!(updated("GET /", &old, &old), (old.clone(), vec![]));
    }
}
