//! What can be wrong with the text of a config file.

use std::sync::Arc;

/// A config text that does not follow the format. Texts are those of the reference
/// (`conf/lex.go`, `conf/parse.go`) where it has the check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfError {
    /// The characters do not form keys and values.
    #[error("Parse error on line {line}: '{text}'")]
    Parse {
        /// Line, from 1, up to which the text was read.
        line: usize,
        /// What was expected.
        text: String,
    },
    /// The text ends after a key.
    #[error("config is invalid ({file}:{line}:{column})")]
    KeyWithoutValue {
        /// File.
        file: Arc<str>,
        /// Line of the end.
        line: usize,
        /// Column of the end.
        column: usize,
    },
    /// A number does not fit 64 bits.
    #[error("integer '{0}' is out of the range")]
    IntegerRange(String),
    /// A number with an unknown size suffix.
    #[error("integer '{0}' has an unknown size suffix")]
    IntegerSuffix(String),
    /// A number with a decimal point that is too large.
    #[error("float '{0}' is out of the range")]
    FloatRange(String),
    /// A date that does not exist.
    #[error("expected Zulu formatted DateTime, but got '{0}'")]
    Date(String),
    /// A variable that is defined neither in the file nor in the environment.
    #[error("variable reference for '{name}' on line {line} can not be found")]
    VariableMissing {
        /// Its name.
        name: String,
        /// Line of the reference.
        line: usize,
    },
    /// An environment variable whose text is no value.
    #[error("variable reference for '{name}' on line {line} could not be parsed: {cause}")]
    Variable {
        /// Its name.
        name: String,
        /// Line of the reference.
        line: usize,
        /// What is wrong with its text.
        cause: Box<ConfError>,
    },
    /// An environment variable that refers to itself.
    #[error("variable reference cycle for '{0}'")]
    VariableCycle(String),
    /// Environment variables refer to each other too deeply.
    #[error("variable references are nested more than {0} deep")]
    VariableDepth(usize),
    /// A file could not be read; the text names it and the reason.
    #[error("{0}")]
    Io(String),
    /// An included file is not in order.
    #[error("error parsing include file '{name}', {cause}")]
    Include {
        /// The name as written.
        name: String,
        /// What is wrong.
        cause: Box<ConfError>,
    },
    /// Files include each other too deeply, or in a circle.
    #[error("includes are nested more than {0} deep")]
    IncludeDepth(usize),
    /// Maps and arrays are nested too deeply.
    #[error("Parse error on line {line}: 'Maps and arrays are nested more than {limit} deep.'")]
    Nesting {
        /// Line.
        line: usize,
        /// The limit.
        limit: usize,
    },
    /// Variables repeat each other until there are too many values.
    #[error("Parse error on line {line}: 'Variables expand to more than {limit} values.'")]
    Expansion {
        /// Line.
        line: usize,
        /// The limit.
        limit: usize,
    },
}
