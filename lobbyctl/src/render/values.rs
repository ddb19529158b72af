//! What a template knows of the lobby.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use lobby_client::{AddressLabels, HostName, Label, Selector};
use minijinja::value::{Object, ObjectRepr, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// A server as a template sees it: `name`, `labels`, `address`, `value(KEY)`, `values(KEY)`.
#[derive(Debug)]
pub(super) struct Host {
    name: String,
    labels: Vec<String>,
    address: Option<String>,
}

impl Host {
    pub(super) fn new(name: &HostName, labels: &[Label], addresses: &AddressLabels) -> Self {
        let labels: Vec<_> = labels.iter().map(|label| label.as_str().to_owned()).collect();
        let address = addresses.address(&labels).map(|address| address.to_string());
        Self { name: name.to_string(), labels, address }
    }

    /// Whether it is to get no more work.
    pub(super) fn is_drained(&self) -> bool {
        self.labels.iter().any(|label| label == "drain" || label.starts_with("drain:"))
    }

    fn is_chosen(&self, selector: &Selector) -> bool {
        selector.condition().holds(&self.name, self.labels.iter().map(String::as_str))
    }

    fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.labels.iter().filter_map(move |label| label.strip_prefix(key)?.strip_prefix(':'))
    }
}

impl Object for Host {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "name" => Value::from(self.name.as_str()),
            "labels" => self.labels.iter().map(String::as_str).collect(),
            "address" => Value::from(self.address.as_deref()?),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        if !matches!(method, "value" | "values") {
            return Err(ErrorKind::UnknownMethod.into());
        }
        let (key,): (&str,) = from_args(arguments)?;
        let mut values = self.values(key);
        Ok(match method {
            "value" => values.next().map_or(Value::UNDEFINED, Value::from),
            _ => values.map(Value::from).collect(),
        })
    }
}

/// The names of the servers that selectors of a template chose; none before the first selector.
#[derive(Debug, Clone, Default)]
pub(super) struct Chosen(Arc<Mutex<Option<BTreeSet<String>>>>);

impl Chosen {
    fn add<'a>(&self, hosts: impl Iterator<Item = &'a Arc<Host>>) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get_or_insert_default().extend(hosts.map(|host| host.name.clone()));
    }

    /// Their number.
    pub(super) fn count(&self) -> Option<usize> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.as_ref().map(BTreeSet::len)
    }
}

/// Those of some servers that a selector chooses.
pub(super) fn chosen(hosts: &[Arc<Host>], selector: &str, taken: &Chosen) -> Result<Value, Error> {
    let selector = Selector::parse(selector).map_err(|invalid| {
        let problem = "the selector is not a valid one";
        Error::new(ErrorKind::InvalidOperation, problem).with_source(invalid)
    })?;
    let chosen = hosts.iter().filter(|host| host.is_chosen(&selector));
    taken.add(chosen.clone());
    Ok(listed(chosen))
}

/// A list of servers.
pub(super) fn listed<'a>(hosts: impl Iterator<Item = &'a Arc<Host>>) -> Value {
    hosts.map(|host| Value::from_dyn_object(Arc::clone(host))).collect::<Vec<_>>().into()
}

/// Whether a text is a name that is safe in configurations: letters, digits, `-`, `_` and dots.
/// The names of servers may hold everything but white space.
pub(super) fn is_plain_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
