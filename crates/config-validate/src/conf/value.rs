//! The values of a config file.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Where a value stands: for a value in a map, its key; for one in an array, its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pos {
    /// Name of the file as it was opened; empty for text that is no file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes; from 0 in the first line and from 1 in all others, as the reference
    /// counts (`item.pos` in `conf/lex.go`).
    pub column: usize,
}

/// A value and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub pos: Pos,
    /// Some variable referred to it: an unknown key is then no mistake.
    pub used_as_variable: bool,
}

/// A value. Containers are shared, so that a variable used often costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Str(Arc<str>),
    /// Whole number, its size suffix applied.
    Int(i64),
    /// Number with a decimal point.
    Float(f64),
    /// true, yes, on, false, no, off.
    Bool(bool),
    /// Zulu time, as written (`2016-05-04T18:53:41Z`) and known to be valid.
    Date(Arc<str>),
    /// Array.
    Array(Arc<Array>),
    /// Map.
    Map(Arc<Map>),
}

impl Value {
    /// Name of the type as the reference's messages give it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Str(_) => "string",
            Value::Int(_) => "int64",
            Value::Float(_) => "float64",
            Value::Bool(_) => "bool",
            Value::Date(_) => "time.Time",
            Value::Array(_) => "[]interface {}",
            Value::Map(_) => "map[string]interface {}",
        }
    }

    pub(super) fn extent(&self) -> Extent {
        match self {
            Value::Array(array) => array.extent,
            Value::Map(map) => map.extent,
            _ => Extent { depth: 0, weight: 1 },
        }
    }
}

impl fmt::Display for Value {
    /// Scalars as they read; containers only by kind, because their content can be large.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Str(text) | Value::Date(text) => f.write_str(text),
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{number}"),
            Value::Bool(flag) => write!(f, "{flag}"),
            Value::Array(items) => write!(f, "array of {}", items.len()),
            Value::Map(map) => write!(f, "map of {}", map.len()),
        }
    }
}

/// How deep and how large a value is with everything inside it, counting what variables repeat.
///
/// Both are bounded while parsing: code that walks a parsed value may recurse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) depth: usize,
    pub(super) weight: usize,
}

impl Extent {
    /// Extent of a container that also holds a value of extent `inner`.
    pub(super) fn holding(self, inner: Extent) -> Extent {
        Extent {
            depth: self.depth.max(inner.depth + 1),
            weight: self.weight.saturating_add(inner.weight),
        }
    }
}

/// Values in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Array {
    items: Vec<Node>,
    extent: Extent,
}

impl Array {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// No value at all.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The values in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Node> {
        self.items.iter()
    }

    pub(super) fn push(&mut self, node: Node) -> Extent {
        self.extent = self.extent.holding(node.value.extent());
        self.items.push(node);
        self.extent
    }
}

/// Keys and values in the order of their first appearance; a later value replaces an earlier one.
#[derive(Debug, Clone, Default)]
pub struct Map {
    entries: Vec<(Arc<str>, Node)>,
    index: HashMap<Arc<str>, usize>,
    extent: Extent,
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Map {
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// No key at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of a key, exactly as it is spelled.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.index.get(key).and_then(|at| self.entries.get(*at)).map(|(_, node)| node)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries.iter().map(|(key, node)| (&**key, node))
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let at = *self.index.get(key)?;
        self.entries.get_mut(at).map(|(_, node)| node)
    }

    pub(super) fn insert(&mut self, key: Arc<str>, node: Node) -> Extent {
        self.extent = self.extent.holding(node.value.extent());
        match self.get_mut(&key) {
            Some(slot) => *slot = node,
            None => {
                self.index.insert(key.clone(), self.entries.len());
                self.entries.push((key, node));
            }
        }
        self.extent
    }
}
