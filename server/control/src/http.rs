//! HTTP: the listener, what is read from a request, and the forms of an answer.

pub mod extract;
pub mod idempotency;
pub mod listener;
pub mod pages;
pub mod problem;
pub mod stream;
