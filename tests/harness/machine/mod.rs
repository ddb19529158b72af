//! The machine of a daemon under test: its disk, its clock and its system calls.

mod small_disk;
mod tracer;
mod wall_clock;

pub use small_disk::SmallDisk;
pub use tracer::Tracer;
pub use wall_clock::WallClock;
