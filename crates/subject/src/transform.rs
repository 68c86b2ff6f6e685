//! Subject transforms: rewriting a matched subject into another one.

mod part;

use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;

use crate::grammar::{self, REST};
use part::{Call, Part};

/// Why a transform cannot be made (server/errors.go `ErrInvalidMappingDestination` and its kin).
/// The text is what configuration errors and API errors show.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransformError {
    /// Source or destination is malformed, `>` is in only one, or the destination holds `*`.
    #[error("invalid subject")]
    BadSubject,
    /// An account mapping destination that is no subject.
    #[error("invalid mapping destination: invalid transform in {0}")]
    InvalidDestination(String),
    /// A `{{...}}` that is no known function.
    #[error("invalid mapping destination: unknown function in {0}")]
    UnknownFunction(String),
    /// A wildcard index beyond the wildcards of the source.
    #[error("invalid mapping destination: wildcard index out of range in {0}")]
    IndexOutOfRange(String),
    /// Too few arguments.
    #[error("invalid mapping destination: not enough arguments passed to the function in {0}")]
    NotEnoughArguments(String),
    /// Too many arguments.
    #[error("invalid mapping destination: too many arguments passed to the function in {0}")]
    TooManyArguments(String),
    /// An argument that is no number, or a delimiter with a space or a dot.
    #[error(
        "invalid mapping destination: function argument is invalid or in the wrong format in {0}"
    )]
    InvalidArgument(String),
    /// A reversible transform that leaves a wildcard out.
    #[error("invalid mapping destination: not using all of the token wildcard(s) in {0}")]
    NotAllWildcards(String),
    /// A reversible transform with a function other than `wildcard`.
    #[error(
        "invalid mapping destination: the only mapping function allowed for import transforms is {{{{Wildcard()}}}} in {0}"
    )]
    NotReversible(String),
}

/// Rewrites subjects that match a source pattern (server/subject_transform.go `subjectTransform`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transform {
    source: String,
    destination: String,
    /// Number of tokens of `source`.
    source_tokens: usize,
    parts: Vec<Part>,
}

/// Which transforms are accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Any,
    Reversible,
}

impl Transform {
    /// A transform from `source` (empty means `>`) to `destination` (empty leaves subjects as they
    /// are).
    ///
    /// # Errors
    /// See [`TransformError`].
    pub fn new(source: &str, destination: &str) -> Result<Self, TransformError> {
        Self::build(source, destination, Rule::Any)
    }

    /// Like [`Self::new`], for transforms that must be reversible: imports
    /// (server/subject_transform.go `NewSubjectTransformStrict`).
    ///
    /// # Errors
    /// Also when the destination uses functions other than `wildcard`, or not every wildcard.
    pub fn new_reversible(source: &str, destination: &str) -> Result<Self, TransformError> {
        Self::build(source, destination, Rule::Reversible)
    }

    /// Checks an account mapping, whose destination may be empty: `left` and `right` are not
    /// accepted there (server/sublist.go `ValidateMapping`).
    ///
    /// # Errors
    /// See [`TransformError`].
    pub fn validate_mapping(source: &str, destination: &str) -> Result<(), TransformError> {
        if destination.is_empty() {
            return Ok(());
        }
        let mut ended = false;
        for token in destination.split('.') {
            if token.is_empty() || ended {
                return Err(TransformError::InvalidDestination(token.into()));
            }
            if Call::looks_like(token) {
                if !Call::parse(token).is_some_and(|call| call.is_for_mappings()) {
                    return Err(TransformError::UnknownFunction(token.into()));
                }
            } else if token == ">" {
                ended = true;
            } else if token.contains([' ', '\t', '\n', '\r', '\x0c']) {
                return Err(TransformError::InvalidDestination(token.into()));
            }
        }
        Self::new(source, destination).map(|_| ())
    }

    /// The pattern that subjects must match.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The destination as it was given.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// The transform that undoes this one, if it is reversible.
    #[must_use]
    pub fn reverse(&self) -> Option<Self> {
        let mut holders = Vec::new();
        let source: Vec<&str> = self
            .destination
            .split('.')
            .map(|token| match part::placeholder(token) {
                Some(index) => {
                    holders.push(index);
                    "*"
                }
                None => token,
            })
            .collect();
        let mut wildcard = 0;
        let destination: Option<Vec<String>> = self
            .source
            .split('.')
            .map(|token| {
                if token != "*" {
                    return Some(token.to_owned());
                }
                wildcard += 1;
                let at = holders.iter().position(|&index| index == wildcard)?;
                Some(format!("${}", at + 1))
            })
            .collect();
        Self::new_reversible(&source.join("."), &destination?.join(".")).ok()
    }

    /// The rewritten subject, or `None` when the literal `subject` does not match the source.
    /// `{{random}}` draws from the process's entropy.
    #[must_use]
    pub fn apply(&self, subject: &[u8]) -> Option<Vec<u8>> {
        self.apply_with(subject, &mut entropy)
    }

