//! Several ingesters as one cluster: whatever befalls them, no acknowledged sample is lost, none is there twice, and no query
//! keeps silent about what it lacks.

mod chaos;
mod check;
mod faults;
mod leaderless;
mod load;
mod network;
mod nodes;
mod ring;
mod runs;
mod scraper;
mod world;
