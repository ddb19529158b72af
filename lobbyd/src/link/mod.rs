//! Links: the drivers, and the actors that keep them up, listen to them and send through them.

mod checked_sink;
pub mod driver;
pub mod drivers;
mod inbox;
mod outbox;
pub mod own_packet;
pub mod publisher;
pub mod subscriber;
pub mod sync;
