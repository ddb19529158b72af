//! Everything a user can see, with real brokers and the real binaries.
