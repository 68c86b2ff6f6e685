//! Exports and imports, as claims have them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::{ActivationClaims, Issues, UnixSeconds, subjects};

/// What is exported or imported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportKind {
    /// Nobody said it.
    #[default]
    #[serde(skip)]
    Unknown,
    /// Messages.
    Stream,
    /// Requests.
    Service,
}

impl ExportKind {
    fn word(self) -> &'static str {
        match self {
            ExportKind::Unknown => "unknown",
            ExportKind::Stream => "stream",
            ExportKind::Service => "service",
        }
    }
}

/// What an account offers (`Export`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Export {
    /// A name for people.
    pub name: String,
    /// Subject on offer.
    pub subject: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ExportKind,
    /// Importers need an activation token.
    pub token_req: bool,
    /// Activations issued up to these times do not count, by importer.
    pub revocations: BTreeMap<String, UnixSeconds>,
    /// How requests are answered: `Singleton` (as the empty text), `Stream` or `Chunked`.
    pub response_type: String,
    /// Nanoseconds after which a missing answer is given up; 0 is the default.
    #[serde(rename = "response_threshold")]
    pub response_threshold_ns: i64,
    /// Latency measurements.
    #[serde(rename = "service_latency")]
    pub latency: Option<Latency>,
    /// Position of the wildcard that must be the importer's key; 0 is none.
    pub account_token_position: u32,
    /// Tracing may cross into this account.
    pub allow_trace: bool,
}

/// Latency measurements of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// Share of requests, 1 to 100; 0 is when a request's header says so.
    #[serde(deserialize_with = "sampling")]
    pub sampling: i64,
    /// Subject that receives the measurements.
    pub results: String,
}

fn sampling<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) if text.eq_ignore_ascii_case("headers") => Ok(0),
        value => value.as_i64().ok_or_else(|| de::Error::custom("sampling rate is no number")),
    }
}

/// What an account takes from another (`Import`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Import {
    /// A name for people.
    pub name: String,
    /// A stream's subject there; a service's there if `local_subject` is given, or else here.
    pub subject: String,
    /// The exporting account.
    pub account: String,
    /// The activation token, where one is needed.
    pub token: String,
    /// Out of use: a stream's prefix here, a service's subject there.
    pub to: String,
    /// Subject here.
    pub local_subject: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ExportKind,
    /// The service may know who asks.
    pub share: bool,
    /// Tracing may cross into this account.
    pub allow_trace: bool,
}

impl Export {
    fn check(&self, issues: &mut Issues) {
        let service = self.kind == ExportKind::Service;
        if self.kind == ExportKind::Unknown {
            issues.error("invalid export type: \"unknown\"");
        }
        if service && !["", "Singleton", "Stream", "Chunked"].contains(&&*self.response_type) {
            let found = &self.response_type;
            issues.error(format!("invalid response type for service: {found:?}"));
        }
        if self.kind == ExportKind::Stream {
            if !self.response_type.is_empty() {
                let found = &self.response_type;
                issues.error(format!("invalid response type for stream: {found:?}"));
            }
            if self.allow_trace {
                issues.error("AllowTrace only valid for service export");
            }
        }
        if let Some(latency) = &self.latency {
            if !service {
                issues.error("latency tracking only permitted for services");
            }
            if !(0..=100).contains(&latency.sampling) {
                issues.error("sampling percentage needs to be between 1-100");
            }
            subjects::check(&latency.results, issues);
            if subjects::has_wildcards(&latency.results) {
                issues.error("results subject can not contain wildcards");
            }
        }
        if self.response_threshold_ns < 0 {
            issues.error("negative response threshold is invalid");
        }
        if self.response_threshold_ns > 0 && !service {
            issues.error("response threshold only valid for services");
        }
        subjects::check(&self.subject, issues);
        self.check_position(issues);
    }

    fn check_position(&self, issues: &mut Issues) {
        let (position, subject) = (self.account_token_position, &self.subject);
        if position == 0 {
            return;
        }
        if !subjects::has_wildcards(subject) {
            return issues.error(format!(
                "Account Token Position can only be used with wildcard subjects: {subject}"
            ));
        }
        match subject.split('.').nth(position as usize - 1) {
            None => issues.error(format!(
                "Account Token Position {position} exceeds length of subject '{subject}'"
            )),
            Some("*") => {}
            Some(token) => issues.error(format!(
                "Account Token Position {position} matches '{token}' but must match a * in: \
                 {subject}"
            )),
        }
    }
}

