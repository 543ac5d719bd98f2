//! The rules of the cluster, and many brokers with many clients in a small world.

mod config;
mod rules;
mod spread;
mod world;
