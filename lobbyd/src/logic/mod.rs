//! The rules of lobby: pure, without input, output or clock.

pub mod announce;
pub mod answers;
pub mod backoff;
pub mod change;
pub mod cooldown;
pub mod echo;
pub mod guard;
pub mod label_index;
pub mod labels;
pub mod noticed;
pub mod outage;
pub mod pace;
pub mod packet;
pub mod packet_text;
pub mod prometheus;
mod record;
pub mod records;
pub mod replay;
pub mod sight;
pub mod signature;
pub mod snapshot;
pub mod sorted_map;
pub mod tally;
pub mod throttle;
pub mod wanted;
pub mod warmth;
