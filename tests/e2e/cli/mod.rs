//! The command lines of both programs.

mod lobbyctl;
mod resolver;
mod settings;
mod terminal;
