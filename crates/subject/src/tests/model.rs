//! Naive models and generators with short alphabets, so that things collide.

use proptest::prelude::*;

fn token(alphabet: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(alphabet)
}

/// A valid literal subject of 1 to 4 tokens.
pub(super) fn literal() -> impl Strategy<Value = String> {
    prop::collection::vec(token(&["a", "b", "ab", "c", "*a", "a>"]), 1..5)
        .prop_map(|tokens| tokens.join("."))
}

/// A valid pattern of 1 to 5 tokens.
pub(super) fn pattern() -> impl Strategy<Value = String> {
    (prop::collection::vec(token(&["a", "b", "ab", "*", "*", "*a"]), 0..5), any::<bool>()).prop_map(
        |(mut tokens, rest)| {
            if rest || tokens.is_empty() {
                tokens.push(">");
            }
            tokens.join(".")
        },
    )
}

/// Any text over the alphabet that matters, valid or not.
pub(super) fn garbage() -> impl Strategy<Value = String> {
    prop::collection::vec(token(&["a", ".", "*", ">", " ", "\r"]), 0..8)
        .prop_map(|parts| parts.concat())
}

/// Whether literal tokens are matched by pattern tokens, by recursion over both.
pub(super) fn matches(literal: &[&str], pattern: &[&str]) -> bool {
    match (literal, pattern) {
        ([], []) => true,
        ([_, ..], [">"]) => true,
        ([l, ls @ ..], [p, ps @ ..]) => (*p == "*" || l == p) && matches(ls, ps),
        _ => false,
    }
}

pub(super) fn split(subject: &str) -> Vec<&str> {
    subject.split('.').collect()
}

/// Every literal of up to `max` tokens over an alphabet with one token no pattern names.
pub(super) fn universe(max: usize) -> Vec<String> {
    let alphabet = ["a", "b", "ab", "*a", "z"];
    let mut all: Vec<String> = alphabet.iter().map(ToString::to_string).collect();
    let mut last = all.clone();
    for _ in 1..max {
        last = last
            .iter()
            .flat_map(|head| alphabet.iter().map(move |token| format!("{head}.{token}")))
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}
