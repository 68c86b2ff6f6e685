//! Defaults and refusals with the reference's error numbers, as tables.

use types::{
    AckPolicy, ApiError, ConsumerConfig, DeliverPolicy, PriorityPolicy, Retention, StreamConfig,
    StreamConsumerLimits, Timestamp,
};

use super::{ConsumerLimits, check_consumer_config};
use crate::stream_config::Strictness;

const SECOND: i64 = 1_000_000_000;

fn stream() -> StreamConfig {
    StreamConfig {
        name: "S".into(),
        subjects: vec!["s.>".into()],
        num_replicas: 1,
        ..StreamConfig::default()
    }
}

fn pull(change: impl FnOnce(&mut ConsumerConfig)) -> ConsumerConfig {
    let mut config =
        ConsumerConfig { ack_policy: AckPolicy::Explicit, ..ConsumerConfig::default() };
    change(&mut config);
    config
}

fn push(change: impl FnOnce(&mut ConsumerConfig)) -> ConsumerConfig {
    pull(|c| {
        c.deliver_subject = "d".into();
        change(c);
    })
}

fn check(config: ConsumerConfig) -> Result<ConsumerConfig, ApiError> {
    check_consumer_config(config, &stream(), &ConsumerLimits::default(), Strictness::Lenient)
}

fn code(result: Result<ConsumerConfig, ApiError>) -> u16 {
    result.err().map_or(0, |e| e.err_code)
}

#[test]
fn defaults() {
    let config = check(pull(|_| {})).expect("valid");
    assert_eq!(config.ack_wait_ns, 30 * SECOND);
    assert_eq!((config.max_deliver, config.max_waiting, config.max_ack_pending), (-1, 512, 1000));
    let pushed = check(push(|c| c.ack_policy = AckPolicy::None)).expect("valid");
    assert_eq!((pushed.ack_wait_ns, pushed.max_waiting, pushed.max_ack_pending), (0, 0, 0));
    let backoff = check(pull(|c| {
        (c.backoff_ns, c.max_deliver) = (vec![7 * SECOND, 9 * SECOND], 2);
    }));
    assert_eq!(backoff.expect("valid").ack_wait_ns, 7 * SECOND);
    let negative = check(pull(|c| {
        (c.max_deliver, c.max_waiting, c.max_batch, c.max_ack_pending) = (-5, -5, -5, -5);
    }));
    let negative = negative.expect("valid");
    assert_eq!((negative.max_deliver, negative.max_waiting), (-1, 512));
    assert_eq!((negative.max_batch, negative.max_ack_pending), (0, -1));
    let checked_again = check(config.clone()).expect("valid");
    assert_eq!(checked_again, config, "checking is idempotent");
}

#[test]
fn limits_are_inherited() {
    let mut limits = ConsumerLimits { max_ack_pending: 400, ..ConsumerLimits::default() };
    limits.max_request_batch = 50;
    limits.account.max_ack_pending = 300;
    let got = check_consumer_config(pull(|_| {}), &stream(), &limits, Strictness::Lenient);
    let got = got.expect("valid");
    assert_eq!((got.max_ack_pending, got.max_batch), (300, 50));
    let mut own = stream();
    own.consumer_limits =
        StreamConsumerLimits { inactive_threshold_ns: SECOND, max_ack_pending: 20 };
    let got = check_consumer_config(pull(|_| {}), &own, &limits, Strictness::Lenient);
    let got = got.expect("valid");
    assert_eq!((got.max_ack_pending, got.inactive_threshold_ns), (20, SECOND));
    let excess = |change: fn(&mut ConsumerConfig)| {
        check_consumer_config(pull(change), &own, &limits, Strictness::Lenient)
            .map_err(|e| e.description)
    };
    assert_eq!(
        excess(|c| c.max_ack_pending = 21),
        Err("consumer max ack pending exceeds system limit of 20".to_owned())
    );
    assert!(excess(|c| c.max_ack_pending = 20).is_ok());
    assert_eq!(
        excess(|c| c.max_ack_pending = 301),
        Err("consumer max ack pending exceeds system limit of 300".to_owned())
    );
    assert_eq!(
        excess(|c| c.inactive_threshold_ns = SECOND + 1),
        Err("consumer inactive threshold exceeds system limit of 1s".to_owned())
    );
    assert_eq!(
        excess(|c| c.max_batch = 51),
        Err("consumer max request batch exceeds server limit of 50".to_owned())
    );
}

