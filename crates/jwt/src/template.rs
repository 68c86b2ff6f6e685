//! Permissions with blanks: a scope's template, filled in for one user.
//!
//! Wire source: `processUserPermissionsTemplate` in `server/auth.go`.

use crate::{AccountClaims, UserClaims, UserLimits};

/// Most subjects that one list may become.
const MAX_SUBJECTS: usize = 4096;

/// Fills in the template of a scope; `None` where a denial cannot be filled in, or too many
/// subjects would come of it. `is_subject` says what is one.
pub(crate) fn fill(
    template: &UserLimits,
    user: &UserClaims,
    account: &AccountClaims,
    is_subject: &dyn Fn(&str) -> bool,
) -> Option<UserLimits> {
    let mut limits = template.clone();
    let filler = Filler { user, account, is_subject };
    let permissions = &mut limits.permissions;
    for permission in [&mut permissions.subscribe, &mut permissions.publish] {
        let had_allowed = !permission.allow.is_empty();
        permission.allow = filler.fill(&permission.allow, Strictness::Lenient)?;
        permission.deny = filler.fill(&permission.deny, Strictness::Strict)?;
        if had_allowed && permission.allow.is_empty() {
            // Nothing left to allow must not come to mean everything.
            permission.deny.push(">".to_owned());
        }
    }
    Some(limits)
}

struct Filler<'a> {
    user: &'a UserClaims,
    account: &'a AccountClaims,
    is_subject: &'a dyn Fn(&str) -> bool,
}

/// What happens with what is no subject.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// It is left out.
    Lenient,
    /// All is refused.
    Strict,
}

impl Filler<'_> {
    fn fill(&self, list: &[String], strictness: Strictness) -> Option<Vec<String>> {
        if !list.iter().any(|text| blanks(text).next().is_some()) {
            return Some(list.to_vec());
        }
        let mut filled: Vec<String> = Vec::new();
        for text in list {
            for subject in self.expand(text, strictness)? {
                if filled.len() >= MAX_SUBJECTS {
                    return None;
                }
                if (self.is_subject)(&subject) {
                    filled.push(subject);
                } else if strictness == Strictness::Strict {
                    return None;
                }
            }
        }
        Some(filled)
    }

    /// All texts that come of one: a tag may have several values.
    fn expand(&self, text: &str, strictness: Strictness) -> Option<Vec<String>> {
        let mut all = vec![text.to_owned()];
        let blanks: Vec<&str> = blanks(text).collect();
        for blank in blanks {
            let values = self.values(blank, strictness)?;
            if all.len().checked_mul(values.len()).is_none_or(|count| count > MAX_SUBJECTS) {
                return None;
            }
            all = all
                .iter()
                .flat_map(|text| values.iter().map(move |value| text.replace(blank, value)))
                .collect();
        }
        Some(all)
    }

    /// What a blank stands for; `None` where that is an error.
    fn values(&self, blank: &str, strictness: Strictness) -> Option<Vec<String>> {
        let operation = blank.trim_start_matches("{{").trim_end_matches("}}").trim();
        let is = |name: &str| operation.eq_ignore_ascii_case(name);
        if is("name()") {
            return Some(vec![self.user.common.name.clone()]);
        }
        if is("subject()") {
            return Some(vec![self.user.common.subject.clone()]);
        }
        if is("account-name()") {
            return Some(vec![self.account.common.name.clone()]);
        }
        if is("account-subject()") {
            return Some(vec![self.user.issuer_account.clone()]);
        }
        let tagged = |head: &str| {
            let start = operation.get(..head.len())?;
            start
                .eq_ignore_ascii_case(head)
                .then(|| operation.get(head.len()..))??
                .strip_suffix(')')
        };
        let (tags, name) = match (tagged("tag("), tagged("account-tag(")) {
            (Some(name), _) => (&self.user.tags, name),
            (None, Some(name)) => (&self.account.nats.tags, name),
            (None, None) => return None,
        };
        let prefix = format!("{}:", name.to_lowercase());
        let values: Vec<String> =
            tags.iter().filter_map(|tag| tag.strip_prefix(&prefix)).map(str::to_owned).collect();
        match (values.is_empty(), strictness) {
            (false, _) => Some(values),
            (true, Strictness::Strict) => None,
            // No subject has a blank in it: what is made of this is left out.
            (true, Strictness::Lenient) => Some(vec![" ".to_owned()]),
        }
    }
}

/// The `{{...}}` of a text.
fn blanks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find("{{")?;
            let inside = rest.get(start + 2..)?;
            let close = inside.find('}')?;
            if close == 0 || !inside.get(close..)?.starts_with("}}") {
                rest = inside;
                continue;
            }
            let blank = rest.get(start..start + close + 4)?;
            rest = inside.get(close + 2..)?;
            return Some(blank);
        }
    })
}
