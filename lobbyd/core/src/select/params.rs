//! Query parameters, read as Go's net/url does it for lobby 1.x, except that an invalid query
//! string is refused.

use std::time::Duration;

use lobby_client::Filter;
use lobby_client::ttl::parse_ttl;
use percent_encoding::percent_decode_str;

/// Longest time that a request may wait for another answer.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// The parameters of a request, in their order. Unknown ones are ignored where nothing changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryParams(Vec<(String, String)>);

/// The reason why a text is not a valid query string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    /// The parameter with a `%` that begins no escape.
    #[error(
        "bad escape in query parameter {0:?}: behind % two hexadecimal digits are needed, and the sign itself is written %25"
    )]
    Escape(String),
    /// The parameter whose bytes are not UTF-8.
    #[error("query parameter {0:?} is not UTF-8 after decoding")]
    NotUtf8(String),
    /// The parameter that a selector is given beside.
    #[error("selector and {0} cannot be given together: say all of it in the selector")]
    SelectorBeside(&'static str),
    /// There is more than one selector.
    #[error("selector is given more than once: join them by \"and\"")]
    SecondSelector,
    /// The text that is not a time to wait.
    #[error("wait={0:?} is not a time to wait: expected 0s to {max}s, such as 30s or 5m", max = MAX_WAIT.as_secs())]
    Wait(String),
    /// A parameter that a request to change something does not take, and those that it takes.
    #[error("unknown query parameter {0:?}: {known}, and nothing was changed", known = taken(.1))]
    Unknown(String, &'static [&'static str]),
    /// The parameter that a request to change something has twice.
    #[error("query parameter {0:?} is given more than once, and nothing was changed")]
    Repeated(String),
    /// The text that is not the time of a lease.
    #[error("ttl={0:?} is not a time for a label: expected 1s to 365d, such as 60s, 5m, 12h or 7d")]
    Ttl(String),
}

