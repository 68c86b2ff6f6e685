//! One Rust file, parsed: its lines, its syntax tree, the facts drawn from it, its test parts.

use std::collections::BTreeSet;

use syn::spanned::Spanned as _;

use super::facts::{self, Facts};
use crate::finding::Finding;

/// A parsed file as the rules see it.
pub(crate) struct Source {
    /// Path relative to the workspace root.
    pub(crate) path: String,
    /// Its lines.
    pub(crate) lines: Vec<String>,
    /// What its syntax tree says.
    pub(crate) facts: Facts,
    whole_file: Part,
    /// First and last lines of the `#[cfg(test)]` items and `#[test]` functions.
    test_ranges: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Test,
    Product,
}

/// Files and folders that are compiled only for tests because a `#[cfg(test)] mod x;` says so.
#[derive(Default)]
pub(crate) struct TestModules(BTreeSet<String>);

impl TestModules {
    /// Adds what another file declares.
    pub(crate) fn extend(&mut self, more: Vec<String>) {
        self.0.extend(more);
    }

    fn holds(&self, path: &str) -> bool {
        self.0.iter().any(|entry| {
            path.strip_prefix(entry.as_str())
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    }
}

impl Source {
    /// Parses `text`; a file that is no Rust is itself a finding.
    pub(crate) fn parse(
        path: &str,
        text: &str,
        test_modules: &TestModules,
    ) -> Result<Self, Box<Finding>> {
        let syntax = syn::parse_file(text).map_err(|err| {
            let line = err.span().start().line;
            Box::new(Finding::new(path, line, "syntax", format!("make it parse: {err}")))
        })?;
        Ok(Self::of(path, text, &syntax, test_modules))
    }

    /// What a tree that is parsed already says; `text` is what it was parsed from.
    pub(crate) fn of(
        path: &str,
        text: &str,
        syntax: &syn::File,
        test_modules: &TestModules,
    ) -> Self {
        let whole_file =
            if is_test_path(path) || test_modules.holds(path) { Part::Test } else { Part::Product };
        let facts = facts::collect(syntax);
        let mut test_ranges = test_items(&syntax.items);
        test_ranges
            .extend(facts.functions.iter().filter(|f| f.is_test).map(|f| (f.line, f.end_line)));
        Self {
            path: path.to_owned(),
            lines: text.lines().map(str::to_owned).collect(),
            facts,
            whole_file,
            test_ranges,
        }
    }

    /// Whether a line belongs to tests.
    pub(crate) fn in_test(&self, line: usize) -> bool {
        self.whole_file == Part::Test
            || self.test_ranges.iter().any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// Number of lines that are not test code.
    pub(crate) fn product_lines(&self) -> usize {
        (1..=self.lines.len()).filter(|line| !self.in_test(*line)).count()
    }

    /// Text of a line, counted from 1; empty outside the file.
    pub(crate) fn line(&self, number: usize) -> &str {
        number.checked_sub(1).and_then(|i| self.lines.get(i)).map_or("", String::as_str)
    }

    /// A finding in this file.
    pub(crate) fn finding(&self, line: usize, rule: &str, advice: impl Into<String>) -> Finding {
        Finding::new(self.path.as_str(), line, rule, advice)
    }
}

/// Whether a path alone says that a file is test code.
pub(crate) fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches"))
        || path.ends_with("_tests.rs")
}

/// Files (without `.rs`) that `text` declares as `#[cfg(test)] mod name;`.
pub(crate) fn test_modules(path: &str, text: &str) -> Vec<String> {
    let Ok(syntax) = syn::parse_file(text) else { return Vec::new() };
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = match file {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    };
    let modules = syntax.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && facts::is_cfg_test(&module.attrs) => {
            Some(format!("{folder}/{}", module.ident))
        }
        _ => None,
    });
    modules.collect()
}

fn test_items(items: &[syn::Item]) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    for item in items {
        let (attrs, span) = match item {
            syn::Item::Mod(it) => (&it.attrs, it.span()),
            syn::Item::Fn(it) => (&it.attrs, it.span()),
            syn::Item::Impl(it) => (&it.attrs, it.span()),
            syn::Item::Struct(it) => (&it.attrs, it.span()),
            syn::Item::Enum(it) => (&it.attrs, it.span()),
            syn::Item::Use(it) => (&it.attrs, it.span()),
            syn::Item::Const(it) => (&it.attrs, it.span()),
            syn::Item::Macro(it) => (&it.attrs, it.span()),
            _ => continue,
        };
        if facts::is_cfg_test(attrs) {
            ranges.push((span.start().line, span.end().line));
        } else if let syn::Item::Mod(it) = item
            && let Some((_, inner)) = &it.content
        {
            ranges.extend(test_items(inner));
        }
    }
    ranges
}
