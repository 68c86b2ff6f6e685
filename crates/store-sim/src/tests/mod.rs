//! A share of the simulation for every run of the tests.

mod crash;
mod damage;
mod model;
