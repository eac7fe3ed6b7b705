//! What deploy/ holds: the chart renders what Kubernetes takes, and what it renders runs the real binary.

mod chart;
mod compose;
mod extras;
mod image;
mod manifests;
mod pod;
mod rendered;
mod running;
