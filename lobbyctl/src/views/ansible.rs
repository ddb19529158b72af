//! The inventory of Ansible, as it takes it from a program.

use std::collections::{BTreeMap, BTreeSet};

use lobby_client::{Discovery, Label};
use serde_json::{Value, json};

use super::cells::{by_key, is_plain_name, plain};
use super::{Fleet, View};

/// Longest label that makes a group, in bytes.
const MAX_LABEL_LEN: usize = 64;

/// What the keys begin with to which Ansible's decoder of JSON gives a meaning.
const RESERVED: &str = "__ansible";

const BAD_NAME: &str = "with a name that Ansible would take for something else";

/// What is in a group.
#[derive(Default)]
struct Group<'a> {
    hosts: BTreeSet<&'a str>,
    children: BTreeSet<String>,
}

/// All groups, and the variables of all hosts.
pub(super) fn inventory(fleet: &Fleet) -> View {
    let servers: Vec<_> = fleet.servers.iter().filter(|server| is_host(server)).collect();
    let groups = all_groups(&servers);
    let mut inventory: BTreeMap<_, _> =
        groups.into_iter().map(|(name, group)| (name, group.to_json())).collect();
    let variables = servers.iter().map(|server| (&server.hostname, variables(fleet, server)));
    let variables: BTreeMap<_, _> = variables.collect();
    inventory.insert("_meta".to_owned(), json!({"hostvars": variables}));
    let left_out = fleet.servers.len() - servers.len();
    View { text: format!("{:#}\n", json!(inventory)), left_out, reason: BAD_NAME }
}

/// The variables of one host; none for one that is not there.
pub(super) fn host(fleet: &Fleet, name: &str) -> String {
    let mut servers = fleet.servers.iter().filter(|server| is_host(server));
    let server = servers.find(|server| server.hostname.as_str() == name);
    format!("{:#}\n", server.map_or_else(|| json!({}), |server| variables(fleet, server)))
}

/// Whether a server can be a host of Ansible. Ansible evaluates a name with braces, reads files of
/// variables whose path has the name in it, and runs what is meant for the controller on a host
/// that is called as the controller is.
fn is_host(server: &Discovery) -> bool {
    let name = server.hostname.as_str();
    let is_controller = matches!(name, "localhost" | "127.0.0.1");
    is_plain_name(name) && !name.starts_with('.') && !name.starts_with(RESERVED) && !is_controller
}

/// The groups of labels, and Ansible's own.
fn all_groups<'a>(servers: &[&'a Discovery]) -> BTreeMap<String, Group<'a>> {
    let mut groups = groups(servers);
    let mut top: BTreeSet<String> = groups.keys().cloned().collect();
    for child in groups.values().flat_map(|group| &group.children) {
        top.remove(child);
    }
    top.insert("ungrouped".to_owned());
    let grouped: BTreeSet<_> = groups.values().flat_map(|group| group.hosts.clone()).collect();
    let names = servers.iter().map(|server| server.hostname.as_str());
    let ungrouped = names.filter(|name| !grouped.contains(name)).collect();
    groups.insert("ungrouped".to_owned(), Group { hosts: ungrouped, ..Group::default() });
    groups.insert("all".to_owned(), Group { children: top, ..Group::default() });
    groups
}

/// A group `KEY_VALUE` for each label within a group `KEY`, which also holds the hosts of a label
/// without a value. Their names are never those of Ansible's own groups.
fn groups<'a>(servers: &[&'a Discovery]) -> BTreeMap<String, Group<'a>> {
    let mut groups = BTreeMap::<_, Group<'a>>::new();
    for server in servers {
        let labels = server.labels.iter().filter(|label| label.as_str().len() <= MAX_LABEL_LEN);
        for label in labels {
            let (parent, child) = (group_name(label.name()), child_name(label));
            // The label `:` would make a group of itself, which Ansible refuses with all the
            // others.
            if let Some(child) = child.filter(|child| *child != parent) {
                groups.entry(parent).or_default().children.insert(child.clone());
                groups.entry(child).or_default().hosts.insert(server.hostname.as_str());
            } else {
                groups.entry(parent).or_default().hosts.insert(server.hostname.as_str());
            }
        }
    }
    groups
}

fn child_name(label: &Label) -> Option<String> {
    Some(group_name(&format!("{}_{}", label.name(), label.value()?)))
}

/// A name that Ansible takes without a warning, and for a group of labels and nothing else: plays
/// for `localhost` would run on the hosts of a group of that name.
fn group_name(text: &str) -> String {
    let name = plain(text);
    let is_odd = name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit());
    let is_reserved = matches!(&*name, "all" | "ungrouped" | "_meta" | "localhost");
    if is_odd || is_reserved || name.starts_with(RESERVED) { format!("_{name}") } else { name }
}

fn variables(fleet: &Fleet, server: &Discovery) -> Value {
    let labels: Vec<_> = server.labels.iter().map(|label| verbatim(label.as_str())).collect();
    let mut variables = json!({"lobby_labels": labels, "lobby": values(server)});
    // An IP address, whatever the label was, so no template.
    if let Some(address) = fleet.address_labels.address(&server.labels) {
        variables["ansible_host"] = json!(address);
    }
    variables
}

/// The values of each key. A key cannot be marked as its values are: one that might be a template
/// is left out, and so is one that the decoder would not take for a key.
fn values(server: &Discovery) -> BTreeMap<&str, Vec<Value>> {
    let keys = by_key(server).into_iter();
    let keys = keys.filter(|(key, _)| !key.contains('{') && !key.starts_with(RESERVED));
    keys.map(|(key, values)| (key, values.into_iter().map(verbatim).collect())).collect()
}

/// A text that Ansible does not evaluate. Any other one in an inventory is a template to it, and
/// whoever may write a template runs commands on the controller.
fn verbatim(text: &str) -> Value {
    json!({"__ansible_unsafe": text})
}

impl Group<'_> {
    fn to_json(&self) -> Value {
        let mut group = json!({});
        // A group that is quite empty would be taken for a host.
        if !self.hosts.is_empty() || self.children.is_empty() {
            group["hosts"] = json!(self.hosts);
        }
        if !self.children.is_empty() {
            group["children"] = json!(self.children);
        }
        group
    }
}
