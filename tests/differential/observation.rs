//! Observations: what a user can see of one program, part by part.

/// What one program showed in one case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Observation {
    parts: Vec<(String, String)>,
    /// What it showed when it was asked the same in another form.
    other: Option<(Form, Box<Self>)>,
}

/// A form of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// GET for HEAD.
    Get,
    /// With encoded characters for raw ones.
    Encoded,
    /// For a list that is not indented.
    Compact,
}

impl Observation {
    /// Adds a part. Bytes that are not UTF-8 are shown escaped.
    #[must_use]
    pub(crate) fn with(mut self, part: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        self.add(part, bytes);
        self
    }

    /// As [`Observation::with`].
    pub(crate) fn add(&mut self, part: impl Into<String>, bytes: impl AsRef<[u8]>) {
        self.parts.push((part.into(), shown(bytes.as_ref())));
    }

    /// Gives a part that there may be already.
    pub(crate) fn set(&mut self, part: &str, text: impl Into<String>) {
        let text = text.into();
        match self.parts.iter_mut().find(|(name, _)| name == part) {
            Some((_, old)) => *old = text,
            None => self.parts.push((part.to_owned(), text)),
        }
    }

    /// Takes a part away.
    pub(crate) fn remove(&mut self, part: &str) {
        self.parts.retain(|(name, _)| name != part);
    }

    /// Adds what it showed when it was asked in another form.
    #[must_use]
    pub(crate) fn with_form(self, form: Form, seen: Self) -> Self {
        Self { other: Some((form, Box::new(seen))), ..self }
    }

    /// What it showed when it was asked in this form.
    pub(crate) fn form(&self, wanted: Form) -> Option<&Self> {
        self.other.as_ref().filter(|(form, _)| *form == wanted).map(|(_, seen)| &**seen)
    }

    /// The names of the parts, in their order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(name, _)| name.as_str())
    }

    /// The text of a part.
    pub(crate) fn part(&self, wanted: &str) -> Option<&str> {
        self.parts.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_str())
    }

    /// Spoils the last character of a part, to see whether that is noticed. Returns whether there
    /// is such a part.
    pub(crate) fn spoil(&mut self, wanted: &str) -> bool {
        let part = self.parts.iter_mut().find(|(name, text)| name == wanted && !text.is_empty());
        part.is_some_and(|(_, text)| {
            let last = text.pop();
            text.push(if last == Some('~') { '!' } else { '~' });
            true
        })
    }
}

/// Bytes as text that tells all of them apart.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("(not UTF-8) {}", bytes.escape_ascii()),
    }
}
