//! DNS: answers programs that know nothing of lobby, from the newest snapshot, on a thread of its
//! own.

mod answers;
mod listen;
pub mod server;
mod tcp;
mod udp;

pub use listen::{Sockets, bind};
