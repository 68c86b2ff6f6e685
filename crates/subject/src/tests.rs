//! Tables from the reference's facts, and properties against naive models.

mod grammar;
mod model;
mod piece;
mod pool;
mod sublist;
mod transform;
mod tree;
