//! Packets: what is accepted, what is sent, and what is proved.

mod bytes;
mod duplicate_name;
mod greetings;
mod membership;
mod packets;
mod signing;
mod stretching;
mod ttl;
