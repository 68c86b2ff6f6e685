//! The ledger's rules over their samples, names, rendering, the runner, promotion.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Book;
use super::code::Code;
use super::entry::EntryFile;
use super::name::rust_name;
use super::promote::{Action, Options, missing, plan, refresh, refusal};
use super::runner::{Binaries, Ran};
use super::{Status, evidence, page, samples, status};
use crate::workspace::{Package, Target, TargetKind};

#[test]
fn every_rule_catches_its_bad_ledger_and_nothing_in_the_good_one() {
    let (samples, findings) = samples::self_test();
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(samples > 30, "only {samples} samples");
    assert_eq!(text, Vec::<String>::new());
}

#[test]
fn names_of_tests_follow_from_the_reference() {
    let rows = [
        ("TestJetStreamKVDelete", "jetstream_kv_delete"),
        ("TestMQTTPersistedSession", "mqtt_persisted_session"),
        ("TestNoRaceStoreStreamEncoderDecoder", "no_race_store_stream_encoder_decoder"),
        ("TestServerEventsStatsZJetStreamApiLevel", "server_events_stats_z_jetstream_api_level"),
        ("TestFileStorePubPerfWithSmallBlkSize", "file_store_pub_perf_with_small_blk_size"),
        ("TestJetStreamTHWExpireTasksRace", "jetstream_thw_expire_tasks_race"),
        ("TestServerHealthz", "server_healthz"),
        ("TestV2Limits", "v2_limits"),
    ];
    for (go, rust) in rows {
        assert_eq!(rust_name(go), rust);
    }
}

const BATCHES: &str = "[[batch]]\nnumber = 1\nname = \"one\"\nfolder = \"one\"\nsource = \"a.go\"\n\
    depends_on = []\nfeatures = 20\ntests = 1\nfacts = \"FACTS\"\n";

/// A ledger of twenty features, of which the code has a proved, an unmarked, an unproved one.
fn book() -> Book {
    let mut features = "# Features.\n".to_owned();
    for n in 1..=20 {
        features += &format!(
            "\n[[feature]]\nid = \"F{n}\"\nsymbol = \"f{n}\"\nlines = \"{n}-{n}\"\ngroup = 1\n\
             zone = \"engine\"\npath = \"\"\nstatus = \"pending\"\nevidence = []\n\
             changed = \"2026-01-01\"\n"
        );
    }
    let tests = "# Tests.\n\n[[test]]\nid = \"T1-01\"\nsymbol = \"TestAll\"\nfile = \"a_test.go\"\n\
        lines = \"1-9\"\nwave = \"A\"\nclass = \"T\"\nasserts = 2\npath = \"\"\n\
        status = \"deferred\"\nevidence = []\nblocker = \"needs a gateway\"\n\
        changed = \"2026-01-01\"\n";
    let texts = |facts: &str| {
        BTreeMap::from([
            ("tests/ledger/batches.toml".to_owned(), BATCHES.replace("FACTS", facts)),
            ("tests/ledger/one/features.toml".to_owned(), features.clone()),
            ("tests/ledger/one/tests.toml".to_owned(), tests.to_owned()),
        ])
    };
    let facts = Book::parse(&texts("")).expect("it can be read").facts(1);
    Book::parse(&texts(&facts)).expect("it can be read")
}

const ENGINE: &str = "\
//! Engine.
fn f1() -> u32 {
    mark::hit!(F1);
    7
}
fn f2() -> u32 {
    7
}
fn f3() -> u32 {
    mark::hit!(F3);
    7
}
#[cfg(test)]
mod inside {
    #[test]
    fn proves() {
        mark::check!(F1, F2);
        assert_eq!(f1(), 7);
    }
    #[test]
    fn all() {
        assert_eq!(f1(), 7);
        assert_eq!(f3(), 7);
    }
}
";

