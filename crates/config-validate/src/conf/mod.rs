//! The config format of nats-server: text in, a tree of values with positions out.

mod cursor;
mod digest;
mod environment;
mod error;
mod lexer;
mod parser;
mod scalar;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use environment::read_failure;

pub use digest::digest;
pub use environment::{Environment, ProcessEnvironment};
pub use error::ConfError;
pub use parser::{parse_file, parse_text};
pub use value::{Array, Map, Node, Pos, Value};
