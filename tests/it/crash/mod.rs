//! kill -9 under load: no acknowledged sample is lost, none is there twice, and no query keeps silent about what it lacks.

mod check;
mod each_role;
mod load;
mod power_cut;
mod steps;