fn code_of(engine: &str) -> Code {
    let root = "crates/engine/src/lib.rs";
    let kind = TargetKind::Library;
    let target = Target { name: "engine".to_owned(), root: root.to_owned(), kind };
    let package = Package {
        name: "engine".to_owned(),
        folder: "crates/engine".to_owned(),
        dependencies: Vec::new(),
        targets: vec![target],
    };
    Code::read(&[package], &|path| (path == root).then(|| engine.to_owned()))
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn a_promotion_finds_path_and_evidence_by_the_marks() {
    let (book, code) = (book(), code_of(ENGINE));
    let draft = plan(&book, &code, &ids(&["F1", "T1-01"]), "2026-02-03");
    let entry = draft.entry("F1").expect("it is there");
    assert_eq!((entry.path.as_str(), entry.status), ("engine::f1", Status::Verified));
    assert_eq!(entry.evidence, ["engine::inside::proves"]);
    let test = draft.entry("T1-01").expect("it is there");
    assert_eq!(test.evidence, ["engine::inside::all"]);
    assert_eq!(test.blocker, "", "it waits for nothing any more");
    let promotion = draft.promotions.get("tests/ledger/one/promotions/2026-02-03-F1.toml");
    assert_eq!(promotion.map(|it| it.ids.as_slice()), Some(&ids(&["F1", "T1-01"])[..]));
    assert!(missing(&draft, &code, &ids(&["F1", "T1-01"])).values().all(Vec::is_empty));
    // What is written is read back as the same.
    let files = &draft.files["tests/ledger/one/features.toml"];
    let texts = BTreeMap::from([
        ("tests/ledger/batches.toml".to_owned(), BATCHES.to_owned()),
        ("tests/ledger/one/features.toml".to_owned(), files.render()),
    ]);
    let again = Book::parse(&texts).expect("it can be read");
    assert_eq!(again.entry("F1"), Some(entry));
}

#[test]
fn a_moved_feature_is_written_as_it_is_read() {
    let text = "\n[[feature]]\nid = \"F1\"\nsymbol = \"f\"\nlines = \"1-2\"\ngroup = 1\n\
        zone = \"account\"\nmoved.to = \"engine\"\nmoved.because = \"it says \\\"x\\\"\"\n\
        path = \"\"\nstatus = \"pending\"\nevidence = []\nchanged = \"2026-01-01\"\n";
    let entries = EntryFile::parse(text).expect("it can be read");
    assert_eq!(entries[0].owner(), "engine");
    assert!(entries[0].facts().contains("account"), "where it belongs is a fact");
    assert_eq!(EntryFile::render("", &entries), text);
}

#[test]
fn a_promotion_says_what_is_missing() {
    let (book, code) = (book(), code_of(ENGINE));
    let wanted = ids(&["F1", "F2", "F3"]);
    let draft = plan(&book, &code, &wanted, "2026-02-03");
    let missing = missing(&draft, &code, &wanted);
    assert_eq!(missing["F1"], Vec::<String>::new());
    assert_eq!(
        missing["F2"],
        ["no code says `mark::hit!(F2)`: put it into the function of the crate engine that is f2",]
    );
    assert_eq!(
        missing["F3"],
        ["it has no evidence: let the tests that prove it begin with `mark::check!(F3)`"]
    );
}

#[test]
fn fifteen_ids_may_be_promoted_at_a_time_and_not_sixteen() {
    let (book, code) = (book(), code_of(ENGINE));
    let many: Vec<String> = (1..=16).map(|n| format!("F{n}")).collect();
    let none = BTreeSet::new();
    let refused =
        |ids: &[String]| refusal(&book, &plan(&book, &code, ids, "2026-02-03"), ids, &none);
    assert_eq!(refused(&many[..15]), None);
    assert_eq!(refused(&many), Some("16 ids: at most 15 at a time".to_owned()));
}

#[test]
fn a_promotion_waits_for_the_last_one_to_be_committed() {
    let (book, code) = (book(), code_of(ENGINE));
    let first = plan(&book, &code, &ids(&["F1"]), "2026-02-03");
    let next = ids(&["F3"]);
    let draft = plan(&first, &code, &next, "2026-02-03");
    let path = "tests/ledger/one/promotions/2026-02-03-F1.toml".to_owned();
    let refused = refusal(&first, &draft, &next, &BTreeSet::new());
    assert!(refused.is_some_and(|text| text.contains("is not committed")));
    assert_eq!(refusal(&first, &draft, &next, &BTreeSet::from([path.clone()])), None);
    let again = ids(&["F1"]);
    let refused = refusal(&first, &draft, &again, &BTreeSet::from([path]));
    assert_eq!(refused, Some("F1 is verified already".to_owned()));
}

#[test]
fn a_refresh_follows_code_that_moved() {
    let promoted = plan(&book(), &code_of(ENGINE), &ids(&["F1"]), "2026-02-03");
    let moved = code_of(&ENGINE.replace("fn f1()", "fn first()").replace("proves", "shows"));
    let mut draft = promoted;
    refresh(&mut draft, &moved);
    let entry = draft.entry("F1").expect("it is there");
    assert_eq!((entry.path.as_str(), entry.changed.as_str()), ("engine::first", "2026-02-03"));
    assert_eq!(entry.evidence, ["engine::inside::shows"]);
}

#[test]
fn flags_of_promote_go_together_or_are_refused() {
    let parse = |args: &[&str]| Options::parse(ids(args));
    let promote = Action::Promote { dry_run: false };
    assert_eq!(
        parse(&["F1,F2", "F1", "T27-05"]),
        Ok(Options { ids: ids(&["F1", "F2", "T27-05"]), action: promote })
    );
    let defer = parse(&["--defer", "F1", "--because", "needs x"]).map(|it| it.action);
    assert_eq!(defer, Ok(Action::Defer("needs x".to_owned())));
    assert!(parse(&[]).is_err());
    assert!(parse(&["--defer", "F1"]).is_err());
    assert!(parse(&["--defer", "F1", "--because", " "]).is_err());
    assert!(parse(&["--refresh", "F1"]).is_err());
    assert!(parse(&["--back", "--dry-run", "F1"]).is_err());
}

#[test]
fn what_is_marked_and_claimed_is_ready() {
    let (book, code) = (book(), code_of(ENGINE));
    assert_eq!(status::ready(&book, &code), ["F1"]);
    let detail = |id: &str| status::detail(&book, &code, book.entry(id).expect("it is there"));
    assert!(detail("F1").contains("mark      crates/engine/src/lib.rs:3"));
    assert!(detail("F1").contains("evidence  engine::inside::proves"));
    assert!(!detail("F1").contains("missing"));
    assert!(detail("F3").contains("missing   it has no evidence"));
    assert!(detail("T1-01").contains("name      fn all"));
    assert!(detail("T1-01").contains("has       2 assertions, 0 `.expect`"));
}

#[test]
fn the_table_adds_up_and_the_page_shows_every_entry() {
    let book = plan(&book(), &code_of(ENGINE), &ids(&["F1"]), "2026-02-03");
    let rows: Vec<(String, [usize; 3])> =
        status::rows(&book).into_iter().map(|row| (row.name, row.counts)).collect();
    assert_eq!(
        rows,
        [
            ("1".to_owned(), [1, 0, 19]),
            ("all".to_owned(), [1, 0, 19]),
            ("wave A".to_owned(), [0, 1, 0]),
            ("all".to_owned(), [0, 1, 0]),
        ]
    );
    let page = page::render(&book);
    assert_eq!(page.matches("<tr class=\"pending\">").count(), 19);
    assert_eq!(page.matches("<tr class=\"verified\">").count(), 1);
    assert!(page.contains("needs a gateway"));
}

/// Variable that tells the tests below that they are run by the runner under test.
const MARKS: &str = "JETCORE_MARKS";

fn is_run_alone() -> bool {
    std::env::var_os(MARKS).is_some()
}

/// What the runner is to report as reached: in other runs it only shows that there is no file.
#[test]
fn target_that_reaches_a_mark() {
    if let Some(file) = std::env::var_os(MARKS) {
        std::fs::write(&file, "F7\n").expect("the runner's directory is there");
    }
    assert_eq!(std::env::var_os(MARKS).is_some(), is_run_alone());
}

/// Fails when the runner runs it, so that there is something to report.
#[test]
fn target_that_fails() {
    assert!(!is_run_alone(), "it fails on purpose");
}

#[test]
fn target_that_skips() {
    if is_run_alone() {
        println!("SKIP: on purpose");
    }
    assert_eq!(std::env::var_os(MARKS).is_some(), is_run_alone());
}

#[test]
fn the_runner_tells_passed_failed_skipped_and_absent_apart() {
    let file = std::env::current_exe().expect("tests have a path");
    let folder = std::env::current_dir().expect("there is one");
    let binaries = Binaries::single("xtask", file, folder);
    let name = |last: &str| format!("xtask::ledger::tests::target_that_{last}");
    let tests = ["reaches_a_mark", "fails", "skips", "is_not_there"].map(name);
    let other = "elsewhere::tests::x".to_owned();
    let tests = tests.into_iter().chain([other.clone()]).collect();
    let ran = binaries.run(&tests, &|_| {}).expect("there is a directory");
    assert_eq!(ran[&name("reaches_a_mark")], Ran::Passed(BTreeSet::from(["F7".to_owned()])));
    let Ran::Failed(text) = &ran[&name("fails")] else { panic!("{ran:?}") };
    assert!(text.contains("it fails on purpose"), "{text}");
    assert_eq!(ran[&name("skips")], Ran::Skipped("SKIP: on purpose".to_owned()));
    assert_eq!(ran[&name("is_not_there")], Ran::Absent);
    assert_eq!(ran[&other], Ran::Absent);
}

#[test]
fn evidence_is_asked_of_verified_entries_only() {
    let draft = plan(&book(), &code_of(ENGINE), &ids(&["F1"]), "2026-02-03");
    let needed = evidence::needed(&draft, &|_| true);
    assert_eq!(needed, BTreeSet::from(["engine::inside::proves".to_owned()]));
    assert_eq!(evidence::needed(&draft, &|entry| entry.id != "F1"), BTreeSet::new());
}
