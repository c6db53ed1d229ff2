//! The launcher over its socket: instances from start to end, and clients that misbehave.

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod client;
mod confinement;
mod functions;
mod fuzzing;
mod hostile_clients;
mod lifetime;
mod loading;
mod restarts;
mod steps;
