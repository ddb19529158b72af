//! The inventory of Ansible, as it takes it from a program.

use std::collections::{BTreeMap, BTreeSet};

use lobby_client::{Discovery, Label};
use serde_json::{Value, json};

use super::Fleet;
use super::cells::{by_key, plain};

/// Longest label that makes a group, in bytes.
const MAX_LABEL_LEN: usize = 64;

/// What is in a group.
#[derive(Default)]
struct Group<'a> {
    hosts: BTreeSet<&'a str>,
    children: BTreeSet<String>,
}

/// All groups, and the variables of all hosts.
pub(super) fn inventory(fleet: &Fleet) -> String {
    let mut groups = groups(&fleet.servers);
    let mut top: BTreeSet<String> = groups.keys().cloned().collect();
    for child in groups.values().flat_map(|group| &group.children) {
        top.remove(child);
    }
    top.insert("ungrouped".to_owned());
    let grouped: BTreeSet<_> = groups.values().flat_map(|group| group.hosts.clone()).collect();
    let names = fleet.servers.iter().map(|server| server.hostname.as_str());
    let ungrouped = names.filter(|name| !grouped.contains(name)).collect();
    groups.insert("ungrouped".to_owned(), Group { hosts: ungrouped, ..Group::default() });
    groups.insert("all".to_owned(), Group { children: top, ..Group::default() });
    let mut inventory: BTreeMap<_, _> =
        groups.into_iter().map(|(name, group)| (name, group.to_json())).collect();
    let variables = fleet.servers.iter().map(|server| (&server.hostname, variables(fleet, server)));
    let variables: BTreeMap<_, _> = variables.collect();
    inventory.insert("_meta".to_owned(), json!({"hostvars": variables}));
    format!("{:#}\n", json!(inventory))
}

/// The variables of one host; none for one that is not there.
pub(super) fn host(fleet: &Fleet, name: &str) -> String {
    let server = fleet.servers.iter().find(|server| server.hostname.as_str() == name);
    format!("{:#}\n", server.map_or_else(|| json!({}), |server| variables(fleet, server)))
}

/// A group `KEY_VALUE` for each label within a group `KEY`, which also holds the hosts of a label
/// without a value. Their names are never those of Ansible's own groups.
fn groups(servers: &[Discovery]) -> BTreeMap<String, Group<'_>> {
    let mut groups = BTreeMap::<_, Group<'_>>::new();
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

/// A name that Ansible takes without a warning.
fn group_name(text: &str) -> String {
    let name = plain(text);
    let is_odd = name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit());
    if is_odd || matches!(&*name, "all" | "ungrouped" | "_meta") {
        format!("_{name}")
    } else {
        name
    }
}

fn variables(fleet: &Fleet, server: &Discovery) -> Value {
    let mut variables = json!({"lobby_labels": server.labels, "lobby": by_key(server)});
    if let Some(address) = fleet.address_labels.address(&server.labels) {
        variables["ansible_host"] = json!(address);
    }
    variables
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
