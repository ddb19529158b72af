//! Drafts of packets: JSON of which every byte can be chosen.

use fastrand::Rng;

/// A packet that is being made: field names with the JSON texts of their values, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The fields of `discovery`; nothing for a packet without.
    pub(crate) discovery: Option<Fields>,
    /// The other fields of the envelope.
    pub(crate) envelope: Fields,
    /// Before which of the other fields `discovery` stands.
    pub(crate) discovery_at: usize,
    /// White space that may stand between any two tokens.
    pub(crate) spaces: &'static [&'static str],
    /// What stands behind it all.
    pub(crate) tail: Vec<u8>,
}

/// Names and JSON texts of values.
pub(crate) type Fields = Vec<(String, String)>;

impl Draft {
    /// A packet in the form that lobbyd writes, without instance.
    pub(crate) fn new(hostname: &str, labels: &[String], message: &str) -> Self {
        let discovery = vec![
            field("hostname", text(hostname)),
            field("labels", list(labels)),
            field("last_check", "0"),
        ];
        Self {
            discovery: Some(discovery),
            envelope: vec![field("message", text(message))],
            discovery_at: 0,
            spaces: &[],
            tail: Vec::new(),
        }
    }

    /// Sets a field of the envelope, at the end if it is not there.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        set(&mut self.envelope, name, value.into());
    }

    /// Sets a field of the discovery.
    pub(crate) fn set_inner(&mut self, name: &str, value: impl Into<String>) {
        set(self.discovery.get_or_insert_default(), name, value.into());
    }

    /// Takes a field out of the envelope.
    pub(crate) fn remove(&mut self, name: &str) {
        self.envelope.retain(|(other, _)| other != name);
    }

    /// Takes a field out of the discovery.
    pub(crate) fn remove_inner(&mut self, name: &str) {
        self.discovery.get_or_insert_default().retain(|(other, _)| other != name);
    }

    /// The bytes.
    pub(crate) fn render(&self, rng: &mut Rng) -> Vec<u8> {
        let mut fields = self.envelope.clone();
        if let Some(discovery) = &self.discovery {
            let at = self.discovery_at.min(fields.len());
            fields.insert(at, field("discovery", self.object(discovery, rng)));
        }
        let mut bytes = self.object(&fields, rng).into_bytes();
        bytes.extend(&self.tail);
        bytes
    }

    fn object(&self, fields: &Fields, rng: &mut Rng) -> String {
        let mut object = String::from("{");
        for (place, (name, value)) in fields.iter().enumerate() {
            if place > 0 {
                object.push(',');
            }
            let spaces: [&str; 4] = std::array::from_fn(|_| self.space(rng));
            object.push_str(&format!(
                "{}\"{name}\"{}:{}{value}{}",
                spaces[0], spaces[1], spaces[2], spaces[3]
            ));
        }
        object.push('}');
        object
    }

    fn space(&self, rng: &mut Rng) -> &'static str {
        if self.spaces.is_empty() { "" } else { self.spaces[rng.usize(..self.spaces.len())] }
    }
}

/// A field.
pub(crate) fn field(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn set(fields: &mut Fields, name: &str, value: String) {
    match fields.iter_mut().find(|(other, _)| other == name) {
        Some((_, old)) => *old = value,
        None => fields.push((name.to_owned(), value)),
    }
}

/// A JSON text.
pub(crate) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A JSON list of texts.
pub(crate) fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| text(item)).collect();
    format!("[{}]", items.join(","))
}

/// A JSON text in which some characters are escaped that need not be.
pub(crate) fn escaped(text: &str, rng: &mut Rng) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            '/' if rng.bool() => json.push_str("\\/"),
            c if c < ' ' || rng.u8(..4) == 0 => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    json.push_str(&if rng.bool() {
                        format!("\\u{unit:04x}")
                    } else {
                        format!("\\u{unit:04X}")
                    });
                }
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}
