//! Tables from the reference's facts, and properties against naive models.

mod grammar;
mod model;
mod sublist;
mod transform;
mod tree;
