//! The rules that hold the ledger against the sources: pure functions, each with bad samples.

use std::collections::{BTreeMap, BTreeSet};

use super::book::{BATCHES, Batch, Book};
use super::code::{Code, Function, Mark};
use super::entry::{Entry, Kind, Status};
use super::name::rust_name;
use crate::finding::Finding;

/// Ids that one promotion may hold.
pub(crate) const MOST_AT_ONCE: usize = 15;

/// Files that no `promote` would have written so.
pub(crate) const FORMAT: &str = "ledger-format";
/// Paths of items that are not there, or not where they belong.
pub(crate) const PATH: &str = "ledger-path";
/// Marks that are missing, doubled, misplaced or unknown.
pub(crate) const MARK: &str = "ledger-mark";
/// Evidence that is missing or does not claim the id.
pub(crate) const EVIDENCE: &str = "ledger-evidence";
/// Tests with fewer assertion sites than the reference's.
pub(crate) const ASSERTS: &str = "ledger-asserts";
/// Verified features whose code is a stub.
pub(crate) const STUB: &str = "ledger-stub";
/// Deferred without a reason, or a reason without being deferred.
pub(crate) const BLOCKER: &str = "ledger-blocker";
/// Statuses that no promotion gave, and promotions that are too large.
pub(crate) const PROMOTION: &str = "ledger-promotion";
/// Batches started too early.
pub(crate) const BATCH: &str = "ledger-batch";
/// Facts about the reference that changed.
pub(crate) const FACTS: &str = "ledger-facts";

/// All names, so that the self-test can ask for a sample of each.
pub(crate) const RULES: &[&str] =
    &[FORMAT, PATH, MARK, EVIDENCE, ASSERTS, STUB, BLOCKER, PROMOTION, BATCH, FACTS];

/// What is held against what.
pub(crate) struct Checked<'a> {
    /// The ledger.
    pub(crate) book: &'a Book,
    /// The sources.
    pub(crate) code: &'a Code,
    /// Promotion files that are committed; nothing when git is not asked.
    pub(crate) committed: Option<&'a BTreeSet<String>>,
}

impl<'a> Checked<'a> {
    /// Everything that is wrong; of entries, only those that `wanted` holds.
    pub(crate) fn findings(&self, wanted: &dyn Fn(&Entry) -> bool) -> Vec<Finding> {
        let mut findings = self.ledger();
        for (path, _, entry) in self.book.entries().filter(|(_, _, entry)| wanted(entry)) {
            let line = self.book.line(path, &entry.id);
            let complaints = self.entry(entry).into_iter();
            findings.extend(complaints.map(|(rule, advice)| {
                Finding::new(path, line, rule, format!("{}: {advice}", entry.id))
            }));
        }
        findings.extend(self.marks());
        findings
    }

