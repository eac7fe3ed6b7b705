//! The dashboards and alerts that are shipped: they ask for what is there, and are complete.

mod dashboards;
mod rules;
mod running;
