//! `rookeryd`, the Rookery chat server: chat on one TLS port, the control plane on another.

mod accounts;
mod admin_command;
mod certificates;
mod chat;
mod config;
mod connection;
mod control;
mod inlet;
mod journal;
mod mail;
mod record;
mod sendq;
mod store;
mod windows;

fn main() {}
