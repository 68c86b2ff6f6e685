//! Permission to answer.

use std::sync::Arc;
use std::time::Duration;

use config_validate::options::{AllowResponses, Permissions as Config, SubjectPermission};

use crate::{Permissions, ReplyPermissions};

fn replies(max: Option<u32>, expires: Option<Duration>) -> Arc<ReplyPermissions> {
    let config = Config {
        publish: Some(SubjectPermission { allow: Some(vec!["open.*".into()]), deny: vec![] }),
        allow_responses: Some(AllowResponses { max, expires }),
        ..Config::default()
    };
    ReplyPermissions::new(&Arc::new(Permissions::new(&config))).unwrap()
}

#[test]
fn as_many_answers_as_granted() {
    for max in [1, 3] {
        let replies = replies(Some(max), None);
        assert!(!replies.take_at(b"r", 0), "nothing granted yet");
        replies.grant_at(b"r", 0);
        let used = (0..max + 2).filter(|_| replies.take_at(b"r", 0)).count();
        assert_eq!(used, max as usize);
        assert_eq!(replies.len(), 0, "a used up grant is forgotten");
        replies.grant_at(b"r", 0);
        assert!(replies.take_at(b"r", 0), "a new request grants anew");
    }
    let unlimited = replies(None, None);
    unlimited.grant_at(b"r", 0);
    assert!((0..100).all(|_| unlimited.take_at(b"r", u64::MAX)));
}

#[test]
fn grants_expire() {
    let second = 1_000_000_000;
    let replies = replies(Some(9), Some(Duration::from_secs(1)));
    replies.grant_at(b"r", 5);
    assert!(replies.take_at(b"r", second + 5));
    assert!(!replies.take_at(b"r", second + 6));
}

#[test]
fn what_is_allowed_anyway_needs_no_grant() {
    let replies = replies(Some(1), None);
    replies.grant_at(b"open.x", 0);
    assert_eq!(replies.len(), 0);
}

#[test]
fn forgotten_grants_are_swept_out() {
    let second = 1_000_000_000;
    let replies = replies(Some(1), Some(Duration::from_secs(1)));
    for i in 0..100 {
        replies.grant_at(format!("r.{i}").as_bytes(), 0);
    }
    replies.grant_at(b"late", 3 * second);
    assert_eq!(replies.len(), 1);
}

#[test]
fn not_without_permission() {
    assert!(ReplyPermissions::new(&Arc::new(Permissions::new(&Config::default()))).is_none());
}
