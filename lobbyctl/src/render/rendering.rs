//! A rendering: what a template made, and of how many servers.

use lobby_client::Selector;

/// What a template made.
#[derive(Debug)]
pub(super) struct Rendering {
    pub(super) text: Vec<u8>,
    /// The servers that the template took.
    pub(super) taken: usize,
    /// The servers that it could take.
    pub(super) there: usize,
    /// Further ones, which are drained and were left out.
    pub(super) drained: usize,
}

impl Rendering {
    /// The servers in words.
    pub(super) fn servers(&self) -> String {
        format!("{} of {} servers", self.taken, self.there)
    }

    /// Why there is no server in it, where that may be a mistake. `selector` is that of the command
    /// line.
    pub(super) fn warning(&self, selector: Option<&Selector>) -> Option<String> {
        match (self.taken, self.there, self.drained) {
            (1.., _, _) => None,
            (0, 1, _) => Some("the template does not take the one server".to_owned()),
            (0, 2.., _) => Some(format!("the template takes none of {} servers", self.there)),
            (0, 0, 1) => Some("the one server is drained, and left out".to_owned()),
            (0, 0, 2..) => {
                Some(format!("of {} servers all are drained, and left out", self.drained))
            }
            (0, 0, 0) => selector.map(|selector| format!("there is no server with {selector}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_servers_is_told_with_its_reason() {
        let warning = |taken, there, drained, selector: Option<&str>| {
            let selector = selector.map(|text| Selector::parse(text).unwrap());
            Rendering { text: vec![], taken, there, drained }.warning(selector.as_ref())
        };
        assert_eq!(warning(1, 3, 0, Some("a=1")), None);
        let none = "the template takes none of 3 servers";
        assert_eq!(warning(0, 3, 2, None).as_deref(), Some(none));
        let none = "the template does not take the one server";
        assert_eq!(warning(0, 1, 2, None).as_deref(), Some(none));
        let drained = "of 2 servers all are drained, and left out";
        assert_eq!(warning(0, 0, 2, Some("a=1")).as_deref(), Some(drained));
        let drained = "the one server is drained, and left out";
        assert_eq!(warning(0, 0, 1, None).as_deref(), Some(drained));
        let nobody = "there is no server with a=1";
        assert_eq!(warning(0, 0, 0, Some("a=1")).as_deref(), Some(nobody));
        assert_eq!(warning(0, 0, 0, None), None);
    }
}
