//! One entry of the ledger: a feature or a test, what it is in the reference, and where it stands.

use serde::Deserialize;

/// How far a feature or a test is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Not proved.
    Pending,
    /// Proved by its evidence.
    Verified,
    /// Left out, for the reason in its blocker.
    Deferred,
}

impl Status {
    /// As the files spell it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
            Self::Deferred => "deferred",
        }
    }
}

/// What is peculiar to features and to tests; all of it facts about the reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A function of the reference.
    Feature {
        /// Number of its group; the batch names the groups.
        group: u32,
        /// The crate in which it belongs.
        zone: String,
        /// The crate in which it is instead, and why: no fact, but a decision on record.
        moved: Option<Moved>,
    },
    /// A test function of the reference.
    Test {
        /// Its file.
        file: String,
        /// Its wave.
        wave: String,
        /// Its class.
        class: String,
        /// Assertion sites in its body.
        asserts: usize,
        /// Whether it measures, and so runs at a reduced size.
        perf: bool,
    },
}

/// Why a feature is not in the crate that its zone names.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moved {
    /// The crate in which it is.
    pub(crate) to: String,
    /// The reason.
    pub(crate) because: String,
}

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// `F1434` or `T27-05`.
    pub(crate) id: String,
    /// The function in the reference.
    pub(crate) symbol: String,
    /// First and last line there.
    pub(crate) lines: String,
    /// Feature or test.
    pub(crate) kind: Kind,
    /// Path of the Rust item; empty when there is none.
    pub(crate) path: String,
    /// How far it is.
    pub(crate) status: Status,
    /// Tests that prove it, as `target::module::test`.
    pub(crate) evidence: Vec<String>,
    /// Why it is deferred; empty otherwise.
    pub(crate) blocker: String,
    /// Date of the last change of status.
    pub(crate) changed: String,
}

/// What a file of entries holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryFile {
    #[serde(default)]
    feature: Vec<RawFeature>,
    #[serde(default)]
    test: Vec<RawTest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFeature {
    id: String,
    symbol: String,
    lines: String,
    group: u32,
    zone: String,
    #[serde(default)]
    moved: Option<Moved>,
    path: String,
    status: Status,
    evidence: Vec<String>,
    #[serde(default)]
    blocker: String,
    changed: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTest {
    id: String,
    symbol: String,
    file: String,
    lines: String,
    wave: String,
    class: String,
    asserts: usize,
    #[serde(default)]
    perf: bool,
    path: String,
    status: Status,
    evidence: Vec<String>,
    #[serde(default)]
    blocker: String,
    changed: String,
}

impl EntryFile {
    /// Reads a file.
    pub(crate) fn parse(text: &str) -> Result<Vec<Entry>, String> {
        let raw: Self = toml::from_str(text).map_err(|err| err.to_string())?;
        let features = raw.feature.into_iter().map(|it| Entry {
            id: it.id,
            symbol: it.symbol,
            lines: it.lines,
            kind: Kind::Feature { group: it.group, zone: it.zone, moved: it.moved },
            path: it.path,
            status: it.status,
            evidence: it.evidence,
            blocker: it.blocker,
            changed: it.changed,
        });
        let tests = raw.test.into_iter().map(|it| Entry {
            id: it.id,
            symbol: it.symbol,
            lines: it.lines,
            kind: Kind::Test {
                file: it.file,
                wave: it.wave,
                class: it.class,
                asserts: it.asserts,
                perf: it.perf,
            },
            path: it.path,
            status: it.status,
            evidence: it.evidence,
            blocker: it.blocker,
            changed: it.changed,
        });
        Ok(features.chain(tests).collect())
    }

    /// The one way in which a file is written: `head` is its comment.
    pub(crate) fn render(head: &str, entries: &[Entry]) -> String {
        let mut out = head.to_owned();
        for entry in entries {
            out.push('\n');
            entry.render(&mut out);
        }
        out
    }
}

impl Entry {
    /// Whether it is a feature.
    pub(crate) fn is_feature(&self) -> bool {
        matches!(self.kind, Kind::Feature { .. })
    }

    /// Whether it is a test that measures.
    pub(crate) fn is_perf(&self) -> bool {
        matches!(self.kind, Kind::Test { perf: true, .. })
    }

    /// The package to whose share it belongs.
    pub(crate) fn owner(&self) -> &str {
        match &self.kind {
            Kind::Feature { moved: Some(moved), .. } => &moved.to,
            Kind::Feature { zone, .. } => zone,
            Kind::Test { .. } => "tests",
        }
    }

    /// What it says of the reference, in one line.
    pub(crate) fn facts(&self) -> String {
        let kind = match &self.kind {
            Kind::Feature { group, zone, .. } => format!("{group}|{zone}"),
            Kind::Test { file, wave, class, asserts, perf } => {
                format!("{file}|{wave}|{class}|{asserts}|{perf}")
            }
        };
        format!("{}|{}|{}|{kind}\n", self.id, self.symbol, self.lines)
    }

    fn render(&self, out: &mut String) {
        let feature = self.is_feature();
        let evidence: Vec<String> = self.evidence.iter().map(|it| quoted(it)).collect();
        let evidence = match evidence.as_slice() {
            [] | [_] => format!("[{}]", evidence.join(", ")),
            _ => format!("[\n    {},\n]", evidence.join(",\n    ")),
        };
        let mut pairs = vec![("id", quoted(&self.id)), ("symbol", quoted(&self.symbol))];
        match &self.kind {
            Kind::Feature { group, zone, moved } => {
                pairs.push(("lines", quoted(&self.lines)));
                pairs.push(("group", group.to_string()));
                pairs.push(("zone", quoted(zone)));
                if let Some(moved) = moved {
                    pairs.push(("moved.to", quoted(&moved.to)));
                    pairs.push(("moved.because", quoted(&moved.because)));
                }
            }
            Kind::Test { file, wave, class, asserts, perf } => {
                pairs.push(("file", quoted(file)));
                pairs.push(("lines", quoted(&self.lines)));
                pairs.push(("wave", quoted(wave)));
                pairs.push(("class", quoted(class)));
                pairs.push(("asserts", asserts.to_string()));
                if *perf {
                    pairs.push(("perf", "true".to_owned()));
                }
            }
        }
        pairs.push(("path", quoted(&self.path)));
        pairs.push(("status", quoted(self.status.text())));
        pairs.push(("evidence", evidence));
        if !self.blocker.is_empty() {
            pairs.push(("blocker", quoted(&self.blocker)));
        }
        pairs.push(("changed", quoted(&self.changed)));
        let head = if feature { "[[feature]]" } else { "[[test]]" };
        let body = pairs.into_iter();
        let mut text = format!("{head}\n");
        text.extend(body.map(|(key, value)| format!("{key} = {value}\n")));
        out.push_str(&text);
    }
}

/// A TOML string.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
