//! Editing of answers: parts that belong together are changed together.

use crate::compare::PACKED;
use crate::observation::Observation;

impl Observation {
    /// A copy that was edited.
    pub(crate) fn edited(&self, edit: impl FnOnce(&mut Self)) -> Self {
        let mut copy = self.clone();
        edit(&mut copy);
        copy
    }

    /// Gives a header, as the only one of its name.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        self.set_header_of("", name, value);
    }

    /// Takes a header away.
    pub(crate) fn remove_header(&mut self, name: &str) {
        self.remove(&format!("header {name}"));
        self.name_headers("", |names| names.retain(|given| given != name));
    }

    /// Gives a body that is a line of text, with the headers that tell of it. `number` is the end
    /// of the part names of this answer: nothing for the first one on a connection.
    pub(crate) fn set_text(&mut self, number: &str, text: &str) {
        self.set_header_of(number, "content-length", &text.len().to_string());
        self.set_header_of(number, "content-type", "text/plain; charset=utf-8");
        self.set(&format!("body{number}"), text);
    }

    /// Leaves the head of the answer.
    pub(crate) fn remove_body(&mut self) {
        self.set("body", "");
        self.remove("unpacking");
        self.remove(PACKED);
    }

    fn set_header_of(&mut self, number: &str, name: &str, value: &str) {
        self.set(&format!("header {name}{number}"), value);
        self.name_headers(number, |names| {
            names.retain(|given| given != name);
            names.push(name.to_owned());
            names.sort_unstable();
        });
    }

    fn name_headers(&mut self, number: &str, edit: impl FnOnce(&mut Vec<String>)) {
        let part = format!("headers{number}");
        let names = self.part(&part).unwrap_or_default();
        let mut names: Vec<_> =
            names.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        edit(&mut names);
        self.set(&part, names.join(" "));
    }
}
