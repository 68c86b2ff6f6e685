//! Tests that cannot fail, do not run, or hope that a pause is long enough.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

use super::facts::{CallKind, Function, MacroCall, Place};
use super::{Settings, Source};
use crate::finding::Finding;

/// Name of the rule about `#[ignore]`.
pub(crate) const IGNORE: &str = "ignored-test";
/// Name of the rule about tests that assert nothing.
pub(crate) const NO_ASSERTION: &str = "test-without-assertion";
/// Name of the rule about assertions that always hold.
pub(crate) const CONSTANT_ASSERTION: &str = "constant-assertion";
/// Name of the rule about helpers that count as assertions.
pub(crate) const HOLLOW_CHECK: &str = "hollow-check";
/// Name of the rule about sleeping in tests.
pub(crate) const SLEEP: &str = "sleep";

/// `#[ignore]`.
pub(crate) fn ignored_tests(source: &Source, _settings: &Settings) -> Vec<Finding> {
    let advice = "`#[ignore]`: make it run, or assert today's behaviour, or delete it";
    source.facts.ignores.iter().map(|line| source.finding(*line, IGNORE, advice)).collect()
}

/// Tests in which nothing is asserted, neither directly nor by a helper.
///
/// A helper counts when its name starts with `assert_`, `check_` or `expect_`, when it is called
/// through a module `check`, when it is written in the same file and asserts, and when it is
/// called as `variable.expect(..);`.
pub(crate) fn tests_without_assertion(source: &Source, _settings: &Settings) -> Vec<Finding> {
    let helpers = asserting_helpers(source);
    let hollow = source.facts.functions.iter().filter(|function| {
        function.is_test && !function.should_panic && !asserts(source, function, &helpers)
    });
    hollow
        .map(|function| {
            let advice = format!("`{}` asserts nothing: assert what must hold", function.name);
            source.finding(function.line, NO_ASSERTION, advice)
        })
        .collect()
}

/// Names of the functions in this file that assert, directly or through one another.
fn asserting_helpers(source: &Source) -> BTreeSet<String> {
    let mut helpers = BTreeSet::new();
    loop {
        let more: Vec<String> = source
            .facts
            .functions
            .iter()
            .filter(|f| !f.is_test && !helpers.contains(&f.name) && asserts(source, f, &helpers))
            .map(|f| f.name.clone())
            .collect();
        if more.is_empty() {
            return helpers;
        }
        helpers.extend(more);
    }
}

fn asserts(source: &Source, function: &Function, helpers: &BTreeSet<String>) -> bool {
    let sites = sites(source, function, helpers);
    sites.assertions > 0
}

/// How many places there are in a function at which it can fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sites {
    /// Assertion macros, and calls of helpers that assert.
    pub(crate) assertions: usize,
    /// `.expect("what must hold")` on results and options.
    pub(crate) demands: usize,
}

/// The sites of a test, its file's asserting helpers counted by their calls.
pub(crate) fn test_sites(source: &Source, function: &Function) -> Sites {
    sites(source, function, &asserting_helpers(source))
}

fn sites(source: &Source, function: &Function, helpers: &BTreeSet<String>) -> Sites {
    let inside = |line: usize| (function.body_line..=function.end_line).contains(&line);
    let macros = source.facts.macros.iter().filter(|it| is_assertion(it) && inside(it.line));
    let mut assertions = macros.count();
    let mut demands = 0_usize;
    let mut whole_statements = 0_usize;
    for call in source.facts.calls.iter().filter(|call| inside(call.line)) {
        let mut parts = call.name.rsplit("::");
        let name = parts.next().unwrap_or(&call.name);
        let checks = ["assert_", "check_", "expect_"].iter().any(|p| name.starts_with(p));
        let in_check_module = parts.next() == Some("check");
        let helps = checks || in_check_module || helpers.contains(name);
        let bare_check = name == "check" && call.kind == CallKind::Function;
        match call.kind {
            CallKind::Demand => whole_statements += 1,
            _ if (helps && name != function.name) || bare_check => assertions += 1,
            CallKind::Method if name == "expect" => demands += 1,
            CallKind::Method | CallKind::Function => {}
        }
    }
    // A whole statement comes as a method call too.
    let demands = demands.saturating_sub(whole_statements);
    Sites { assertions: assertions + whole_statements, demands }
}