    /// [`Self::apply`] for text. A token cut inside a character gets replacement characters.
    #[must_use]
    pub fn apply_str(&self, subject: &str) -> Option<String> {
        let subject = self.apply(subject.as_bytes())?;
        Some(match String::from_utf8(subject) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// [`Self::apply`] with `random` as the source of `{{random}}`.
    #[must_use]
    pub fn apply_with(&self, subject: &[u8], random: &mut dyn FnMut() -> u32) -> Option<Vec<u8>> {
        if self.source == ">" && self.destination == ">" {
            return Some(subject.to_vec());
        }
        if !grammar::is_literal(subject) || !grammar::matches(subject, self.source.as_bytes()) {
            return None;
        }
        Some(self.rewrite(subject, random))
    }

    /// Rewrites a pattern token by token, wildcards included, without asking whether the source
    /// covers it: a subscription that crosses an import (server/subject_transform.go
    /// `TransformSubject`).
    #[must_use]
    pub fn rewrite_pattern(&self, pattern: &[u8]) -> Vec<u8> {
        self.rewrite(pattern, &mut entropy)
    }

    /// Whether the same subject may become different ones.
    #[must_use]
    pub fn is_random(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Random { .. }))
    }

    fn rewrite(&self, subject: &[u8], random: &mut dyn FnMut() -> u32) -> Vec<u8> {
        if self.parts.is_empty() {
            return subject.to_vec();
        }
        let mut out = Vec::with_capacity(subject.len() + self.destination.len());
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                out.push(grammar::SEPARATOR);
            }
            match part {
                Part::Rest => {
                    // What `>` of the source stood for.
                    let rest = (1..self.source_tokens)
                        .try_fold(subject, |rest, _| grammar::split_token(rest).1);
                    out.extend_from_slice(rest.unwrap_or_default());
                }
                part => part.write(subject, random, &mut out),
            }
        }
        out
    }

    fn build(source: &str, destination: &str, rule: Rule) -> Result<Self, TransformError> {
        let source = if source.is_empty() { ">" } else { source };
        let (wildcards, source_rest) = shape(source)?;
        let mut transform = Self {
            source: source.to_owned(),
            destination: destination.to_owned(),
            source_tokens: source.split('.').count(),
            parts: Vec::new(),
        };
        if destination.is_empty() {
            return Ok(transform);
        }
        let (holes, destination_rest) = shape(destination)?;
        if !holes.is_empty() || source_rest != destination_rest {
            return Err(TransformError::BadSubject);
        }
        let mut used = 0;
        for token in destination.split('.') {
            let part = Part::parse(token)?;
            if rule == Rule::Reversible && !part.is_reversible() {
                return Err(TransformError::NotReversible(token.to_owned()));
            }
            let literal_source = wildcards.is_empty() && !source_rest;
            used += part.indexes();
            transform.parts.push(part.resolve(token, &wildcards, literal_source)?);
        }
        if rule == Rule::Reversible && used < wildcards.len() {
            return Err(TransformError::NotAllWildcards(destination.to_owned()));
        }
        Ok(transform)
    }
}

/// Names the wildcards of a pattern by number: `a.*.*` becomes `a.$1.$2`
/// (server/subject_transform.go `transformTokenize`).
#[must_use]
pub fn number_wildcards(pattern: &str) -> String {
    let mut count = 0;
    let tokens: Vec<String> = pattern
        .split('.')
        .map(|token| match token {
            "*" => {
                count += 1;
                format!("${count}")
            }
            token => token.to_owned(),
        })
        .collect();
    tokens.join(".")
}

/// The pattern that a template of [`number_wildcards`] stands for: `a.$2.{{wildcard(1)}}` becomes
/// `a.*.*` (server/subject_transform.go `transformUntokenize`).
#[must_use]
pub fn unnumber_wildcards(template: &str) -> String {
    let tokens: Vec<&str> = template
        .split('.')
        .map(|token| if part::placeholder(token).is_some() { "*" } else { token })
        .collect();
    tokens.join(".")
}

/// The positions of `*` tokens, and whether `>` is there (server/subject_transform.go
/// `subjectInfo`).
fn shape(pattern: &str) -> Result<(Vec<usize>, bool), TransformError> {
    let mut wildcards = Vec::new();
    let mut rest = false;
    for (at, token) in pattern.split('.').enumerate() {
        if token.is_empty() || rest {
            return Err(TransformError::BadSubject);
        }
        match token {
            "*" => wildcards.push(at),
            token => rest = token.as_bytes() == REST,
        }
    }
    Ok((wildcards, rest))
}

/// A number nobody can predict; cheap, and not for secrets.
fn entropy() -> u32 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let draw = NEXT.fetch_add(1, Ordering::Relaxed);
    (SEED.get_or_init(RandomState::default).hash_one(draw) >> 32) as u32
}
