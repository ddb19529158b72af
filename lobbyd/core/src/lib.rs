//! The core of lobby: its rules, without input, output, runtime or clock. What needs the time is
//! given it.

pub mod callback;
pub mod dns;
pub mod events;
pub mod facts;
pub mod index;
pub mod leases;
pub mod lines;
pub mod link;
pub mod liveness;
pub mod log;
pub mod registry;
pub mod render;
pub mod select;
pub mod signing;
pub mod sync;
#[cfg(any(test, feature = "testsuite"))]
pub mod testsuite;
pub mod wire;

/// The clock of the tests.
#[cfg(test)]
mod clock {
    #[expect(clippy::disallowed_methods, reason = "tests begin at any moment")]
    pub(crate) fn now() -> std::time::Instant {
        std::time::Instant::now()
    }
}
