//! The rules against their samples, and the corners that samples do not show.

use super::source::{Source, TestModules, is_test_path, test_modules};
use super::{RULES, Settings, apply_allows, check_mentions, self_test};
use crate::finding::Finding;

fn findings_in(path: &str, text: &str, modules: &TestModules) -> Vec<Finding> {
    let source = Source::parse(path, text, modules).expect("the text is Rust");
    let settings = Settings { max_lines: 800, ..Settings::default() };
    let found = RULES.iter().flat_map(|rule| (rule.check)(&source, &settings)).collect();
    apply_allows(&source, found)
}

#[test]
fn every_rule_catches_its_bad_sample_and_nothing_in_its_good_one() {
    let (samples, findings) = self_test();
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(samples >= RULES.len() * 2, "only {samples} samples");
    assert_eq!(text, Vec::<String>::new());
}

#[test]
fn a_file_that_is_no_rust_is_a_finding_at_its_line() {
    let finding = Source::parse("a.rs", "//! A.\nfn (", &TestModules::default()).err();
    let finding = finding.expect("it does not parse");
    assert_eq!((finding.line, finding.rule.as_str()), (2, "syntax"));
}

#[test]
fn a_module_behind_cfg_test_is_test_code_in_its_own_file() {
    let lib = "//! L.\n#[cfg(test)]\nmod testing;\n#[cfg(not(test))]\nmod real;\n";
    assert_eq!(test_modules("crates/x/src/lib.rs", lib), ["crates/x/src/testing"]);
    assert_eq!(test_modules("crates/x/src/a.rs", lib), ["crates/x/src/a/testing"]);
    let mut modules = TestModules::default();
    modules.extend(test_modules("crates/x/src/lib.rs", lib));
    let text = "//! T.\nfn nothing(_: u32) {}\n";
    let rules = |path: &str| -> Vec<String> {
        findings_in(path, text, &modules).into_iter().map(|f| f.rule).collect()
    };
    assert_eq!(rules("crates/x/src/testing.rs"), Vec::<String>::new());
    assert_eq!(rules("crates/x/src/testing/more.rs"), Vec::<String>::new());
    assert_eq!(rules("crates/x/src/testing_not.rs"), ["empty-function"]);
}

#[test]
fn test_paths_are_known_by_folder_and_name() {
    assert!(is_test_path("tests/src/lib.rs"));
    assert!(is_test_path("crates/a/src/b/tests.rs"));
    assert!(is_test_path("crates/a/src/b_tests.rs"));
    assert!(!is_test_path("crates/a/src/attests.rs"));
    assert!(!is_test_path("crates/a/src/latest.rs"));
}

#[test]
fn an_allow_comment_covers_one_finding_and_no_more() {
    let text = "//! A.\n// tidy: allow empty-function: it is only measured\n\
                fn one(_: u32) {}\nfn two(_: u32) {}\n";
    let found = findings_in("crates/a/src/a.rs", text, &TestModules::default());
    let lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [4]);
}

#[test]
fn machine_paths_are_found_only_where_a_path_starts() {
    let bad = format!("see {}x", concat!("/wo", "rk/"));
    assert_eq!(check_mentions("a.md", &bad).len(), 1);
    let good = format!("see crates{}x", concat!("/wo", "rk/"));
    assert_eq!(check_mentions("a.md", &good), []);
}

#[test]
fn a_lock_file_names_one_source_only() {
    let own = concat!("source = \"registry+https://github.com/rust-lang/", "crates.io-index\"");
    assert_eq!(check_mentions("Cargo.lock", own), []);
    let other = "source = \"sparse+https://example.invalid/\"";
    assert_eq!(check_mentions("Cargo.lock", other).len(), 1);
    assert_eq!(check_mentions("notes.md", other), []);
}
