//! The command lines of both programs.

mod lobbyctl;
mod settings;