    /// What is wrong with one entry: rule and advice.
    pub(crate) fn entry(&self, entry: &Entry) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if !is_date(&entry.changed) {
            wrong.push((FORMAT, format!("`{}` is no date such as 2026-01-31", entry.changed)));
        }
        match (entry.status, entry.blocker.trim().is_empty()) {
            (Status::Deferred, true) => {
                wrong.push((
                    BLOCKER,
                    "it is deferred: say in `blocker` what it waits for".to_owned(),
                ));
            }
            (Status::Pending | Status::Verified, false) => {
                let advice = format!("it is {}: remove its blocker", entry.status.text());
                wrong.push((BLOCKER, advice));
            }
            _ => {}
        }
        if let Kind::Feature { moved: Some(moved), zone, .. } = &entry.kind
            && (moved.because.trim().is_empty() || moved.to == *zone)
        {
            let advice = format!("say why it is in `{}` and not in `{zone}`", moved.to);
            wrong.push((PATH, advice));
        }
        if entry.status != Status::Verified && !entry.evidence.is_empty() {
            let advice = "evidence is written by `cargo xtask promote`: leave it out until then";
            wrong.push((EVIDENCE, advice.to_owned()));
        }
        if !entry.path.is_empty() && !self.code.exists(&entry.path) {
            wrong.push((PATH, self.no_such_path(&entry.path)));
        }
        if entry.status == Status::Verified {
            match &entry.kind {
                Kind::Feature { .. } => {
                    wrong.extend(self.verified_feature(entry, entry.owner()));
                }
                Kind::Test { asserts, .. } => wrong.extend(self.verified_test(entry, *asserts)),
            }
            wrong.extend(self.unpromoted(entry));
        }
        wrong
    }

    fn verified_feature(&self, entry: &Entry, zone: &str) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let marks = self.product_marks(&entry.id);
        if entry.path.is_empty() && marks.len() == 1 {
            wrong.push((PATH, "it is verified: name the item that it is".to_owned()));
        }
        match marks.as_slice() {
            [] => wrong.push((MARK, no_mark(entry, zone))),
            [mark] => match &mark.function {
                None => {
                    let advice = format!("its mark at {} is in no function", place(mark));
                    wrong.push((MARK, advice));
                }
                Some(function) => wrong.extend(self.marked_function(entry, zone, function)),
            },
            [first, second, ..] => {
                let places = format!("{} and {}", place(first), place(second));
                wrong.push((MARK, format!("it is marked at {places}: mark one place")));
            }
        }
        if entry.evidence.is_empty() {
            let advice = format!(
                "it has no evidence: let the tests that prove it begin with `mark::check!({})`",
                entry.id
            );
            wrong.push((EVIDENCE, advice));
        }
        for path in &entry.evidence {
            match self.code.tests(path).count() {
                0 => wrong.push((EVIDENCE, format!("`{path}` is no test: {}", self.similar(path)))),
                1 if self.code.claimants(&entry.id).contains(&path.as_str()) => {}
                1 => {
                    let advice = format!("`{path}` does not say `mark::check!({})`", entry.id);
                    wrong.push((EVIDENCE, advice));
                }
                _ => wrong.push((EVIDENCE, format!("two tests are called `{path}`: rename one"))),
            }
        }
        wrong
    }

    fn marked_function(
        &self,
        entry: &Entry,
        zone: &str,
        function: &str,
    ) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let is_inside = function
            .strip_prefix(&entry.path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        if !entry.path.is_empty() && !is_inside {
            let advice = format!(
                "its mark is in `{function}`, not in `{}`: `cargo xtask promote --refresh` \
                 if it moved",
                entry.path
            );
            wrong.push((MARK, advice));
        }
        let crate_name = function.split("::").next().unwrap_or_default();
        if crate_name != zone.replace('-', "_") {
            let advice = format!(
                "it belongs into the crate {zone}, its mark is in {crate_name}: mark its function \
                 in {zone}, or say why not with `moved.to` and `moved.because`"
            );
            wrong.push((PATH, advice));
        }
        let why = self.code.named(function).find_map(|it| it.stub.clone());
        if let Some(why) = why {
            wrong.push((STUB, format!("its code is unfinished: {why}")));
        }
        wrong
    }

    fn verified_test(&self, entry: &Entry, asserts: usize) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let test = match self.test_of(entry) {
            Ok(test) => test,
            Err(advice) => return vec![(PATH, advice)],
        };
        let wanted = [test.path.as_str()];
        if entry.path != test.path || !entry.evidence.iter().eq(wanted) {
            let advice = format!("path and evidence are the test itself: `{}`", test.path);
            wrong.push((EVIDENCE, advice));
        }
        let counted = test.sites.assertions + test.sites.demands.min(asserts / 2);
        if counted < asserts {
            let advice = format!(
                "`{}` at {}:{} has {counted} assertion sites that count ({} assertions, {} \
                 `.expect`, of which half of {asserts} may count), the reference {asserts}",
                test.path, test.file, test.line, test.sites.assertions, test.sites.demands
            );
            wrong.push((ASSERTS, advice));
        }
        if let Some(why) = &test.stub {
            wrong.push((STUB, format!("the test is unfinished: {why}")));
        }
        wrong
    }

    /// The test that an entry speaks of: the one that it states, else the one with the right name.
    pub(crate) fn test_of(&self, entry: &Entry) -> Result<&'a Function, String> {
        if !entry.path.is_empty() {
            let mut functions = self.code.functions.iter();
            let test = functions.find(|it| it.is_test && it.path == entry.path);
            return test.ok_or_else(|| format!("`{}` is no test", entry.path));
        }
        let name = rust_name(&entry.symbol);
        match self.code.tests_by_name(&name).as_slice() {
            [] => Err(format!("there is no test `fn {name}` for {}", entry.symbol)),
            [test] => Ok(test),
            tests => {
                let paths: Vec<&str> = tests.iter().map(|test| test.path.as_str()).collect();
                let paths = paths.join(", ");
                Err(format!("several tests are called `{name}`: state its `path`, of {paths}"))
            }
        }
    }

    fn unpromoted(&self, entry: &Entry) -> Option<(&'static str, String)> {
        let given =
            self.book.promotions.values().any(|promotion| {
                promotion.date == entry.changed && promotion.ids.contains(&entry.id)
            });
        (!given).then(|| {
            let advice = format!(
                "no promotion of {} made it verified: use `cargo xtask promote`",
                entry.changed
            );
            (PROMOTION, advice)
        })
    }

    fn no_such_path(&self, path: &str) -> String {
        format!("there is no `{path}` in the code: {}", self.similar(path))
    }

    /// Paths that end alike, as a hint.
    fn similar(&self, path: &str) -> String {
        let last = path.rsplit("::").next().unwrap_or(path);
        let functions = self.code.functions.iter().map(|it| it.path.as_str());
        let all = functions.chain(self.code.items.iter().map(String::as_str));
        let alike: Vec<&str> =
            all.filter(|it| it.rsplit("::").next() == Some(last)).take(3).collect();
        match alike.as_slice() {
            [] => format!("nothing is called `{last}`"),
            _ => format!("meant is perhaps {}", alike.join(", ")),
        }
    }

    fn product_marks(&self, id: &str) -> Vec<&Mark> {
        self.code.marks.iter().filter(|mark| mark.id == id && !mark.in_test).collect()
    }

    /// Marks and claims against the ledger.
    fn marks(&self) -> Vec<Finding> {
        let mut findings = self.code.forgeries.clone();
        let known: BTreeSet<&str> = self
            .book
            .entries()
            .filter(|(_, _, entry)| entry.is_feature())
            .map(|(_, _, entry)| entry.id.as_str())
            .collect();
        let mut first: BTreeMap<&str, &Mark> = BTreeMap::new();
        let finding =
            |mark: &Mark, advice: String| Finding::new(mark.file.as_str(), mark.line, MARK, advice);
        for mark in &self.code.marks {
            if mark.in_test {
                let advice =
                    format!("`hit!({})` in a test reaches nothing: mark the feature", mark.id);
                findings.push(finding(mark, advice));
            } else if let Some(other) = first.insert(&mark.id, mark) {
                let advice =
                    format!("{} is marked at {} too: mark one place", mark.id, place(other));
                findings.push(finding(mark, advice));
            }
        }
        for mark in self.code.marks.iter().chain(&self.code.claims) {
            if !known.contains(mark.id.as_str()) {
                findings.push(finding(mark, format!("no ledger has a feature {}", mark.id)));
            }
        }
        for claim in &self.code.claims {
            let holder = claim.function.as_deref().unwrap_or_default();
            if self.code.tests(holder).next().is_none() {
                let advice =
                    format!("`check!({})` stands in no test: it says what a test proves", claim.id);
                findings.push(finding(claim, advice));
            }
        }
        findings
    }

    /// What is wrong with the ledger as such.
    fn ledger(&self) -> Vec<Finding> {
        let mut findings = self.batches();
        let mut seen = BTreeSet::new();
        for (path, _, entry) in self.book.entries() {
            if !seen.insert(entry.id.as_str()) {
                let line = self.book.line(path, &entry.id);
                let advice = format!("{}: there is another entry with this id", entry.id);
                findings.push(Finding::new(path, line, FORMAT, advice));
            }
        }
        for (path, sheet) in &self.book.files {
            if sheet.render() != sheet.text {
                let advice = "write it as `cargo xtask promote --refresh` does";
                findings.push(Finding::new(path.as_str(), 1, FORMAT, advice));
            }
        }
        findings.extend(self.promotions());
        findings
    }

    fn promotions(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let finding = |path: &str, advice: String| Finding::new(path, 1, PROMOTION, advice);
        for (path, promotion) in &self.book.promotions {
            let count = promotion.ids.len();
            if count == 0 || count > MOST_AT_ONCE {
                let advice = format!("it holds {count} ids: 1 to {MOST_AT_ONCE} at a time");
                findings.push(finding(path, advice));
            }
            if !is_date(&promotion.date) {
                findings.push(finding(path, format!("`{}` is no date", promotion.date)));
            }
            for id in &promotion.ids {
                let owner = self.book.entries().find(|(_, _, entry)| entry.id == *id);
                if owner.is_none_or(|(_, batch, _)| batch != promotion.batch) {
                    let advice = format!("{id} is no entry of batch {}", promotion.batch);
                    findings.push(finding(path, advice));
                }
            }
        }
        if let Some(committed) = self.committed {
            let new = self.book.promotions.keys().filter(|path| !committed.contains(*path));
            for path in new.skip(1) {
                let advice = "another promotion is not committed: commit one after the other";
                findings.push(finding(path, advice.to_owned()));
            }
        }
        findings
    }

    fn batches(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut finding = |rule, advice| findings.push(Finding::new(BATCHES, 1, rule, advice));
        for batch in &self.book.batches {
            let number = batch.number;
            for (rule, advice) in self.batch(batch) {
                finding(rule, format!("batch {number}: {advice}"));
            }
        }
        findings
    }

    /// What is wrong with one batch: rule and advice.
    pub(crate) fn batch(&self, batch: &Batch) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let own: Vec<&Entry> = self.of_batch(batch.number).collect();
        let features = own.iter().filter(|entry| entry.is_feature()).count();
        let tests = own.len() - features;
        if (features, tests) != (batch.features, batch.tests) {
            let advice = format!(
                "{features} features and {tests} tests are listed, it has {} and {}",
                batch.features, batch.tests
            );
            wrong.push((FACTS, advice));
        }
        let facts = self.book.facts(batch.number);
        if facts != batch.facts {
            let advice = format!(
                "ids, symbols, lines, zones or assertion counts changed; where that is meant, \
                 set `facts = \"{facts}\"`"
            );
            wrong.push((FACTS, advice));
        }
        if self.book.batches.iter().filter(|it| it.number == batch.number).count() > 1 {
            wrong.push((BATCH, "there are two of this number".to_owned()));
        }
        let started =
            own.iter().any(|entry| entry.status == Status::Verified || !entry.path.is_empty());
        for other in &batch.depends_on {
            if *other == batch.number || !self.book.batches.iter().any(|it| it.number == *other) {
                wrong.push((BATCH, format!("it depends on {other}, which is no other batch")));
            }
            let open = self.of_batch(*other).filter(|it| it.status == Status::Pending).count();
            if started && open > 0 {
                let advice = format!(
                    "it is started, and batch {other}, on which it depends, has {open} pending"
                );
                wrong.push((BATCH, advice));
            }
        }
        wrong
    }

    fn of_batch(&self, number: u32) -> impl Iterator<Item = &Entry> {
        self.book.entries().filter(move |(_, batch, _)| *batch == number).map(|(_, _, it)| it)
    }
}

fn no_mark(entry: &Entry, zone: &str) -> String {
    format!(
        "no code says `mark::hit!({})`: put it into the function of the crate {zone} that is {}",
        entry.id, entry.symbol
    )
}

fn place(mark: &Mark) -> String {
    format!("{}:{}", mark.file, mark.line)
}

fn is_date(text: &str) -> bool {
    jiff::civil::Date::strptime("%Y-%m-%d", text).is_ok_and(|date| date.to_string() == text)
}
