//! Packets: what is accepted, what is sent, and what is proved.

mod bytes;
mod duplicate_name;
mod packets;
mod signing;
