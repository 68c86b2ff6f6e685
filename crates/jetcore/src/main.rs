//! jetcore
fn main() {}
