//! TLS: what the settings say as rustls has it.

mod client;
mod client_auth;
mod names;
mod pem;
mod server;

pub(crate) use client::client_config;
pub(crate) use server::server_config;
