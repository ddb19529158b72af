//! The command lines of both programs.

mod check;
mod doctor;
mod follow;
mod lobbyctl;
mod resolver;
mod settings;
mod terminal;
mod tls;
mod views;