fn is_assertion(call: &MacroCall) -> bool {
    const MACROS: &[&str] =
        &["assert", "debug_assert", "prop_assert", "assert_eq", "assert_ne", "panic"];
    let name = call.name.as_str();
    MACROS.contains(&name)
        || ["assert_", "debug_assert_", "prop_assert_"].iter().any(|p| name.starts_with(p))
        || name == "unreachable" && !call.tokens.is_empty()
}

/// Helpers of tests whose name says that they assert, or that stand in a module `check`, and that
/// do not: they would be counted as assertions of every test that calls them.
pub(crate) fn hollow_checks(source: &Source, _settings: &Settings) -> Vec<Finding> {
    let helpers = asserting_helpers(source);
    let in_check_module = source.path.ends_with("/check.rs") || source.path.contains("/check/");
    let hollow = source.facts.functions.iter().filter(|function| {
        let named = ["assert_", "check_", "expect_"].iter().any(|p| function.name.starts_with(p));
        !function.is_test
            && source.in_test(function.line)
            && (named || in_check_module)
            && function.place != Place::Trait
            && !asserts(source, function, &helpers)
    });
    hollow
        .map(|function| {
            let advice = format!(
                "`{}` counts as an assertion and asserts nothing: assert, or name it otherwise",
                function.name
            );
            source.finding(function.line, HOLLOW_CHECK, advice)
        })
        .collect()
}

/// `assert!(true)`, and `assert_eq!` of two equal literals.
pub(crate) fn constant_assertions(source: &Source, _settings: &Settings) -> Vec<Finding> {
    let findings = source.facts.macros.iter().filter(|call| {
        let arguments = split_arguments(call.tokens.clone());
        let argument = |i: usize| arguments.get(i).map(Vec::as_slice).unwrap_or_default();
        match call.name.as_str() {
            "assert" | "debug_assert" | "prop_assert" => is_always_true(argument(0)),
            "assert_eq" | "debug_assert_eq" | "prop_assert_eq" => {
                is_literal(argument(0)) && texts(argument(0)) == texts(argument(1))
            }
            _ => false,
        }
    });
    findings
        .map(|call| {
            let advice = format!("`{}!` of a constant cannot fail: assert a result", call.name);
            source.finding(call.line, CONSTANT_ASSERTION, advice)
        })
        .collect()
}

fn split_arguments(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut arguments = vec![Vec::new()];
    for tree in tokens {
        match &tree {
            TokenTree::Punct(punct) if punct.as_char() == ',' => arguments.push(Vec::new()),
            _ => arguments.last_mut().into_iter().for_each(|last| last.push(tree.clone())),
        }
    }
    arguments
}

fn texts(trees: &[TokenTree]) -> Vec<String> {
    trees.iter().map(ToString::to_string).collect()
}

fn is_literal(trees: &[TokenTree]) -> bool {
    match trees {
        [TokenTree::Literal(_)] => true,
        [TokenTree::Ident(ident)] => ident == "true" || ident == "false",
        _ => false,
    }
}

/// `true`, `!false`, `x || true`, `true || x`.
fn is_always_true(trees: &[TokenTree]) -> bool {
    let words = texts(trees);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(
        words.as_slice(),
        ["true"] | ["!", "false"] | [.., "|", "|", "true"] | ["true", "|", "|", ..]
    )
}

/// `thread::sleep`, `time::sleep` and an imported `sleep` in test code.
pub(crate) fn sleeps_in_tests(source: &Source, _settings: &Settings) -> Vec<Finding> {
    let advice = "wait for the event with a deadline; a poll inside such a helper says \
                  `// tidy: allow sleep: reason`";
    let findings = source.facts.calls.iter().filter(|call| {
        let mut parts = call.name.rsplit("::");
        let named = matches!(parts.next(), Some("sleep" | "sleep_ms" | "sleep_until"));
        let of_time = matches!(parts.next(), None | Some("thread" | "time" | "tokio"));
        call.kind == CallKind::Function && named && of_time && source.in_test(call.line)
    });
    findings.map(|call| source.finding(call.line, SLEEP, advice)).collect()
}
