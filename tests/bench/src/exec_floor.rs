//! A program that does nothing: how long starting it takes is what any program's start costs at
//! least.

fn main() {}
