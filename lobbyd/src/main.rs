//! Daemon of lobby.

fn main() {}
