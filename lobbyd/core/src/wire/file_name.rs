//! File names of packets, where a channel is a directory.

use std::ffi::OsStr;

use lobby_client::HostName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::wire::envelope;

/// Not merely `.json`: files of this name are swept, and LOCAL_PATH may be set to a directory with
/// files of other programs.
const SUFFIX: &str = ".lobby.json";

/// Longest encoded host name that is a file name as it stands, in bytes. The file systems of Linux
/// allow 255 for the whole name.
const MAX_PLAIN_LEN: usize = 200;

/// How much of a longer one is kept for people to read, in bytes.
const KEPT_LEN: usize = 100;

/// Stands between what is kept and the hash. Never part of an encoded name, so that a shortened
/// name is like no plain one.
const HASH_MARK: char = '=';

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-');

/// The name of the file that holds a host's packet: always a bare name without a leading dot, and
/// another one for each host.
pub fn of(host: &HostName) -> String {
    stem(host) + SUFFIX
}

/// A host's name as a part of a file's name: another one for each host, without a slash and without
/// a leading dot.
pub fn stem(host: &HostName) -> String {
    let mut name = encoded(host.as_str());
    if name.len() > MAX_PLAIN_LEN {
        name.truncate(KEPT_LEN);
        name.push(HASH_MARK);
        name.extend(Sha256::digest(host.as_str()).iter().map(|byte| format!("{byte:02x}")));
    }
    name
}

/// Whether a file of this name holds somebody else's packet, as a copy does. One that is not a
/// packet is nobody's.
pub fn is_copy(name: &OsStr, payload: &[u8]) -> bool {
    let envelope = envelope::decode(payload);
    envelope.is_ok_and(|envelope| name != of(&envelope.discovery.hostname).as_str())
}

/// Whether a file may hold a host's packet, by its name.
pub fn is_of_host(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.ends_with(SUFFIX) && !name.starts_with('.'))
}

fn encoded(host: &str) -> String {
    let name = utf8_percent_encode(host, ENCODED).to_string();
    // A leading dot hides a file, and stands for the directory itself or its parent.
    name.strip_prefix('.').map_or_else(|| name.clone(), |rest| format!("%2E{rest}"))
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::*;

    fn name_of(host: &str) -> String {
        of(&HostName::parse(host).unwrap())
    }

    /// Names that hold the characters dangerous in a path more often than chance would.
    fn any_host() -> impl Strategy<Value = HostName> {
        "([a-c./\\\\%=~-]|\\PC){1,253}"
            .prop_filter_map("no host name", |text| HostName::parse(&text).ok())
    }

    #[test]
    fn usual_names_are_readable_and_dangerous_ones_are_encoded() {
        assert_eq!(name_of("srv-1.example.com"), "srv-1.example.com.lobby.json");
        assert_eq!(name_of(".."), "%2E..lobby.json");
        assert_eq!(name_of("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd.lobby.json");
        assert_eq!(name_of("100%=\u{e1}"), "100%25%3D%C3%A1.lobby.json");
    }

    #[test]
    fn long_names_that_begin_alike_are_told_apart() {
        let (a, b) = (format!("{}a", "x".repeat(252)), format!("{}b", "x".repeat(252)));
        assert_ne!(name_of(&a), name_of(&b));
        assert!(name_of(&a).starts_with(&format!("{}=", "x".repeat(100))));
    }

    proptest! {
        #[test]
        fn every_host_has_a_bare_and_safe_file_name(host in any_host()) {
            let name = of(&host);
            prop_assert!(name.len() <= 255);
            prop_assert!(!name.starts_with('.'));
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-%=".contains(&byte)));
            prop_assert!(is_of_host(name.as_ref()));
        }

        #[test]
        fn a_file_name_says_which_host_it_belongs_to(host in any_host()) {
            let name = of(&host);
            let stem = name.strip_suffix(SUFFIX).unwrap();
            match stem.split_once(HASH_MARK) {
                None => prop_assert_eq!(percent_decode_str(stem).decode_utf8().unwrap(), host.as_str()),
                Some((_, hash)) => {
                    let expected = Sha256::digest(host.as_str());
                    prop_assert_eq!(hash, expected.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
                }
            }
        }
    }
}
