//! Leases: labels that end by themselves, unless they are renewed.

mod ledger;
mod moment;
mod record;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use ledger::Ledger;
pub use moment::Moment;
pub use record::{NotLeases, StoredLeases};
pub use table::{Lease, LeaseChange, LeaseTable};

/// Shortest lease.
pub const MIN_TTL: Duration = Duration::from_secs(1);

/// Longest lease: a year.
pub const MAX_TTL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Time from which a lease survives a restart of the daemon. A shorter one needs no disk.
pub const LASTING_TTL: Duration = Duration::from_secs(10);

/// The time of a lease: a whole number of seconds or, with the unit behind it, of minutes, hours or
/// days. `None` if the text is something else, or not within [`MIN_TTL`] and [`MAX_TTL`].
pub fn parse_ttl(text: &str) -> Option<Duration> {
    let (digits, unit) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1),
        b'm' => (&text[..text.len() - 1], 60),
        b'h' => (&text[..text.len() - 1], 60 * 60),
        b'd' => (&text[..text.len() - 1], 24 * 60 * 60),
        _ => (text, 1),
    };
    let digits = Some(digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let ttl = Duration::from_secs(digits.parse::<u64>().ok()?.checked_mul(unit)?);
    Some(ttl).filter(|ttl| (MIN_TTL..=MAX_TTL).contains(ttl))
}
