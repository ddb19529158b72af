//! The machine of a daemon under test: its disk, its clock, its namespaces and its system calls.

mod namespaces;
mod small_disk;
mod tracer;
mod wall_clock;

pub use namespaces::{enter, process_one, unshare};
pub use small_disk::SmallDisk;
pub use tracer::Tracer;
pub use wall_clock::WallClock;
