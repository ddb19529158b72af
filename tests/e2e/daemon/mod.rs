//! The daemon's life: start, label files, stop.

mod facts;
mod label_files;
mod lifecycle;
mod listening;
mod logs;
mod service;
mod shutdown;
mod signals;
