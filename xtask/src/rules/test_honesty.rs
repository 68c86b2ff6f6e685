//! Tests that cannot fail, do not run, or hope that a pause is long enough.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

use super::facts::{CallKind, Function};
use super::{Settings, Source};
use crate::finding::Finding;

/// Name of the rule about `#[ignore]`.
pub(crate) const IGNORE: &str = "ignored-test";
/// Name of the rule about tests that assert nothing.
pub(crate) const NO_ASSERTION: &str = "test-without-assertion";
/// Name of the rule about assertions that always hold.
pub(crate) const CONSTANT_ASSERTION: &str = "constant-assertion";
/// Name of the rule about sleeping in tests.
pub(crate) const SLEEP: &str = "sleep";

/// `#[ignore]`.
pub(crate) fn ignored_tests(source: &Source, _settings: &Settings) -> Vec<Finding> {
    let advice = "`#[ignore]`: make it run, or assert today's behaviour, or delete it";
    source.facts.ignores.iter().map(|line| source.finding(*line, IGNORE, advice)).collect()
}

/// Tests in which nothing is asserted, neither directly nor by a helper.
///
/// A helper counts when its name starts with `assert_`, `check_` or `expect_`, when it is written
/// in the same file and asserts, and when it is called as `variable.expect(..);`.
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
    const MACROS: &[&str] =
        &["assert", "debug_assert", "prop_assert", "assert_eq", "assert_ne", "panic"];
    let inside = |line: usize| (function.body_line..=function.end_line).contains(&line);
    let by_macro = source.facts.macros.iter().any(|call| {
        let name = call.name.as_str();
        let named = MACROS.contains(&name)
            || ["assert_", "debug_assert_", "prop_assert_"].iter().any(|p| name.starts_with(p))
            || name == "unreachable" && !call.tokens.is_empty();
        named && inside(call.line)
    });
    by_macro
        || source.facts.calls.iter().any(|call| {
            let name = call.name.rsplit("::").next().unwrap_or(&call.name);
            let checks = ["assert_", "check_", "expect_"].iter().any(|p| name.starts_with(p));
            let helps = helpers.contains(name) && name != function.name;
            let bare_check = name == "check" && call.kind == CallKind::Function;
            let demands = call.kind == CallKind::Demand;
            (checks || helps || bare_check || demands) && inside(call.line)
        })
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
