//! Tables of what may be published and subscribed to.

use config_validate::options::{Permissions as Config, SubjectPermission};

use crate::{Permissions, Subscribing};

fn subjects(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// `-` is no list, otherwise subjects parted by commas.
fn rules(allow: &str, deny: &str) -> SubjectPermission {
    SubjectPermission { allow: (allow != "-").then(|| subjects(allow)), deny: subjects(deny) }
}

fn subscriber(allow: &str, deny: &str) -> Permissions {
    Permissions::new(&Config { subscribe: Some(rules(allow, deny)), ..Config::default() })
}

#[track_caller]
fn check_sub(allow: &str, deny: &str, wanted: &str, expected: Subscribing) {
    let (subject, queue) = crate::rules::split_queue(wanted);
    let got = subscriber(allow, deny).can_subscribe(subject.as_bytes(), queue.map(str::as_bytes));
    assert_eq!(got, expected, "allow {allow:?} deny {deny:?} wanted {wanted:?}");
}

#[test]
fn subscribing_by_subject() {
    use Subscribing::{Allowed, Denied};
    check_sub("-", "", "anything.>", Allowed);
    check_sub("", "", "anything", Allowed);
    check_sub("foo", "", "foo", Allowed);
    check_sub("foo", "", "foo.bar", Denied);
    check_sub("foo.*", "", "foo.bar", Allowed);
    check_sub("foo.*", "", "foo.*", Allowed);
    check_sub("foo.*", "", "foo.bar.x", Denied);
    check_sub("foo.*", "", "*.bar", Denied);
    check_sub("foo.>", "", "foo.*", Allowed);
    check_sub("foo.>", "", "foo.>", Allowed);
    check_sub("foo.>", "", "foo", Denied);
    check_sub("foo.>", "", ">", Denied);
    check_sub(">", "", ">", Allowed);
    // The whole of the pattern must be allowed.
    check_sub("foo.*", "", "foo.>", Denied);
    check_sub("*", "", ">", Denied);
}

#[test]
fn subscribing_with_queue_groups() {
    use Subscribing::{Allowed, Denied};
    check_sub("foo", "", "foo v1", Allowed);
    check_sub("foo v1", "", "foo v1", Allowed);
    check_sub("foo v1", "", "foo v2", Denied);
    check_sub("foo v1", "", "foo", Denied);
    check_sub("foo, foo v1", "", "foo", Allowed);
    check_sub("foo, foo v1", "", "foo v1", Allowed);
    check_sub("foo, foo v1", "", "foo v2", Denied);
    check_sub("foo.> *.prod", "", "foo.x v1.prod", Allowed);
    check_sub("foo.> *.prod", "", "foo.* v1.prod", Allowed);
    check_sub("foo.> *.prod", "", "foo.x v1.dev", Denied);
    check_sub("foo v.*", "", "foo v.*", Allowed);
    check_sub("foo >", "", "foo anything", Allowed);
    check_sub("-", "foo v1", "foo v1", Denied);
    check_sub("-", "foo v1", "foo v2", Allowed);
    check_sub("-", "foo v1", "foo", Allowed);
    check_sub("-", "foo v.>", "foo v.1", Denied);
}

#[test]
fn denials_win_and_filter() {
    use Subscribing::{Allowed, Denied, Filtered};
    check_sub("-", "foo", "foo", Denied);
    check_sub("-", "foo", "foo q", Denied);
    check_sub("-", "foo.*", "foo.bar", Denied);
    check_sub("-", "foo.*", "foo.*", Denied);
    check_sub("foo.>", "foo.secret", "foo.secret", Denied);
    check_sub("foo.>", "foo.secret", "foo.public", Allowed);
    check_sub("foo.>", "foo.secret", "foo.*", Filtered);
    check_sub("foo.>", "foo.secret", "foo.a.*", Allowed);
    check_sub("-", "a.*.c", "a.b.*", Filtered);
}

#[test]
fn deny_list_has_only_plain_denials() {
    // A queue group's denial says nothing about what a wildcard may deliver.
    check_sub("-", "foo v1", "*", Subscribing::Allowed);
}

#[track_caller]
fn check_pub(config: &Config, subject: &str, expected: bool) {
    let permissions = Permissions::new(config);
    assert_eq!(permissions.can_publish(subject.as_bytes()), expected, "{subject}");
}

#[test]
fn publishing() {
    let config =
        |allow: &str, deny: &str| Config { publish: Some(rules(allow, deny)), ..Config::default() };
    check_pub(&Config::default(), "a", true);
    check_pub(&config("-", ""), "a", true);
    check_pub(&config("", ""), "a", false);
    check_pub(&config("a.*", ""), "a.b", true);
    check_pub(&config("a.*", ""), "a", false);
    check_pub(&config("a.*", ""), "a.b.c", false);
    check_pub(&config("-", "a.>"), "a.b", false);
    check_pub(&config("-", "a.>"), "b", true);
    check_pub(&config("a.>", "a.b"), "a.b", false);
    check_pub(&config("a.>", "a.b"), "a.c", true);
}

#[test]
fn who_may_answer_may_publish_nothing_else() {
    let answers = Config { allow_responses: Some(Default::default()), ..Config::default() };
    assert!(Permissions::new(&answers).restricts_publish());
    check_pub(&answers, "a", false);
    let both = Config { publish: Some(rules("a", "")), ..answers };
    check_pub(&both, "a", true);
    check_pub(&both, "b", false);
}
