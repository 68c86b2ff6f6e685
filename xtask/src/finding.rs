//! One complaint of one rule about one line, and how it is printed.

use std::fmt;

/// What a rule found and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// File, relative to the workspace root.
    pub(crate) path: String,
    /// Line, from 1.
    pub(crate) line: usize,
    /// Short name of the rule, lint or test.
    pub(crate) rule: String,
    /// What to do instead.
    pub(crate) advice: String,
}

impl Finding {
    /// A finding at `path:line`.
    pub(crate) fn new(
        path: impl Into<String>,
        line: usize,
        rule: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { path: path.into(), line, rule: rule.into(), advice: advice.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}
