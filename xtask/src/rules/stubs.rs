//! Code that says of itself that it is not there yet.

// tidy: allow-file stub-text: the phrases that are looked for stand here

use super::{Settings, Source};
use crate::finding::Finding;

/// Name of the rule about macros.
pub(crate) const MACRO: &str = "stub-macro";
/// Name of the rule about texts.
pub(crate) const TEXT: &str = "stub-text";

/// Phrases by which a text admits to be a stub; matched as whole words, in lower case.
const ADMISSIONS: &[&str] = &[
    "not implemented",
    "not yet implemented",
    "unimplemented",
    "to be implemented",
    "not yet supported",
    "not done yet",
    "stub",
    "stubbed",
    "placeholder",
    "todo",
    "fixme",
];

/// `todo!`, `unimplemented!`, and `unreachable!()` without a word on why.
pub(crate) fn unfinished_macros(source: &Source, _settings: &Settings) -> Vec<Finding> {
    let findings = source.facts.macros.iter().filter_map(|call| {
        let advice = match call.name.as_str() {
            "todo" | "unimplemented" => "write the code, or leave the feature out and say so",
            "unreachable" if call.tokens.is_empty() => {
                "say why it cannot be reached, or return an error"
            }
            _ => return None,
        };
        Some(source.finding(call.line, MACRO, format!("`{}!`: {advice}", call.name)))
    });
    findings.collect()
}

/// Texts outside tests such as "not implemented".
pub(crate) fn unfinished_texts(source: &Source, _settings: &Settings) -> Vec<Finding> {
    let findings = source.facts.strings.iter().filter_map(|(line, text)| {
        let admission = admission_in(text)?;
        let advice = format!("a text says `{admission}`: do the work, or refuse the input by name");
        (!source.in_test(*line)).then(|| source.finding(*line, TEXT, advice))
    });
    findings.collect()
}

fn admission_in(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    ADMISSIONS.iter().copied().find(|phrase| {
        text.match_indices(phrase).any(|(at, found)| {
            let before = text.get(..at).and_then(|part| part.chars().next_back());
            let after = text.get(at + found.len()..).and_then(|part| part.chars().next());
            let is_word =
                |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
            !is_word(before) && !is_word(after)
        })
    })
}
