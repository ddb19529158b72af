//! The callback: a program that is run when the list of hosts changes.

mod output;
pub mod process;
mod program;
pub mod runner;
