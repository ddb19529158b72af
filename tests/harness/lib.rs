//! What the end-to-end tests stand on: real brokers and real binaries, started on free ports and ended on drop.
