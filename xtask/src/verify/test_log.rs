//! Reads what `cargo test` prints: counts, failures with their output, skips.

use std::collections::BTreeSet;

use crate::finding::Finding;

/// What the lines so far have said.
#[derive(Default)]
pub(crate) struct TestLog {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed, and binaries that ended without saying how many did.
    pub(crate) failed: u64,
    /// Tests that were not run.
    pub(crate) ignored: u64,
    /// Lines that begin with `SKIP:`, each once.
    pub(crate) skips: BTreeSet<String>,
    /// Output of failed tests, one entry each.
    pub(crate) failures: Vec<Failure>,
    running: Option<String>,
    section: Section,
}

/// One failed test.
pub(crate) struct Failure {
    /// Which one, with its binary.
    pub(crate) name: String,
    /// What it printed.
    pub(crate) output: Vec<String>,
}

#[derive(Default, PartialEq, Eq)]
enum Section {
    /// Names of tests and their results.
    #[default]
    Results,
    /// Output of tests that passed.
    Successes,
    /// Output of tests that failed.
    Failures,
}

impl TestLog {
    /// Takes the next line; returns what is being done, when the line says so.
    pub(crate) fn push(&mut self, line: &str) -> Option<String> {
        let trimmed = line.trim_start();
        // A test that prints without a newline has its output in front of `SKIP:`.
        if let Some((_, skip)) = line.split_once("SKIP: ") {
            self.skips.insert(format!("SKIP: {}", skip.trim_end()));
        }
        if trimmed.starts_with("Running ") || trimmed.starts_with("Doc-tests ") {
            self.close_binary();
            let name = trimmed.split(" (").next().unwrap_or(trimmed).to_owned();
            self.running = Some(name.clone());
            self.section = Section::Results;
            return Some(name);
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.count(result);
            return None;
        }
        match line {
            "successes:" => self.section = Section::Successes,
            // The second of the two only lists names.
            "failures:" if self.section == Section::Failures => self.section = Section::Results,
            "failures:" => self.section = Section::Failures,
            _ if self.section == Section::Failures => self.failure_line(line),
            _ => {}
        }
        let name = line.strip_prefix("test ")?.split(" ... ").next()?;
        (self.section == Section::Results).then(|| name.to_owned())
    }

    /// Tells the log that there are no more lines.
    pub(crate) fn finish(&mut self) {
        self.close_binary();
    }

    fn failure_line(&mut self, line: &str) {
        let name = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" ----"));
        let name = name.map(|name| name.trim_end_matches(" stdout"));
        match name {
            Some(name) => {
                let place = self.running.as_deref().unwrap_or("?");
                let name = format!("{name} ({place})");
                self.failures.push(Failure { name, output: Vec::new() });
            }
            None => {
                let last = self.failures.last_mut();
                last.into_iter().for_each(|failure| failure.output.push(line.to_owned()));
            }
        }
    }

    /// `ok. 3 passed; 0 failed; 0 ignored; ...`
    fn count(&mut self, result: &str) {
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
        self.running = None;
        self.section = Section::Results;
    }

    /// A binary that went away without a result counts as one failure.
    fn close_binary(&mut self) {
        if let Some(name) = self.running.take() {
            self.failed += 1;
            let output = vec!["it ended without a result".to_owned()];
            self.failures.push(Failure { name, output });
        }
    }
}

impl Failure {
    /// The failure as a finding at the line of its panic.
    pub(crate) fn finding(&self) -> Finding {
        let panic = self.output.iter().position(|line| line.contains(" panicked at "));
        let place = panic.and_then(|i| self.output.get(i)).and_then(|line| panic_place(line));
        let (path, line) = place.unwrap_or(("tests".to_owned(), 1));
        let message = panic.map_or(self.output.first(), |i| self.output.get(i + 1));
        let message = message.map(|text| text.trim()).unwrap_or("it failed");
        Finding::new(path, line, "test", format!("{}: {message}", self.name))
    }
}

/// Path and line from `thread 'x' (1) panicked at path:line:column:`.
fn panic_place(line: &str) -> Option<(String, usize)> {
    let (_, place) = line.split_once(" panicked at ")?;
    let mut parts = place.trim_end_matches(':').rsplitn(3, ':');
    let (_column, number, path) = (parts.next()?, parts.next()?, parts.next()?);
    Some((path.to_owned(), number.parse().ok()?))
}
