//! The HTTP interface.

pub mod error;
pub mod limits;
mod routes;
pub mod server;
mod views;

pub use routes::router;
