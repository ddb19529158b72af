//! The kinds of facts, and the labels that they become.

use std::net::IpAddr;

use lobby_client::Label;

/// A kind of fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The server's address: `address:10.0.0.7`.
    Address,
    /// The version of lobbyd: `lobbyd:2.0.0`.
    Version,
    /// The operating system: `os:debian-12`.
    Os,
    /// The architecture: `arch:x86_64`.
    Arch,
}

impl Fact {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Address, Self::Version, Self::Os, Self::Arch];

    /// The word for it in FACTS.
    pub fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Version => "version",
            Self::Os => "os",
            Self::Arch => "arch",
        }
    }

    /// The kind that a word of FACTS stands for.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fact| fact.word().eq_ignore_ascii_case(word))
    }
}

/// The label of an address.
pub fn address_label(address: IpAddr) -> Option<Label> {
    Label::parse(&format!("address:{address}")).ok()
}

/// The label of a version of lobbyd.
pub fn version_label(version: &str) -> Option<Label> {
    Label::parse(&format!("lobbyd:{version}")).ok()
}

/// The label of an architecture.
pub fn arch_label(arch: &str) -> Option<Label> {
    Label::parse(&format!("arch:{arch}")).ok()
}

/// The label of an operating system, from what its `os-release` says: ID, and VERSION_ID if it has
/// one. `None` without an ID.
pub fn os_label(os_release: &str) -> Option<Label> {
    let value = |name: &str| {
        let values = os_release.lines().filter_map(|line| line.trim().strip_prefix(name));
        let value = values.filter_map(|rest| rest.strip_prefix('=')).next_back()?;
        let value = value.trim().trim_matches(['"', '\'']);
        Some(value.to_owned()).filter(|value| !value.is_empty())
    };
    let id = value("ID")?;
    let version = value("VERSION_ID").map(|version| format!("-{version}")).unwrap_or_default();
    Label::parse(&format!("os:{id}{version}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_by_its_word() {
        for fact in Fact::ALL {
            assert_eq!(Fact::of_word(fact.word()), Some(fact));
        }
        assert_eq!(Fact::of_word("Arch"), Some(Fact::Arch));
        assert_eq!(Fact::of_word("kernel"), None);
    }

    #[test]
    fn an_operating_system_is_its_id_and_its_version() {
        let label = |text: &str| os_label(text).map(|label| label.as_str().to_owned());
        let debian = "NAME=\"Debian\"\nVERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nID=debian\n";
        assert_eq!(label(debian).as_deref(), Some("os:debian-12"));
        assert_eq!(label("ID='arch'\nBUILD_ID=rolling").as_deref(), Some("os:arch"));
        for unknown in ["", "ID=\n", "ID_LIKE=debian", "VERSION_ID=1"] {
            assert_eq!(label(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn addresses_of_both_kinds_become_labels() {
        let label = |text: &str| address_label(text.parse().unwrap()).unwrap().as_str().to_owned();
        assert_eq!(label("10.0.0.7"), "address:10.0.0.7");
        assert_eq!(label("2001:db8::1"), "address:2001:db8::1");
    }
}
