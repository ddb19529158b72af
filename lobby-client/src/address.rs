use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Keys of labels that hold a server's address, the best one first: ADDRESS_LABELS of lobbyd.
///
/// The address of a server is the value of the first of these labels that is an IP address. Values
/// that are not an IP address are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddressLabels(Vec<String>);

/// All addresses of a server that one key of each family gives, in the order of its labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// IPv4 addresses.
    pub v4: Vec<IpAddr>,
    /// IPv6 addresses.
    pub v6: Vec<IpAddr>,
}

/// Why a text is not a list of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddressLabels {
    /// The list is empty.
    #[error("a list of keys must not be empty")]
    Empty,
    /// The key, which holds a colon or a control character, or is longer than a label.
    #[error("{0:?} is not a valid key of a label: expected the text before a label's colon")]
    BadKey(String),
}

impl AddressLabels {
    /// The list that is taken if there is no other, as text.
    pub const DEFAULT: &str = "address,private_ip4,public_ip4,private_ip6,public_ip6";

    /// Reads keys with commas in between. White space around them and empty ones are left out.
    ///
    /// # Errors
    /// [`InvalidAddressLabels`] names the key that is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidAddressLabels> {
        let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
        let keys = keys.map(checked).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(InvalidAddressLabels::Empty) } else { Ok(Self(keys)) }
    }

    /// The keys, the best one first.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The address of a server with these labels.
    pub fn address<L: AsRef<str>>(&self, labels: impl IntoIterator<Item = L>) -> Option<IpAddr> {
        let known = labels.into_iter().filter_map(|label| self.read(label.as_ref()));
        // Of several with the same key, the first one counts.
        known.min_by_key(|(rank, _)| *rank).map(|(_, address)| address)
    }

    /// All addresses of a server with these labels: for IPv4 and for IPv6 those of the best key
    /// that has any.
    pub fn addresses<L: AsRef<str>>(&self, labels: impl IntoIterator<Item = L>) -> Addresses {
        let known: Vec<_> =
            labels.into_iter().filter_map(|label| self.read(label.as_ref())).collect();
        let of_family = |is_wanted: fn(&IpAddr) -> bool| {
            let family = known.iter().filter(|(_, address)| is_wanted(address));
            let best = family.clone().map(|(rank, _)| *rank).min();
            let best = family.filter(|(rank, _)| Some(*rank) == best);
            best.map(|(_, address)| *address).collect()
        };
        Addresses { v4: of_family(IpAddr::is_ipv4), v6: of_family(IpAddr::is_ipv6) }
    }

    /// The place of a label's key in the list, and the address that is its value.
    fn read(&self, label: &str) -> Option<(usize, IpAddr)> {
        let (key, value) = label.split_once(':')?;
        let rank = self.0.iter().position(|wanted| wanted == key)?;
        Some((rank, value.trim().parse().ok()?))
    }
}

fn checked(key: &str) -> Result<String, InvalidAddressLabels> {
    if key.contains(':') || crate::Label::check(key).is_err() {
        return Err(InvalidAddressLabels::BadKey(key.to_owned()));
    }
    Ok(key.to_owned())
}

impl Default for AddressLabels {
    fn default() -> Self {
        Self(Self::DEFAULT.split(',').map(str::to_owned).collect())
    }
}

impl FromStr for AddressLabels {
    type Err = InvalidAddressLabels;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for AddressLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(labels: &[&str]) -> Option<String> {
        AddressLabels::default().address(labels).map(|address| address.to_string())
    }

    fn addresses(labels: &[&str]) -> (Vec<String>, Vec<String>) {
        let Addresses { v4, v6 } = AddressLabels::default().addresses(labels);
        let texts = |list: Vec<IpAddr>| list.iter().map(ToString::to_string).collect();
        (texts(v4), texts(v6))
    }

    #[test]
    fn the_first_key_of_the_list_beats_the_order_of_labels() {
        assert_eq!(
            address(&["public_ip4:192.0.2.1", "private_ip4:10.0.0.1", "web"]).as_deref(),
            Some("10.0.0.1")
        );
        assert_eq!(
            address(&["address:2a03::1", "private_ip4:10.0.0.1"]).as_deref(),
            Some("2a03::1")
        );
        assert_eq!(address(&["address:10.0.0.1", "address:10.0.0.2"]).as_deref(), Some("10.0.0.1"));
    }

    #[test]
    fn values_that_are_not_an_ip_address_are_passed_over() {
        for bad in ["", "alpha", "10.0.0.1:80", "10.0.0", "10.0.0.256", "[::1]", "fe80::1%eth0"] {
            let bad = format!("address:{bad}");
            assert_eq!(address(&[&bad]), None, "{bad}");
            assert_eq!(address(&[&bad, "public_ip6:2a03::1"]).as_deref(), Some("2a03::1"), "{bad}");
        }
        assert_eq!(address(&["address", "ip:10.0.0.1", "Address:10.0.0.1"]), None);
        assert_eq!(address(&[]), None);
    }

    #[test]
    fn each_family_has_all_addresses_of_its_best_key() {
        let labels = [
            "address:10.0.0.1",
            "address:10.0.0.2",
            "private_ip4:10.9.9.9",
            "private_ip6:fd00::1",
            "public_ip6:2a03::1",
        ];
        assert_eq!(
            addresses(&labels),
            (vec!["10.0.0.1".into(), "10.0.0.2".into()], vec!["fd00::1".into()])
        );
        assert_eq!(addresses(&["address:nowhere"]), (vec![], vec![]));
    }

    #[test]
    fn a_list_is_read_as_it_is_written() {
        let list = AddressLabels::parse(" wan_ip, ,lan_ip,").unwrap();
        assert_eq!((list.to_string().as_str(), list.keys().count()), ("wan_ip,lan_ip", 2));
        assert_eq!(list.address(["lan_ip:10.0.0.1"]), Some(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(AddressLabels::parse(AddressLabels::DEFAULT), Ok(AddressLabels::default()));
    }

    #[test]
    fn a_list_without_keys_or_with_a_bad_one_is_refused() {
        assert_eq!(AddressLabels::parse(" ,"), Err(InvalidAddressLabels::Empty));
        for bad in ["address:10.0.0.1", "a\u{1}b"] {
            let refused = AddressLabels::parse(&format!("address,{bad}"));
            assert_eq!(refused, Err(InvalidAddressLabels::BadKey(bad.to_owned())));
        }
    }
}
