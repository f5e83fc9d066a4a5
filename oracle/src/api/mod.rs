//! The HTTP interface.

mod app;
pub mod error;
mod events;
pub mod limits;
mod routes;
pub mod server;
mod views;

pub use app::origin_of;
pub use routes::{openapi_json, router};
