//! Creating, changing and describing consumers; deliver policies.

use types::api::ConsumerAction;
use types::{ConsumerConfig, DeliverPolicy, Timestamp};

use super::harness::{EPOCH, SEC, World, config, pull, push, seqs_to};

fn filled() -> World {
    let mut w = World::new(config(&["a.*"]));
    for (n, subject) in ["a.1", "a.2", "a.1", "a.3", "a.2", "a.3"].iter().enumerate() {
        if n == 3 {
            w.pass(SEC);
        }
        w.publish(subject, "x");
        w.run();
    }
    w
}

/// Creates a consumer and answers `num_pending`, the start of its state, and what it delivers.
fn delivered(change: impl FnOnce(&mut ConsumerConfig)) -> (u64, u64, Vec<u64>) {
    let mut w = filled();
    let mut c = pull("c");
    change(&mut c);
    let info = w.create(c);
    assert_eq!(info.delivered.stream_seq, info.ack_floor.stream_seq);
    w.next("c", "in", "50");
    let seqs = seqs_to(&w.round(), "in");
    assert_eq!(info.num_pending, seqs.len() as u64, "num_pending is exact");
    assert_eq!(w.info("c").num_pending, 0);
    w.publish("a.1", "new");
    w.publish("a.2", "new");
    let all = w.round();
    (info.delivered.stream_seq, seqs.len() as u64, [seqs, seqs_to(&all, "in")].concat())
}