#[test]
fn pull_and_push_have_their_own_rules() {
    let rows: Vec<(ConsumerConfig, u16)> = vec![
        (pull(|c| c.rate_limit_bps = 1), 10086),
        (pull(|c| c.idle_heartbeat_ns = SECOND), 10088),
        (pull(|c| c.flow_control = true), 10089),
        (pull(|c| c.max_expires_ns = 999_999), 10115),
        (pull(|c| c.max_expires_ns = 1_000_000), 0),
        (push(|_| {}), 0),
        (push(|c| c.deliver_subject = "d.*".into()), 10079),
        (push(|c| c.deliver_subject = "d d".into()), 10112),
        (push(|c| c.deliver_subject = "s.x".into()), 10081),
        (push(|c| c.max_waiting = 1), 10080),
        (push(|c| (c.ack_policy, c.max_ack_pending) = (AckPolicy::None, 1)), 10082),
        (push(|c| c.idle_heartbeat_ns = SECOND / 10 - 1), 10083),
        (push(|c| c.idle_heartbeat_ns = SECOND / 10), 0),
        (push(|c| c.flow_control = true), 10108),
        (push(|c| (c.flow_control, c.idle_heartbeat_ns) = (true, SECOND)), 0),
        (pull(|c| c.direct = true), 10090),
        (push(|c| (c.direct, c.durable_name) = (true, "D".into())), 10091),
    ];
    for (config, want) in rows {
        assert_eq!(code(check(config.clone())), want, "{config:?}");
    }
    let mut queue = stream();
    queue.retention = Retention::WorkQueue;
    let unacked = pull(|c| c.ack_policy = AckPolicy::None);
    let got =
        check_consumer_config(unacked, &queue, &ConsumerLimits::default(), Strictness::Lenient);
    assert_eq!(code(got), 10084);
}

#[test]
fn names_replicas_and_acks() {
    let rows: Vec<(ConsumerConfig, u16)> = vec![
        (pull(|c| c.name = "a.b".into()), 10052),
        (pull(|c| c.durable_name = "a/b".into()), 10052),
        (pull(|c| c.durable_name = "n".repeat(255)), 0),
        (pull(|c| c.durable_name = "n".repeat(256)), 10102),
        (pull(|c| (c.durable_name, c.name) = ("a".into(), "b".into())), 10132),
        (pull(|c| (c.durable_name, c.name) = ("a".into(), "a".into())), 0),
        (pull(|c| c.num_replicas = 2), 10126),
        (pull(|c| c.num_replicas = -1), 10133),
        (pull(|c| c.num_replicas = 1), 0),
        (pull(|c| c.description = "d".repeat(4096)), 0),
        (pull(|c| c.description = "d".repeat(4097)), 10107),
        (pull(|c| (c.backoff_ns, c.max_deliver) = (vec![1, 2], 1)), 10116),
        (pull(|c| (c.backoff_ns, c.max_deliver) = (vec![1, 2], 2)), 0),
        (pull(|c| c.sample_freq = "30%".into()), 0),
        (pull(|c| c.sample_freq = "x".into()), 10095),
        (pull(|c| c.sample_freq = "-1".into()), 10095),
    ];
    for (config, want) in rows {
        assert_eq!(code(check(config.clone())), want, "{config:?}");
    }
    let negative = check(pull(|c| c.backoff_ns = vec![1, -1])).expect_err("negative");
    assert!(negative.is(types::errors::CONSUMER_BACK_OFF_NEGATIVE));
    let negative = check(pull(|c| c.ack_wait_ns = -1)).expect_err("negative");
    assert!(negative.is(types::errors::CONSUMER_ACK_WAIT_NEGATIVE));
}

