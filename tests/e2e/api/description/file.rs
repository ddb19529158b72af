//! What `openapi.yaml` says, as far as it is about requests: read by its indentation.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

const METHODS: [&str; 5] = ["get", "head", "post", "put", "delete"];

/// The place of a parameter, `query` or `header`, and its name.
pub(super) type Parameter = (String, String);

/// What may be sent to an operation, and which statuses it answers with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Operation {
    pub parameters: BTreeSet<Parameter>,
    pub statuses: BTreeSet<u16>,
}

/// The operations of the file, by path and method.
pub(super) fn operations(file: &str) -> BTreeMap<(String, String), Operation> {
    let file = Node { text: "", children: nodes(&mut lines(file), 0) };
    let mut operations = BTreeMap::new();
    for path in &file.child("paths").expect("paths").children {
        let shared = parameters(path, &file);
        for method in path.children.iter().filter(|node| METHODS.contains(&node.key())) {
            let responses = method.child("responses").map_or(&[][..], |node| &node.children);
            let statuses = responses.iter().map(|node| node.key().trim_matches('\''));
            let operation = Operation {
                parameters: shared.iter().cloned().chain(parameters(method, &file)).collect(),
                statuses: statuses.map(|status| status.parse().expect("a status")).collect(),
            };
            operations.insert((path.key().to_owned(), method.key().to_uppercase()), operation);
        }
    }
    operations
}

/// The fields of an object in an answer, by the name of its schema.
pub(super) fn fields(file: &str, schema: &str) -> BTreeSet<String> {
    let file = Node { text: "", children: nodes(&mut lines(file), 0) };
    let schemas = file.child("components").and_then(|node| node.child("schemas"));
    let properties = schemas.and_then(|node| node.child(schema)?.child("properties"));
    let properties = properties.unwrap_or_else(|| panic!("the properties of {schema}"));
    properties.children.iter().map(|node| node.key().to_owned()).collect()
}

/// The parameters of a path or an operation, except for those within the path.
fn parameters(node: &Node<'_>, file: &Node<'_>) -> BTreeSet<Parameter> {
    let list = node.child("parameters").map_or(&[][..], |node| &node.children);
    let parameters = list.iter().map(|item| match item.text.split_once("parameters/") {
        Some((_, name)) => {
            let shared = file.child("components").and_then(|node| node.child("parameters"));
            let name = name.trim_end_matches('\'');
            shared.and_then(|node| node.child(name)).expect("a parameter that is there").parameter()
        }
        None => item.parameter(),
    });
    parameters.filter(|(place, _)| place != "path").collect()
}

/// A line, and those below it that are indented by more.
#[derive(Debug)]
struct Node<'a> {
    text: &'a str,
    children: Vec<Node<'a>>,
}

impl<'a> Node<'a> {
    fn key(&self) -> &'a str {
        self.text.split(": ").next().unwrap_or_default().trim_end_matches(':')
    }

    fn child(&self, key: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.key() == key)
    }

    fn parameter(&self) -> Parameter {
        let own = self.text.strip_prefix("- ");
        let lines = || own.into_iter().chain(self.children.iter().map(|child| child.text));
        let value = |key: &str| lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        (value("in: ").expect("a place"), value("name: ").expect("a name"))
    }
}

fn lines(file: &str) -> Peekable<impl Iterator<Item = &str>> {
    file.lines().filter(|line| !line.trim().is_empty()).peekable()
}

fn nodes<'a>(
    lines: &mut Peekable<impl Iterator<Item = &'a str>>,
    least_indent: usize,
) -> Vec<Node<'a>> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    while let Some(line) = lines.next_if(|line| indent(line) >= least_indent) {
        found.push(Node { text: line.trim(), children: nodes(lines, indent(line) + 1) });
    }
    found
}

#[test]
fn parameters_and_statuses_are_read_wherever_they_stand() {
    let file = "\
paths:
  /a/{name}:
    parameters:
      - $ref: '#/components/parameters/wait'
      - name: name
        in: path
    get:
      parameters:
        - name: If-None-Match
          in: header
      responses:
        '200': { $ref: '#/components/responses/Text' }
        '304':
          description: |
            The client has it:
              '500': not a status
    post:
components:
  parameters:
    wait:
      name: wait
      in: query
";
    let pair = |place: &str, name: &str| (place.to_owned(), name.to_owned());
    let (wait, tag) = (pair("query", "wait"), pair("header", "If-None-Match"));
    let get =
        Operation { parameters: [wait.clone(), tag].into(), statuses: BTreeSet::from([200, 304]) };
    let post = Operation { parameters: [wait].into(), statuses: BTreeSet::new() };
    let expected = [(pair("/a/{name}", "GET"), get), (pair("/a/{name}", "POST"), post)];
    assert_eq!(operations(file), expected.into());
}
