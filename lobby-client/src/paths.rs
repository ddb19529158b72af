//! Paths and queries of the API, percent-encoded.

#[cfg(feature = "http")]
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

#[cfg(feature = "http")]
use crate::Selector;
use crate::{Filter, Unsendable};

/// What is escaped in a query value: all but the unreserved characters of RFC 3986 and the colon,
/// which is in nearly every label.
const VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// Path of the daemon's own server.
pub(crate) const DISCOVERY: &str = "/v1/discovery";

/// Path of the servers whose packets were refused.
#[cfg(feature = "http")]
pub(crate) const REFUSALS: &str = "/v1/refusals";

/// Path of the answer whether the daemon works.
#[cfg(feature = "http")]
pub(crate) const HEALTH: &str = "/healthz";

/// Path of the labels of the daemon's own server.
pub(crate) const LABELS: &str = "/v1/labels";

/// Path at which labels are added that last for a time.
#[cfg(feature = "http")]
pub(crate) fn labels_for(ttl: Duration) -> String {
    let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
    format!("{LABELS}?ttl={seconds}s")
}

/// Path of the daemon's status.
pub(crate) const STATUS: &str = "/v1/status";

pub(crate) fn discoveries(filter: &Filter) -> Result<String, Unsendable> {
    Ok(match filter {
        Filter::All => "/v1/discoveries".to_owned(),
        Filter::Labels(wanted) => format!("/v1/discoveries?labels={}", list("label", wanted)?),
        Filter::Prefixes(wanted) => {
            format!("/v1/discoveries?prefixes={}", list("label prefix", wanted)?)
        }
        Filter::Selector(selector) => {
            format!("/v1/discoveries?selector={}", escaped(selector.as_str()))
        }
    })
}

/// The same list once the daemon must have heard every server.
#[cfg(feature = "http")]
pub(crate) fn warm_discoveries(filter: &Filter) -> Result<String, Unsendable> {
    let path = discoveries(filter)?;
    let sign = if path.contains('?') { '&' } else { '?' };
    Ok(format!("{path}{sign}warm"))
}

/// Path of the feed of events.
#[cfg(feature = "http")]
pub(crate) fn events(selector: Option<&Selector>) -> String {
    match selector {
        Some(selector) => format!("/v1/events?selector={}", escaped(selector.as_str())),
        None => "/v1/events".to_owned(),
    }
}

pub(crate) fn resolve(label: &str) -> String {
    format!("/v1/resolve?label={}", escaped(label))
}

/// Path of the names of the groups that there are.
#[cfg(feature = "http")]
pub(crate) const PROMETHEUS: &str = "/v1/prometheus";

/// Path of the targets of a group, with labels for relabelling.
#[cfg(feature = "http")]
pub(crate) fn prometheus_with_meta(name: &str) -> String {
    format!("{}?meta", prometheus(name))
}

/// The original does not decode the path: what may stand there as it is, such as a colon, must.
pub(crate) fn prometheus(name: &str) -> String {
    const SEGMENT: &AsciiSet = &VALUE
        .remove(b'@')
        .remove(b'!')
        .remove(b'$')
        .remove(b'&')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')')
        .remove(b'*')
        .remove(b'+')
        .remove(b',')
        .remove(b';')
        .remove(b'=');
    format!("/v1/prometheus/{}", utf8_percent_encode(name, SEGMENT))
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, VALUE).to_string()
}

/// The texts as the daemon splits them again: at commas, after decoding. Nothing at all would be
/// taken for «no filter».
fn list(what: &str, wanted: &[String]) -> Result<String, Unsendable> {
    if wanted.iter().all(String::is_empty) {
        return Err(Unsendable(format!("no {what} was given to look for")));
    }
    wanted
        .iter()
        .map(|text| sendable(what, text))
        .collect::<Result<Vec<_>, _>>()
        .map(|texts| texts.join(","))
}

fn sendable(what: &str, text: &str) -> Result<String, Unsendable> {
    if text.is_empty() {
        Err(Unsendable(format!("an empty {what} cannot be looked for")))
    } else if text.contains(',') {
        let hint = "the API would split it at its comma; give several each on its own";
        Err(Unsendable(format!("{what} {text:?} cannot be looked for: {hint}")))
    } else {
        Ok(escaped(text))
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> String {
        percent_decode_str(text).decode_utf8().unwrap().into_owned()
    }

    fn labels(wanted: &[&str]) -> Result<String, Unsendable> {
        discoveries(&Filter::Labels(wanted.iter().map(|&text| text.to_owned()).collect()))
    }

    #[test]
    fn what_has_a_meaning_in_a_url_is_escaped() {
        assert_eq!(resolve("a&b=c+d #é/"), "/v1/resolve?label=a%26b%3Dc%2Bd%20%23%C3%A9%2F");
        assert_eq!(
            labels(&["service:web", "a b"]).unwrap(),
            "/v1/discoveries?labels=service:web,a%20b"
        );
        assert_eq!(prometheus("a:b/../c?"), "/v1/prometheus/a:b%2F..%2Fc%3F");
    }

    #[test]
    fn a_filter_that_the_daemon_would_take_for_another_is_refused() {
        for wanted in [&[][..], &[""], &["a:1", ""], &["a:1,2"]] {
            assert!(labels(wanted).is_err(), "{wanted:?}");
        }
        assert!(
            labels(&["public_ip4:1,2"])
                .unwrap_err()
                .to_string()
                .starts_with("label \"public_ip4:1,2\" cannot")
        );
    }

    proptest! {
        #[test]
        fn a_list_comes_back_as_it_was_when_decoded_and_split(wanted in prop::collection::vec("[^,]+", 1..5)) {
            let path = discoveries(&Filter::Prefixes(wanted.clone())).unwrap();
            let query = path.strip_prefix("/v1/discoveries?prefixes=").unwrap();
            prop_assert!(!query.contains('+'), "a plus sign would be read as a space");
            let decoded = decoded(query);
            prop_assert_eq!(decoded.split(',').collect::<Vec<_>>(), wanted);
        }

        #[test]
        fn any_label_makes_one_value_of_a_query(label in any::<String>()) {
            let path = resolve(&label);
            let value = path.strip_prefix("/v1/resolve?label=").unwrap();
            prop_assert!(value.bytes().all(|byte| byte.is_ascii_graphic() && !b"&+;#?=".contains(&byte)), "{}", value);
            prop_assert_eq!(decoded(value), label);
        }

        #[test]
        fn any_name_stays_one_path_segment(name in any::<String>()) {
            let path = prometheus(&name);
            let segment = path.strip_prefix("/v1/prometheus/").unwrap();
            prop_assert!(segment.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#".contains(&byte)), "{}", segment);
            prop_assert_eq!(decoded(segment), name);
        }
    }
}