#[test]
fn filters() {
    let rows: Vec<(ConsumerConfig, u16)> = vec![
        (pull(|c| c.filter_subject = "a..b".into()), 10052),
        (pull(|c| c.filter_subjects = vec!["a".into(), "b".into()]), 0),
        (pull(|c| c.filter_subjects = vec!["a".into(), String::new()]), 10139),
        (pull(|c| c.filter_subjects = vec!["a.>".into(), "a.b".into()]), 10138),
        (pull(|c| c.filter_subjects = vec!["a".into(), "a".into()]), 10138),
        // Overlaps where neither holds the other are allowed, as in the reference.
        (pull(|c| c.filter_subjects = vec!["a.*".into(), "*.b".into()]), 0),
        (pull(|c| (c.filter_subject, c.filter_subjects) = ("a".into(), vec!["b".into()])), 10136),
    ];
    for (config, want) in rows {
        assert_eq!(code(check(config.clone())), want, "{config:?}");
    }
}

#[test]
fn start_positions() {
    use DeliverPolicy::{All, ByStartSequence, ByStartTime, Last, LastPerSubject, New};
    let time = Some(Timestamp::from_unix_ns(1));
    let also = |policy: &str, what: &str| {
        format!(
            "consumer delivery policy is deliver {policy}, but optional start {what} is also set"
        )
    };
    let not = |policy: &str, what: &str| {
        format!("consumer delivery policy is deliver {policy}, but optional {what} is not set")
    };
    let rows = [
        (All, 0, None, String::new()),
        (All, 1, None, also("all", "sequence")),
        (All, 0, time, also("all", "time")),
        (Last, 1, None, also("last", "sequence")),
        (New, 0, time, also("new", "time")),
        (LastPerSubject, 0, None, not("last per subject", "filter subject")),
        (LastPerSubject, 1, None, also("last per subject", "sequence")),
        (ByStartSequence, 0, None, not("by start sequence", "start sequence")),
        (ByStartSequence, 1, time, also("by start sequence", "time")),
        (ByStartSequence, 1, None, String::new()),
        (ByStartTime, 0, None, not("by start time", "start time")),
        (ByStartTime, 1, time, also("by start time", "start sequence")),
        (ByStartTime, 0, time, String::new()),
    ];
    for (policy, seq, time, want) in rows {
        let got = check(pull(|c| {
            (c.deliver_policy, c.opt_start_seq, c.opt_start_time) = (policy, seq, time);
        }));
        let got = got.map_or_else(|e| (e.err_code, e.description), |_| (0, String::new()));
        let code = if want.is_empty() { 0 } else { 10094 };
        assert_eq!(got, (code, want));
    }
}

#[test]
fn priority_groups() {
    use PriorityPolicy::{Overflow, PinnedClient};
    let grouped = |policy, group: &str| {
        let group = group.to_owned();
        pull(move |c| (c.priority_policy, c.priority_groups) = (policy, vec![group]))
    };
    assert_eq!(code(check(grouped(Overflow, "g"))), 0);
    let pinned = check(grouped(PinnedClient, "g")).expect("valid");
    assert_eq!(pinned.priority_timeout_ns, 120 * SECOND);
    use types::errors;
    let rows = [
        (grouped(PriorityPolicy::None, "g"), errors::CONSUMER_PRIORITY_GROUP_WITH_POLICY_NONE),
        (pull(|c| c.priority_policy = Overflow), errors::CONSUMER_PRIORITY_POLICY_WITHOUT_GROUP),
        (grouped(Overflow, ""), errors::CONSUMER_EMPTY_GROUP_NAME),
        (grouped(Overflow, "with space"), errors::CONSUMER_INVALID_GROUP_NAME),
        (grouped(Overflow, &"g".repeat(17)), errors::CONSUMER_INVALID_GROUP_NAME),
    ];
    for (config, row) in rows {
        assert_eq!(code(check(config)), row.err_code, "{row:?}");
    }
}

#[test]
fn pedantic_mode_objects() {
    let check = |config| {
        check_consumer_config(config, &stream(), &ConsumerLimits::default(), Strictness::Pedantic)
            .map_or_else(|e| e.description, |_| String::new())
    };
    assert_eq!(check(pull(|_| {})), "");
    assert_eq!(check(pull(|c| c.max_deliver = -2)), "pedantic mode: max_deliver must be set to -1");
    assert_eq!(
        check(pull(|c| c.max_waiting = -1)),
        "pedantic mode: max_waiting must not be negative"
    );
    assert_eq!(
        check(pull(|c| c.backoff_ns = vec![SECOND])),
        "pedantic mode: first backoff value has to equal batch AckWait"
    );
}
