//! Command line of lobby.

fn main() {}