pub(crate) fn check_exports(exports: &[Export], issues: &mut Issues) {
    exports.iter().for_each(|export| export.check(issues));
    for kind in [ExportKind::Service, ExportKind::Stream] {
        let subjects: Vec<&str> =
            exports.iter().filter(|e| e.kind == kind).map(|export| &*export.subject).collect();
        let mut covered = BTreeMap::new();
        for (i, narrow) in subjects.iter().enumerate() {
            for (j, wide) in subjects.iter().enumerate() {
                if i != j && subjects::is_contained(narrow, wide) {
                    covered.entry(*wide).or_insert(*narrow);
                }
            }
        }
        for (wide, narrow) in covered {
            let kind = kind.word();
            issues.error(format!("{kind} export subject {wide:?} already exports {narrow:?}"));
        }
    }
}

impl Import {
    fn check(&self, importer: &str, issues: &mut Issues) {
        let service = self.kind == ExportKind::Service;
        if self.kind == ExportKind::Unknown {
            issues.error("invalid import type: \"unknown\"");
        }
        if service && self.allow_trace {
            issues.error("AllowTrace only valid for stream import");
        }
        if self.account.is_empty() {
            issues.error("account to import from is not specified");
        }
        if !self.to.is_empty() {
            issues.warning("the field to has been deprecated (use LocalSubject instead)");
        }
        subjects::check(&self.subject, issues);
        if !self.local_subject.is_empty() {
            subjects::check_renaming(&self.local_subject, &self.subject, issues);
            if !self.to.is_empty() {
                issues.error("Local Subject replaces To");
            }
        }
        if self.share && !service {
            issues.error(format!(
                "sharing information (for latency tracking) is only valid for services: {:?}",
                self.subject
            ));
        }
        if !self.token.is_empty() {
            self.check_token(importer, issues);
        }
    }

    fn check_token(&self, importer: &str, issues: &mut Issues) {
        let Ok(token) = ActivationClaims::decode(&self.token) else {
            let subject = &self.subject;
            return issues
                .error(format!("import {subject:?} contains an invalid activation token"));
        };
        let subject = &self.subject;
        if token.common.issuer != self.account && token.issuer_account != self.account {
            issues.error(format!("activation token doesn't match account for import {subject:?}"));
        }
        if token.common.subject != importer {
            issues.error(format!(
                "activation token doesn't match account it is being included in, {subject:?}"
            ));
        }
        if token.kind != self.kind {
            issues.error(format!(
                "mismatch between token import type {} and type of import {}",
                token.kind.word(),
                self.kind.word()
            ));
        }
        token.check(issues);
        let wanted = match self.kind == ExportKind::Service && !self.to.is_empty() {
            true => &self.to,
            false => subject,
        };
        if !subjects::is_contained(wanted, &token.subject) {
            issues.error(format!(
                "activation token import subject {:?} doesn't match import {subject:?}",
                token.subject
            ));
        }
    }

    /// Subject under which a service is asked for here.
    fn service_subject(&self) -> String {
        if !self.to.is_empty() {
            return self.to.clone();
        }
        match self.local_subject.is_empty() {
            true => self.subject.clone(),
            false => subjects::without_references(&self.local_subject),
        }
    }

    /// The activation token, if this import's is good for the importer at this time; what the
    /// exporter thinks of its issuer and of revocations is another matter.
    pub fn activation(&self, importer: &str, now: UnixSeconds) -> Option<ActivationClaims> {
        let mut issues = Issues::default();
        self.check(importer, &mut issues);
        let token = ActivationClaims::decode(&self.token).ok()?;
        token.common.check(now, &mut issues);
        let expired = token.common.expires != 0 && token.common.expires <= now;
        (!issues.are_blocking_now() && !expired).then_some(token)
    }
}

pub(crate) fn check_imports(imports: &[Import], importer: &str, issues: &mut Issues) {
    let mut known: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for import in imports {
        if import.kind == ExportKind::Service {
            let subject = import.service_subject();
            let others = known.entry(&import.account).or_default();
            for other in others.iter() {
                if subjects::is_contained(&subject, other)
                    || subjects::is_contained(other, &subject)
                {
                    issues.error(format!(
                        "overlapping subject namespace for {subject:?} and {other:?} in same \
                         account {:?}",
                        import.account
                    ));
                }
            }
            others.push(subject);
        }
        import.check(importer, issues);
    }
}