#[test]
fn deliver_policies() {
    let by = |policy: DeliverPolicy| move |c: &mut ConsumerConfig| c.deliver_policy = policy;
    assert_eq!(delivered(by(DeliverPolicy::All)).2, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(delivered(by(DeliverPolicy::Last)), (5, 1, vec![6, 7, 8]));
    assert_eq!(delivered(by(DeliverPolicy::New)), (6, 0, vec![7, 8]));
    let last = |c: &mut ConsumerConfig| {
        c.deliver_policy = DeliverPolicy::Last;
        c.filter_subject = "a.1".into();
    };
    assert_eq!(delivered(last), (2, 1, vec![3, 7]));
    let seq = |c: &mut ConsumerConfig| {
        c.deliver_policy = DeliverPolicy::ByStartSequence;
        c.opt_start_seq = 5;
    };
    assert_eq!(delivered(seq), (4, 2, vec![5, 6, 7, 8]));
    let future = |c: &mut ConsumerConfig| {
        c.deliver_policy = DeliverPolicy::ByStartSequence;
        c.opt_start_seq = 8;
    };
    assert_eq!(delivered(future), (7, 0, vec![8]));
    let time = |c: &mut ConsumerConfig| {
        c.deliver_policy = DeliverPolicy::ByStartTime;
        c.opt_start_time = Some(Timestamp::from_unix_ns(EPOCH + 1));
    };
    assert_eq!(delivered(time), (3, 3, vec![4, 5, 6, 7, 8]));
    let per_subject = |c: &mut ConsumerConfig| {
        c.deliver_policy = DeliverPolicy::LastPerSubject;
        c.filter_subject = "a.*".into();
    };
    assert_eq!(delivered(per_subject), (2, 3, vec![3, 5, 6, 7, 8]));
    let several = |c: &mut ConsumerConfig| {
        c.filter_subjects = vec!["a.1".into(), "a.3".into()];
    };
    assert_eq!(delivered(several), (0, 4, vec![1, 3, 4, 6, 7]));
}

#[test]
fn removed_from_the_list_of_last_messages() {
    let mut w = filled();
    let mut c = pull("c");
    c.deliver_policy = DeliverPolicy::LastPerSubject;
    c.filter_subject = "a.*".into();
    w.create(c);
    let (now, mono_ns) = (w.ctx().now, w.ctx().mono_ns);
    let subs = super::harness::Subs::default();
    let ctx = crate::Ctx { now, mono_ns, interest: &subs };
    w.stream.delete_msg(&ctx, types::api::MsgDeleteRequest { seq: 5, no_erase: true }).unwrap();
    assert_eq!(w.info("c").num_pending, 2);
    w.next("c", "in", "9");
    assert_eq!(seqs_to(&w.round(), "in"), [3, 6]);
}

#[test]
fn create_and_update_actions() {
    let mut w = World::new(config(&["a"]));
    let code = |r: Result<types::ConsumerInfo, types::ApiError>| {
        r.map(|_| 0).unwrap_or_else(|e| e.err_code)
    };
    assert_eq!(code(w.try_create(pull("c"), ConsumerAction::Update)), 10149);
    assert_eq!(code(w.try_create(pull("c"), ConsumerAction::Create)), 0);
    assert_eq!(code(w.try_create(pull("c"), ConsumerAction::Create)), 0);
    let mut other = pull("c");
    other.max_ack_pending = 5;
    assert_eq!(code(w.try_create(other.clone(), ConsumerAction::Create)), 10148);
    assert_eq!(code(w.try_create(other, ConsumerAction::Update)), 0);
    assert_eq!(w.info("c").config.unwrap().max_ack_pending, 5);
}

#[test]
fn what_may_not_change() {
    let mut w = World::new(config(&["a"]));
    w.create(pull("c"));
    w.create(push("p", "d"));
    let text = |w: &mut World, c: ConsumerConfig| {
        w.try_create(c, ConsumerAction::CreateOrUpdate).unwrap_err().to_string()
    };
    let mut c = pull("c");
    c.deliver_policy = DeliverPolicy::New;
    assert_eq!(text(&mut w, c), "deliver policy can not be updated (10012)");
    let mut c = pull("c");
    c.max_waiting = 1;
    assert_eq!(text(&mut w, c), "max waiting can not be updated (10012)");
    let mut c = pull("c");
    c.deliver_subject = "d".into();
    assert_eq!(text(&mut w, c), "can not update pull consumer to push based (10012)");
    let mut c = push("p", "d");
    c.deliver_subject.clear();
    assert_eq!(text(&mut w, c), "can not update push consumer to pull based (10012)");
    w.sub("d");
    assert_eq!(text(&mut w, push("p", "e")), "consumer name already in use (10013)");
    w.unsub("d");
    w.sub("e");
    assert!(w.create(push("p", "e")).push_bound);
    let mut c = pull("c");
    (c.backoff_ns, c.max_deliver) = (vec![1, 2, 3], 2);
    assert_eq!(text(&mut w, c), "max deliver is required to be > length of backoff values (10116)");
}

#[test]
fn filters_can_change() {
    let mut w = filled();
    w.create(pull("c"));
    w.next("c", "in", "2");
    w.round();
    let mut c = pull("c");
    c.filter_subject = "a.2".into();
    assert_eq!(w.create(c).num_pending, 1);
    w.next("c", "in", "9");
    assert_eq!(seqs_to(&w.round(), "in"), [5]);
}

#[test]
fn too_many() {
    let mut c = config(&["a"]);
    c.max_consumers = 1;
    let mut w = World::new(c);
    w.create(pull("c"));
    let error = w.try_create(pull("d"), ConsumerAction::CreateOrUpdate).unwrap_err();
    assert_eq!(error.err_code, 10026);
    w.create(pull("c"));
}

#[test]
fn pages() {
    let mut w = World::new(config(&["a"]));
    for n in 0..300 {
        w.create(pull(&format!("c{n:03}")));
    }
    let names = w.stream.consumer_names(299);
    assert_eq!((names.page.total, names.consumers), (300, vec!["c299".to_owned()]));
    let (now, mono_ns) = (w.ctx().now, w.ctx().mono_ns);
    let subs = super::harness::Subs::default();
    let ctx = crate::Ctx { now, mono_ns, interest: &subs };
    let list = w.stream.consumer_list(&ctx, 10, &mut w.fx);
    assert_eq!((list.consumers.len(), list.consumers[0].name.as_str()), (256, "c010"));
    assert_eq!(w.stream.consumer_list(&ctx, 1000, &mut w.fx).consumers.len(), 0);
}

#[test]
fn purging_moves_consumers_on() {
    let mut w = filled();
    w.create(pull("all"));
    let mut c = pull("one");
    c.filter_subject = "a.1".into();
    w.create(c);
    w.next("all", "in", "2");
    w.round();
    let (now, mono_ns) = (w.ctx().now, w.ctx().mono_ns);
    let subs = super::harness::Subs::default();
    let ctx = crate::Ctx { now, mono_ns, interest: &subs };
    let request = types::api::PurgeRequest { filter: "a.1".into(), ..Default::default() };
    assert_eq!(w.stream.purge(&ctx, &request), Ok(2));
    let info = w.info("all");
    assert_eq!((info.num_pending, info.num_ack_pending, info.ack_floor.stream_seq), (3, 1, 1));
    let info = w.info("one");
    assert_eq!((info.num_pending, info.delivered.stream_seq, info.ack_floor.stream_seq), (0, 6, 6));
    assert_eq!(w.stream.purge(&ctx, &Default::default()), Ok(4));
    let info = w.info("all");
    assert_eq!((info.num_pending, info.num_ack_pending), (0, 0));
    assert_eq!((info.delivered.stream_seq, info.ack_floor.stream_seq), (6, 6));
    assert_eq!((info.delivered.consumer_seq, info.ack_floor.consumer_seq), (2, 2));
    assert_eq!(w.server.used(types::Storage::Memory), 0);
}
