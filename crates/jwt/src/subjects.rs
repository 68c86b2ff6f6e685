//! Subjects as far as claims are checked for them; whether they are subjects to the server is
//! asked again where they are put to use.

use crate::Issues;

pub(crate) fn check(subject: &str, issues: &mut Issues) {
    if subject.is_empty() {
        return issues.error("subject cannot be empty");
    }
    if subject.contains(' ') {
        issues.error(format!("subject {subject:?} cannot have spaces"));
    }
    if subject.starts_with('.') || subject.ends_with('.') {
        issues.error(format!("subject {subject:?} cannot start or end with a `.`"));
    }
    if subject.contains("..") {
        issues.error(format!("subject {subject:?} cannot contain consecutive `.`"));
    }
}

/// Checks a subject under which an import of `from` is known here.
pub(crate) fn check_renaming(to: &str, from: &str, issues: &mut Issues) {
    check(to, issues);
    if from.is_empty() {
        issues.error("subject cannot be empty");
    }
    if to.contains(' ') {
        issues.error(format!("subject {to:?} cannot have spaces"));
    }
    if ends_open(to) != ends_open(from) {
        issues.error("both, renaming subject and subject, need to end or not end in >");
    }
    let wildcards = from.split('.').filter(|token| *token == "*").count();
    let mut references = 0;
    for token in to.split('.') {
        if token == "*" {
            references += 1;
        } else if let Some(number) = reference(token) {
            if number > wildcards as i64 {
                issues.error(format!(
                    "Reference ${number} in {to:?} reference * in {from:?} that do not exist"
                ));
            } else {
                references += 1;
            }
        }
    }
    if references != wildcards {
        issues.error("subject does not contain enough * or reference wildcards $[0-9]");
    }
}

/// `$1` is a reference to the first wildcard.
fn reference(token: &str) -> Option<i64> {
    token.strip_prefix('$')?.parse().ok()
}

/// A renaming subject with its references as wildcards.
pub(crate) fn without_references(subject: &str) -> String {
    let tokens = subject.split('.').map(|token| match reference(token) {
        Some(_) => "*",
        None => token,
    });
    tokens.collect::<Vec<_>>().join(".")
}

fn ends_open(subject: &str) -> bool {
    subject == ">" || subject.ends_with(".>")
}

pub(crate) fn has_wildcards(subject: &str) -> bool {
    ends_open(subject) || subject.split('.').any(|token| token == "*")
}

/// Whether everything that `subject` means is also meant by `other`.
pub(crate) fn is_contained(subject: &str, other: &str) -> bool {
    let mut own = subject.split('.');
    let mut others = other.split('.').peekable();
    while let Some(wanted) = others.next() {
        let Some(token) = own.next() else { return false };
        if wanted == ">" && others.peek().is_none() {
            return true;
        }
        if token != wanted && wanted != "*" {
            return false;
        }
    }
    own.next().is_none()
}
