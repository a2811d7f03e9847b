//! HTTP as such, for all routes: the listener, the extractors, and the forms of an answer.

pub mod extract;
pub mod idempotency;
pub mod listener;
pub mod pace;
pub mod pages;
pub mod places;
pub mod problem;
pub mod stranger_limit;
pub mod stream;
pub mod stream_places;