impl QueryParams {
    /// Reads a query string, which is what stands behind the `?`.
    ///
    /// # Errors
    /// [`InvalidQuery`] names the parameter. lobby 1.x takes such a query for an empty one and
    /// answers with everything.
    pub fn parse(raw: &str) -> Result<Self, InvalidQuery> {
        raw.split('&')
            .filter(|parameter| !parameter.is_empty())
            .map(parse_parameter)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The wanted servers: `labels` or, without it, `prefixes`, with commas in between. An empty
    /// parameter counts as absent.
    pub fn filter(&self) -> Filter {
        match (self.first("labels"), self.first("prefixes")) {
            ("", "") => Filter::All,
            ("", prefixes) => Filter::Prefixes(at_commas(prefixes)),
            (labels, _) => Filter::Labels(at_commas(labels)),
        }
    }

    /// The selector of the wanted servers, also an empty one.
    ///
    /// # Errors
    /// When a selector is given beside one of the other parameters that choose servers, or twice:
    /// one of the two would be ignored.
    pub fn selector(&self) -> Result<Option<&str>, InvalidQuery> {
        let mut selectors = self.0.iter().filter(|(name, _)| name == "selector");
        let Some((_, selector)) = selectors.next() else { return Ok(None) };
        if let Some(other) = ["labels", "prefixes", "label"].into_iter().find(|n| self.has(n)) {
            return Err(InvalidQuery::SelectorBeside(other));
        }
        if selectors.next().is_some() {
            return Err(InvalidQuery::SecondSelector);
        }
        Ok(Some(selector))
    }

    /// How long to wait for another answer than the one that the client has: whole seconds or, with
    /// `m` behind them, minutes.
    ///
    /// # Errors
    /// When it is something else, or more than five minutes.
    pub fn wait(&self) -> Result<Option<Duration>, InvalidQuery> {
        let Some((_, text)) = self.0.iter().find(|(name, _)| name == "wait") else {
            return Ok(None);
        };
        let (digits, unit) = match text.strip_suffix('m') {
            Some(minutes) => (minutes, 60),
            None => (text.strip_suffix('s').unwrap_or(text), 1),
        };
        let number = Some(digits).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let seconds = number.and_then(|digits| digits.parse::<u64>().ok()?.checked_mul(unit));
        match seconds.map(Duration::from_secs).filter(|wait| *wait <= MAX_WAIT) {
            Some(wait) => Ok(Some(wait)),
            None => Err(InvalidQuery::Wait(text.clone())),
        }
    }

    /// The time after which the labels that are added end; `None` if they stay.
    ///
    /// # Errors
    /// When it is something else than [`parse_ttl`] takes.
    pub fn ttl(&self) -> Result<Option<Duration>, InvalidQuery> {
        let Some(text) = self.parameter("ttl") else { return Ok(None) };
        parse_ttl(text).map(Some).ok_or_else(|| InvalidQuery::Ttl(text.to_owned()))
    }

    /// Checks that there are no parameters but these, each at most once: a request that changes
    /// something must not do something else than its sender has meant.
    ///
    /// # Errors
    /// The first other parameter.
    pub fn check_only(&self, known: &'static [&'static str]) -> Result<(), InvalidQuery> {
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(InvalidQuery::Unknown(name.clone(), known));
            }
            if self.0[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(InvalidQuery::Repeated(name.clone()));
            }
        }
        Ok(())
    }

    /// Whether JSON shall be indented: `pretty` is there and not switched off.
    pub fn pretty(&self) -> bool {
        self.is_on("pretty")
    }

    /// Whether to answer only when every host must have been heard: `warm` is there and not
    /// switched off.
    pub fn warm(&self) -> bool {
        self.is_on("warm")
    }

    /// Whether Prometheus gets labels for relabelling: `meta` is there and not switched off.
    pub fn meta(&self) -> bool {
        self.is_on("meta")
    }

    fn is_on(&self, flag: &str) -> bool {
        self.0.iter().any(|(name, value)| name == flag && !matches!(value.as_str(), "0" | "false"))
    }

    fn has(&self, wanted: &str) -> bool {
        !self.first(wanted).is_empty()
    }

    /// The label to resolve; empty if it is missing: no server has that.
    pub fn label(&self) -> &str {
        self.first("label")
    }

    /// The first parameter of a name, if there is one.
    pub fn parameter(&self, wanted: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    fn first(&self, wanted: &str) -> &str {
        self.parameter(wanted).unwrap_or_default()
    }
}

/// The parameters that are taken, in words.
fn taken(known: &[&str]) -> String {
    match known {
        [] => "this request takes none".to_owned(),
        known => format!("this request takes {}", known.join(", ")),
    }
}

fn parse_parameter(parameter: &str) -> Result<(String, String), InvalidQuery> {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    Ok((decode(name, parameter)?, decode(value, parameter)?))
}

fn decode(text: &str, parameter: &str) -> Result<String, InvalidQuery> {
    if !text.split('%').skip(1).all(begins_with_two_hex_digits) {
        return Err(InvalidQuery::Escape(parameter.to_owned()));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| InvalidQuery::NotUtf8(parameter.to_owned()))?;
    Ok(decoded.into_owned())
}

