//! A JSON list in pieces: to write one of many megabytes into a single text would mean to copy it again and again, and memory that was
//! taken in such amounts is not given back soon.

/// About how long a piece is, in bytes.
const PIECE_LEN: usize = 1 << 20;

/// A JSON list that is being written.
#[derive(Debug)]
pub(crate) struct JsonArrayBuilder {
    full: Vec<String>,
    open: String,
    /// What stands before the next element.
    before: char,
}

impl JsonArrayBuilder {
    /// A list without elements.
    pub(crate) fn new() -> Self {
        Self { full: Vec::new(), open: String::new(), before: '[' }
    }

    /// Adds the element that `write` writes. Whatever it writes counts for nothing if it says so.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut String) -> bool) {
        let len = self.open.len();
        self.open.push(self.before);
        if !write(&mut self.open) {
            return self.open.truncate(len);
        }
        self.before = ',';
        if self.open.len() >= PIECE_LEN {
            let next = String::with_capacity(PIECE_LEN + PIECE_LEN / 8);
            self.full.push(std::mem::replace(&mut self.open, next));
        }
    }

    /// The pieces of the whole list.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.open.push_str(if self.before == '[' { "[]" } else { "]" });
        self.full.push(self.open);
        self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(elements: &[&str]) -> Vec<String> {
        let mut list = JsonArrayBuilder::new();
        for element in elements {
            list.add(|json| {
                json.push_str(element);
                !element.is_empty()
            });
        }
        list.finish()
    }

    #[test]
    fn elements_stand_between_commas_and_brackets_and_what_counts_for_nothing_leaves_no_trace() {
        assert_eq!(list(&[]), ["[]"]);
        assert_eq!(list(&["", ""]), ["[]"]);
        assert_eq!(list(&["1"]), ["[1]"]);
        assert_eq!(list(&["", "1", "", "2", ""]), ["[1,2]"]);
    }

    #[test]
    fn a_long_list_comes_in_pieces() {
        let long = format!("\"{}\"", "x".repeat(PIECE_LEN * 2 / 3));
        let pieces = list(&[&long, &long, "1", &long, &long]);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces.concat(), format!("[{long},{long},1,{long},{long}]"));
    }
}
