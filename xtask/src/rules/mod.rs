//! The rules of the tidy gate: pure functions from one parsed file to findings, each with samples.

mod comments;
mod facts;
mod file_shape;
mod mentions;
mod pure;
mod samples;
mod source;
mod stub_functions;
mod stubs;
mod test_honesty;

use std::collections::BTreeMap;

use crate::finding::Finding;

pub(crate) use comments::apply_allows;
pub(crate) use facts::is_cfg_test;
pub(crate) use mentions::check_text as check_mentions;
pub(crate) use samples::self_test;
pub(crate) use source::{Source, TestModules, test_modules};
pub(crate) use test_honesty::{Sites, test_sites};

/// The rules about stubs, for those who let no allow comment pass.
pub(crate) const STUB_RULES: &[Rule] = &[
    Rule { name: stubs::MACRO, check: stubs::unfinished_macros },
    Rule { name: stubs::TEXT, check: stubs::unfinished_texts },
    Rule { name: stub_functions::EMPTY, check: stub_functions::empty_functions },
    Rule { name: stub_functions::CONSTANT, check: stub_functions::constant_functions },
];

/// One rule about source files.
pub(crate) struct Rule {
    /// Its name, as printed and as written in an allow comment.
    pub(crate) name: &'static str,
    /// Finds what is wrong in one file.
    pub(crate) check: fn(&Source, &Settings) -> Vec<Finding>,
}

/// What the rules need to know beside the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Lines that a file may have, tests not counted.
    pub(crate) max_lines: usize,
    /// Files that were longer when the limit came, with the lines they may have at most.
    pub(crate) ratchet: BTreeMap<String, usize>,
    /// Paths that this file must not name outside its tests; empty in crates that are not pure.
    pub(crate) forbidden_names: Vec<String>,
}

/// Every rule about source files, in the order in which they run.
pub(crate) const RULES: &[Rule] = &[
    Rule { name: stubs::MACRO, check: stubs::unfinished_macros },
    Rule { name: stubs::TEXT, check: stubs::unfinished_texts },
    Rule { name: stub_functions::EMPTY, check: stub_functions::empty_functions },
    Rule { name: stub_functions::CONSTANT, check: stub_functions::constant_functions },
    Rule { name: test_honesty::IGNORE, check: test_honesty::ignored_tests },
    Rule { name: test_honesty::NO_ASSERTION, check: test_honesty::tests_without_assertion },
    Rule { name: test_honesty::CONSTANT_ASSERTION, check: test_honesty::constant_assertions },
    Rule { name: test_honesty::HOLLOW_CHECK, check: test_honesty::hollow_checks },
    Rule { name: test_honesty::SLEEP, check: test_honesty::sleeps_in_tests },
    Rule { name: file_shape::PURPOSE, check: file_shape::missing_purpose },
    Rule { name: file_shape::LENGTH, check: file_shape::too_long },
    Rule { name: pure::PURE, check: pure::forbidden_names },
];

#[cfg(test)]
mod tests;