fn begins_with_two_hex_digits(text: &str) -> bool {
    text.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

fn at_commas(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use lobby_client::{Query, Selector};
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn filter(raw: &str) -> Filter {
        QueryParams::parse(raw).unwrap().filter()
    }

    fn labels<const N: usize>(labels: [&str; N]) -> Filter {
        Filter::Labels(labels.map(str::to_owned).to_vec())
    }

    fn prefixes<const N: usize>(prefixes: [&str; N]) -> Filter {
        Filter::Prefixes(prefixes.map(str::to_owned).to_vec())
    }

    #[test]
    fn labels_and_prefixes_are_lists() {
        assert_eq!(filter("labels=service:web,b"), labels(["service:web", "b"]));
        assert_eq!(filter("prefixes=service:"), prefixes(["service:"]));
    }

    #[test]
    fn labels_beat_prefixes_and_the_first_of_each_wins() {
        assert_eq!(filter("prefixes=p&labels=a&labels=b"), labels(["a"]));
        assert_eq!(filter("prefixes=p&prefixes=q"), prefixes(["p"]));
        assert_eq!(filter("labels=&labels=b"), Filter::All);
    }

    #[test]
    fn an_empty_parameter_is_none() {
        for raw in ["", "&&", "labels=", "labels", "prefixes=", "labels=&prefixes=", "other=x"] {
            assert_eq!(filter(raw), Filter::All, "{raw}");
        }
        assert_eq!(filter("labels=&prefixes=p"), prefixes(["p"]));
    }

    #[test]
    fn a_lone_comma_asks_for_empty_texts() {
        assert_eq!(filter("labels=,"), labels(["", ""]));
        assert_eq!(filter("prefixes=,"), prefixes(["", ""]));
    }

    #[test]
    fn commas_split_after_decoding_and_a_plus_is_a_space() {
        assert_eq!(filter("labels=a%2Cb+c%2bd"), labels(["a", "b c+d"]));
        assert_eq!(filter("label%73=%c5%be"), labels(["ž"]));
        assert_eq!(filter("labels=a=b:c"), labels(["a=b:c"]));
    }

    #[test]
    fn a_bad_escape_or_bad_utf8_is_refused_by_name() {
        for raw in ["labels=%zz", "labels=%2", "labels=100%", "labels=%+1", "a%=b", "x=%&labels=a"]
        {
            assert!(matches!(QueryParams::parse(raw), Err(InvalidQuery::Escape(_))), "{raw}");
        }
        assert_eq!(
            QueryParams::parse("pretty&labels=%ff"),
            Err(InvalidQuery::NotUtf8("labels=%ff".into()))
        );
    }

    #[test]
    fn pretty_is_a_flag_that_may_be_switched_off() {
        for (raw, pretty) in [
            ("pretty", true),
            ("pretty=1", true),
            ("a&pretty=", true),
            ("pretty=false", false),
            ("pretty=0", false),
            ("", false),
        ] {
            assert_eq!(QueryParams::parse(raw).unwrap().pretty(), pretty, "{raw}");
        }
    }

    #[test]
    fn a_selector_stands_alone_and_once() {
        let selector = |raw: &str| {
            let params = QueryParams::parse(raw).unwrap();
            params.selector().map(|selector| selector.map(str::to_owned))
        };
        assert_eq!(selector("pretty"), Ok(None));
        assert_eq!(selector("selector=a%3Db,+c&labels="), Ok(Some("a=b, c".to_owned())));
        assert_eq!(selector("selector"), Ok(Some(String::new())), "empty, not absent");
        for other in ["labels", "prefixes", "label"] {
            let refused = selector(&format!("selector=a&{other}=b"));
            assert_eq!(refused, Err(InvalidQuery::SelectorBeside(other)));
        }
        assert_eq!(selector("selector=a&selector=a"), Err(InvalidQuery::SecondSelector));
    }

    #[test]
    fn a_time_to_wait_is_in_seconds_and_bounded() {
        let wait = |raw: &str| QueryParams::parse(raw).unwrap().wait();
        assert_eq!(wait("pretty"), Ok(None));
        for (raw, seconds) in [("wait=30s", 30), ("wait=30", 30), ("wait=5m", 300), ("wait=0", 0)] {
            assert_eq!(wait(raw), Ok(Some(Duration::from_secs(seconds))), "{raw}");
        }
        for text in ["", "s", "301", "6m", "m", "-1", "+1", "1.5", "30 s", "99999999999999999999"] {
            let raw = format!("wait={}", text.replace('+', "%2B"));
            assert_eq!(wait(&raw), Err(InvalidQuery::Wait(text.to_owned())), "{raw}");
        }
        let told = wait("wait=x").unwrap_err().to_string();
        assert_eq!(
            told,
            "wait=\"x\" is not a time to wait: expected 0s to 300s, such as 30s or 5m"
        );
    }

    #[test]
    fn the_time_of_a_label_is_bounded_and_has_a_unit() {
        let ttl = |raw: &str| QueryParams::parse(raw).unwrap().ttl();
        assert_eq!(ttl("pretty"), Ok(None));
        assert_eq!(ttl("ttl=12h"), Ok(Some(Duration::from_secs(43_200))));
        for text in ["", "0s", "366d", "soon"] {
            assert_eq!(ttl(&format!("ttl={text}")), Err(InvalidQuery::Ttl(text.to_owned())));
        }
        assert_eq!(
            ttl("ttl=0s").unwrap_err().to_string(),
            "ttl=\"0s\" is not a time for a label: expected 1s to 365d, such as 60s, 5m, 12h or 7d"
        );
    }

    #[test]
    fn what_changes_something_takes_its_own_parameters_once() {
        let check = |raw: &str, known| QueryParams::parse(raw).unwrap().check_only(known);
        for raw in ["", "&", "ttl=1h", "ttl"] {
            assert_eq!(check(raw, &["ttl"]), Ok(()), "{raw}");
        }
        for raw in ["tll=1h", "ttl=1h&tll=2h", "TTL=1h", "=1h", "ttl%20=1h"] {
            let refused = check(raw, &["ttl"]).unwrap_err();
            assert!(matches!(refused, InvalidQuery::Unknown(..)), "{raw}: {refused}");
        }
        assert_eq!(check("ttl=1h&ttl=1h", &["ttl"]), Err(InvalidQuery::Repeated("ttl".into())));
        assert_eq!(
            check("tll=1h", &["ttl"]).unwrap_err().to_string(),
            "unknown query parameter \"tll\": this request takes ttl, and nothing was changed"
        );
        assert_eq!(
            check("ttl=1h", &[]).unwrap_err().to_string(),
            "unknown query parameter \"ttl\": this request takes none, and nothing was changed"
        );
    }

    #[test]
    fn the_label_to_resolve_is_not_split() {
        assert_eq!(QueryParams::parse("label=a,b&label=c").unwrap().label(), "a,b");
        assert_eq!(QueryParams::parse("").unwrap().label(), "");
    }

    /// The parameters of a question as a client sends it.
    fn sent(question: &Query) -> Result<QueryParams, TestCaseError> {
        let path =
            question.path().map_err(|unsendable| TestCaseError::reject(unsendable.to_string()))?;
        QueryParams::parse(path.split_once('?').unwrap().1)
            .map_err(|error| TestCaseError::fail(error.to_string()))
    }

    proptest! {
        #[test]
        fn what_a_client_asks_is_what_is_read(
            texts in prop::collection::vec("\\PC{1,8}", 1..4), operator in prop::sample::select(vec!["=", "=~", "!="]),
        ) {
            for filter in [Filter::Labels(texts.clone()), Filter::Prefixes(texts.clone())] {
                prop_assert_eq!(sent(&Query::Discoveries(filter.clone()))?.filter(), filter);
            }
            let label = sent(&Query::Resolve(texts[0].clone()))?;
            prop_assert_eq!((label.label(), label.selector()), (&*texts[0], Ok(None)));
            let words = texts.iter().map(|text| format!("k{operator}'{}'", text.replace('\'', "+&#%")));
            let selector = Selector::parse(&words.collect::<Vec<_>>().join(" or "));
            let selector = selector.map_err(|error| TestCaseError::reject(error.one_line()))?;
            for question in [Query::Discoveries(Filter::Selector(selector.clone())), Query::Names(selector.clone())] {
                let read = sent(&question)?;
                prop_assert_eq!(read.selector().map(|text| text.map(Selector::parse)), Ok(Some(Ok(selector.clone()))));
            }
        }

        #[test]
        fn whatever_is_escaped_comes_back(name in "\\PC{0,8}", value in "\\PC{0,20}") {
            let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let raw = format!("{}={}", escaped(&name), escaped(&value));
            prop_assert_eq!(QueryParams::parse(&raw), Ok(QueryParams(vec![(name, value)])));
        }

        #[test]
        fn what_is_not_refused_is_read_as_browsers_write_forms(raw in "[a-z%&=+,0-9é]{0,30}") {
            let read_by_url: Vec<(String, String)> = url::form_urlencoded::parse(raw.as_bytes()).into_owned().collect();
            if let Ok(query) = QueryParams::parse(&raw) {
                prop_assert_eq!(query.0, read_by_url);
            }
        }
    }
}
