//! Messages and requests between accounts.

use std::sync::Arc;
use std::time::Duration;

use subject::Transform;

use super::{Client, Inbox, msg};
use crate::{
    Answers, Destination, IngestKind, IngestSink, Mappings, Msg, Rest, Rewrite, RouteBatch,
    ServiceExport, ServiceImport, Share, StreamImport, StreamTarget, SubjectSpace, Subscription,
    Target,
};

/// `to` here is `from` there.
fn stream(exporter: &Arc<SubjectSpace>, from: &str, to: &str) -> StreamImport {
    let (rewrite, reverse) = if from == to {
        (Rewrite::Same, None)
    } else if subject::has_wildcards(from.as_bytes()) {
        let numbered = subject::number_wildcards(to);
        let transform = Transform::new_reversible(from, &numbered).unwrap();
        let reverse = transform.reverse();
        (Rewrite::Tokens(transform), reverse)
    } else {
        (Rewrite::Fixed(to.as_bytes().into()), None)
    };
    StreamImport {
        exporter: Arc::downgrade(exporter),
        from: from.as_bytes().into(),
        to: subject::unnumber_wildcards(to).into_bytes().into(),
        rewrite,
        reverse,
    }
}

fn export(answers: Answers) -> Arc<ServiceExport> {
    Arc::new(ServiceExport { answers, threshold: Duration::from_secs(60) })
}

/// Requests on `here` go to `there`.
fn import(
    importer: &Arc<SubjectSpace>,
    here: &str,
    exporter: &Arc<SubjectSpace>,
    there: &str,
    export: &Arc<ServiceExport>,
) {
    let rewrite =
        if here == there { Rewrite::Same } else { Rewrite::Fixed(there.as_bytes().into()) };
    let import = ServiceImport {
        exporter: Arc::downgrade(exporter),
        rewrite,
        export: Arc::clone(export),
        share: Share::Account,
    };
    let sub = Subscription::internal(here.as_bytes(), Target::Import(Arc::new(import)));
    importer.subscribe(&sub).unwrap();
}

fn publish(space: &Arc<SubjectSpace>, m: Msg<'_>, from: u64) -> usize {
    let mut batch = RouteBatch::new();
    let count = batch.publish(space, &m, from);
    batch.finish();
    count
}

/// The reply subject in what a client got last.
fn reply_of(text: &str) -> String {
    let line = text.lines().rfind(|line| line.contains("_R_.")).expect("a mapped reply");
    line.split(' ').find(|word| word.starts_with("_R_.")).unwrap().to_owned()
}

#[test]
fn imported_messages_carry_the_subject_of_the_importer() {
    // There, here, subscription, published, seen as.
    let rows = [
        ("s.>", "s.>", "s.>", "s.a.b", Some("s.a.b")),
        ("s.>", "s.>", "s.a.*", "s.a.b", Some("s.a.b")),
        ("s.>", "s.>", "s.a.*", "s.b.b", None),
        ("s.>", "s.>", ">", "s.a", Some("s.a")),
        ("s.>", "s.>", "*.a", "s.a", Some("s.a")),
        ("s.>", "s.>", "*.a", "s.b", None),
        ("s.>", "in.s.>", "in.>", "s.a", Some("in.s.a")),
        ("s.>", "in.s.>", "in.s.a", "s.a", Some("in.s.a")),
        ("s.>", "in.s.>", "in.s.a", "s.b", None),
        ("s.*.*", "t.$2.$1", "t.*.*", "s.a.b", Some("t.b.a")),
        ("s.*.*", "t.$2.$1", "t.b.*", "s.a.b", Some("t.b.a")),
        ("s.*.*", "t.$2.$1", "t.b.*", "s.b.a", None),
        ("s.*.*", "t.$2.$1", "*.b.a", "s.a.b", Some("t.b.a")),
        ("s.*.*", "t.$2.$1", ">", "s.a.b", Some("t.b.a")),
        ("s.a", "t", "t", "s.a", Some("t")),
        ("s.a", "t", ">", "s.a", Some("t")),
        ("s.a", "t", "u", "s.a", None),
        ("s.a", "t", "s.a", "s.a", None),
    ];
    for (from, to, pattern, published, seen) in rows {
        let (here, there) = (SubjectSpace::new("H"), SubjectSpace::new("T"));
        here.set_stream_imports(vec![stream(&there, from, to)]);
        let client = Client::new(1);
        client.subscribe(&here, pattern, None, "1");
        let count = publish(&there, msg(published, "", "x"), 2);
        let expected = seen.map(|s| format!("MSG {s} 1 1\r\nx\r\n")).unwrap_or_default();
        assert_eq!(client.text(), expected, "{from} {to} {pattern} {published}");
        assert_eq!(count, usize::from(seen.is_some()));
        // Nothing published in the importing account goes back.
        let other = Client::new(3);
        other.subscribe(&there, ">", None, "1");
        publish(&here, msg(seen.unwrap_or(published), "", "y"), 2);
        assert_eq!(other.text(), "");
    }
}

#[test]
fn imports_that_change_move_the_subscriptions_there_are() {
    let (here, one, two) = (SubjectSpace::new("H"), SubjectSpace::new("1"), SubjectSpace::new("2"));
    let client = Client::new(1);
    let sub = client.subscribe(&here, "a", None, "1");
    let heard = |client: &Client| {
        for (space, text) in [(&one, "1"), (&two, "2")] {
            publish(space, msg("a", "", text), 9);
        }
        client.text()
    };
    assert_eq!(heard(&client), "");
    here.set_stream_imports(vec![stream(&one, "a", "a")]);
    assert_eq!(heard(&client), "MSG a 1 1\r\n1\r\n");
    here.set_stream_imports(vec![stream(&two, "a", "a")]);
    assert_eq!(heard(&client), "MSG a 1 1\r\n2\r\n");
    assert_eq!((one.len(), two.len()), (0, 1));
    here.unsubscribe(&sub);
    assert_eq!(heard(&client), "");
    assert_eq!((here.len(), one.len(), two.len()), (0, 0, 0));
    let subs = [client.subscribe(&here, "a", None, "1"), client.subscribe(&here, ">", None, "2")];
    assert_eq!(two.len(), 2);
    here.unsubscribe_all(&subs);
    assert_eq!((here.len(), two.len()), (0, 0));
    client.subscribe(&here, "a", None, "3");
    here.set_stream_imports(Vec::new());
    assert_eq!((here.len(), two.len()), (1, 0));
}

#[test]
fn limits_of_a_subscription_count_across_accounts() {
    let (here, there) = (SubjectSpace::new("H"), SubjectSpace::new("T"));
    here.set_stream_imports(vec![stream(&there, "a", "a")]);
    let client = Client::new(1);
    client.subscribe(&here, "a", None, "1").limit(2);
    publish(&here, msg("a", "", "1"), 9);
    publish(&there, msg("a", "", "2"), 9);
    publish(&there, msg("a", "", "3"), 9);
    assert_eq!(client.text(), "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n");
    assert_eq!((here.len(), there.len()), (0, 0));
}

#[test]
fn queue_groups_span_accounts() {
    let (here, there) = (SubjectSpace::new("H"), SubjectSpace::new("T"));
    here.set_stream_imports(vec![stream(&there, "a", "b")]);
    let (one, two) = (Client::new(1), Client::new(2));
    one.subscribe(&here, "b", Some("q"), "1");
    two.subscribe(&there, "a", Some("q"), "2");
    let mut batch = RouteBatch::new();
    for _ in 0..100 {
        assert_eq!(batch.publish(&there, &msg("a", "", "x"), 9), 1);
    }
    batch.finish();
    let (one, two) = (one.text(), two.text());
    let (ones, twos) = (one.matches("MSG b 1 1").count(), two.matches("MSG a 2 1").count());
    assert_eq!(ones + twos, 100);
    assert!(ones > 10 && twos > 10, "{ones} {twos}");
}

#[test]
fn streams_take_in_imported_messages() {
    let (here, there) = (SubjectSpace::new("H"), SubjectSpace::new("T"));
    here.set_stream_imports(vec![stream(&there, "a.*", "b.$1")]);
    let inbox = Arc::new(Inbox { room: 9, ..Inbox::default() });
    let sink: Arc<dyn IngestSink> = Arc::clone(&inbox) as _;
    let target = StreamTarget { sink, slot: 7, kind: IngestKind::Publish };
    here.subscribe(&Subscription::internal(b"b.>", Target::Stream(target))).unwrap();
    publish(&there, msg("a.x", "r", "p"), 9);
    assert_eq!(*inbox.got.lock(), ["7/Publish 9 b.x|r||p"]);
}

#[test]
fn a_request_goes_there_and_one_answer_comes_back() {
    let (here, there) = (SubjectSpace::new("H"), SubjectSpace::new("T"));
    import(&here, "ask", &there, "serve", &export(Answers::One));
    let (asker, server) = (Client::new(1), Client::new(2));
    asker.subscribe(&here, "inbox", None, "1");
    // Nobody serves yet: the asker can be told at once, and nothing is kept.
    assert_eq!(publish(&here, msg("ask", "inbox", "q"), 1), 0);
    assert_eq!(there.pending_responses(), 0);
    server.subscribe(&there, "serve", None, "2");
    assert_eq!(publish(&here, msg("ask", "inbox", "q"), 1), 1);
    let text = server.text();
    let reply = reply_of(&text);
    assert_eq!(reply.len(), "_R_.123456.123456".len());
    let header = "NATS/1.0\r\nNats-Request-Info: {\"acc\":\"H\"}\r\n\r\n";
    let size = header.len();
    assert_eq!(text, format!("HMSG serve 2 {reply} {size} {}\r\n{header}q\r\n", size + 1));
    assert_eq!(there.pending_responses(), 1);
    assert_eq!(publish(&there, msg(&reply, "", "a"), 2), 1);
    assert_eq!(asker.text(), "MSG inbox 1 1\r\na\r\n");
    assert_eq!(there.pending_responses(), 0);
    // One answer is all there is.
    assert_eq!(publish(&there, msg(&reply, "", "b"), 2), 0);
    assert_eq!(asker.text(), "");
    // A message without a reply subject is no request.
    publish(&here, msg("ask", "", "m"), 1);
    assert_eq!(there.pending_responses(), 0);
    assert!(server.text().starts_with(&format!("HMSG serve 2 {size} ")));
}

#[test]
fn many_answers_end_with_an_empty_one_or_with_nobody_listening() {
    let (here, there) = (SubjectSpace::new("H"), SubjectSpace::new("T"));
    import(&here, "ask", &there, "ask", &export(Answers::Many));
    let (asker, server) = (Client::new(1), Client::new(2));
    let inbox = asker.subscribe(&here, "inbox", None, "1");
    server.subscribe(&there, "ask", None, "2");
    publish(&here, msg("ask", "inbox", "q"), 1);
    let reply = reply_of(&server.text());
    for payload in ["1", "2", ""] {
        assert_eq!(publish(&there, msg(&reply, "", payload), 2), 1);
    }
    assert_eq!(publish(&there, msg(&reply, "", "4"), 2), 0);
    assert_eq!(asker.text(), "MSG inbox 1 1\r\n1\r\nMSG inbox 1 1\r\n2\r\nMSG inbox 1 0\r\n\r\n");
    publish(&here, msg("ask", "inbox", "q"), 1);
    let reply = reply_of(&server.text());
    here.unsubscribe(&inbox);
    assert_eq!(publish(&there, msg(&reply, "", "1"), 2), 0);
    assert_eq!(there.pending_responses(), 0);
}

#[test]
fn answers_that_come_too_late_are_lost() {
    let (here, there) = (SubjectSpace::new("H"), SubjectSpace::new("T"));
    let threshold = Duration::from_millis(50);
    let export = Arc::new(ServiceExport { answers: Answers::One, threshold });
    import(&here, "ask", &there, "ask", &export);
    let (asker, server) = (Client::new(1), Client::new(2));
    asker.subscribe(&here, "inbox", None, "1");
    server.subscribe(&there, "ask", None, "2");
    publish(&here, msg("ask", "inbox", "q"), 1);
    let reply = reply_of(&server.text());
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while there.pending_responses() > 0 {
        assert!(std::time::Instant::now() < deadline, "the answer is never given up");
        std::thread::yield_now();
    }
    assert_eq!(publish(&there, msg(&reply, "", "a"), 2), 0);
    assert_eq!(asker.text(), "");
}

#[test]
fn requests_pass_several_accounts_and_answers_come_all_the_way_back() {
    let [a, b, c] = ["A", "B", "C"].map(SubjectSpace::new);
    import(&b, "two", &c, "three", &export(Answers::One));
    import(&a, "one", &b, "two", &export(Answers::One));
    let (asker, server) = (Client::new(1), Client::new(2));
    asker.subscribe(&a, "inbox", None, "1");
    assert_eq!(publish(&a, msg("one", "inbox", "q"), 1), 0);
    assert_eq!((b.pending_responses(), c.pending_responses()), (0, 0));
    server.subscribe(&c, "three", None, "2");
    assert_eq!(publish(&a, msg("one", "inbox", "q"), 1), 1);
    let reply = reply_of(&server.text());
    assert_eq!(publish(&c, msg(&reply, "", "a"), 2), 1);
    assert_eq!(asker.text(), "MSG inbox 1 1\r\na\r\n");
    assert_eq!((b.pending_responses(), c.pending_responses()), (0, 0));
}

#[test]
fn requests_in_a_circle_end() {
    let [a, b] = ["A", "B"].map(SubjectSpace::new);
    import(&a, "x", &b, "x", &export(Answers::One));
    import(&b, "x", &a, "x", &export(Answers::One));
    let client = Client::new(1);
    client.subscribe(&b, "x", None, "1");
    assert_eq!(publish(&a, msg("x", "", "q"), 9), 1);
    assert_eq!(client.text().matches("HMSG").count(), 1);
}

#[test]
fn what_came_as_a_request_is_not_exported_as_a_message() {
    let [asker, server, importer] = ["A", "S", "I"].map(SubjectSpace::new);
    import(&asker, "x", &server, "x", &export(Answers::One));
    importer.set_stream_imports(vec![stream(&server, "x", "x")]);
    let client = Client::new(1);
    client.subscribe(&importer, "x", None, "1");
    assert_eq!(publish(&asker, msg("x", "", "q"), 9), 0);
    assert_eq!(publish(&server, msg("x", "", "m"), 9), 1);
    assert_eq!(client.text(), "MSG x 1 1\r\nm\r\n");
}

#[test]
fn what_a_consumer_delivers_keeps_its_subject_across_accounts() {
    let [server, importer] = ["S", "I"].map(SubjectSpace::new);
    importer.set_stream_imports(vec![stream(&server, "deliver.*", "in.$1")]);
    let client = Client::new(1);
    client.subscribe(&importer, "in.x", None, "1");
    let mut batch = RouteBatch::new();
    let ack = "$JS.ACK.S.C.1.1.1.1.0";
    batch.publish_shown(&server, &msg("deliver.x", ack, "m"), b"orders.new", 0);
    batch.finish();
    assert_eq!(client.text(), format!("MSG orders.new 1 {ack} 1\r\nm\r\n"));
}

#[test]
fn mappings_pick_by_weight_and_lose_what_they_are_to_lose() {
    let to = |subject: &str, weight| Destination { subject: subject.to_owned(), weight };
    let count = |to: &[Destination], rest| {
        let space = SubjectSpace::new("A");
        let mut mappings = Mappings::new();
        mappings.add("a.*", to, rest).unwrap();
        space.set_mappings(mappings);
        let mut batch = RouteBatch::new();
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..10_000 {
            let subject = batch.map_subject(&space, b"a.x").expect("mapped");
            *counts.entry(String::from_utf8_lossy(&subject).into_owned()).or_insert(0) += 1;
        }
        assert!(batch.map_subject(&space, b"b.x").is_none());
        counts
    };
    let all = count(&[to("b.$1", 100)], Rest::ToSource);
    assert_eq!(all.into_iter().collect::<Vec<_>>(), [("b.x".to_owned(), 10_000)]);
    let some = count(&[to("b.$1", 20), to("c", 30)], Rest::ToSource);
    for (subject, share) in [("b.x", 2000), ("c", 3000), ("a.x", 5000)] {
        let off = i32::abs(some[subject] - share);
        assert!(off < 400, "{some:?}");
    }
    let lossy = count(&[to("a.$1", 50)], Rest::Lost);
    assert!(i32::abs(lossy[""] - 5000) < 400, "{lossy:?}");
}

#[test]
fn mappings_that_change_hold_for_the_next_message() {
    let space = SubjectSpace::new("A");
    let mut batch = RouteBatch::new();
    assert!(!space.has_mappings() && batch.map_subject(&space, b"a").is_none());
    for to in ["b", "c"] {
        let mut mappings = Mappings::new();
        let destinations = [Destination { subject: to.to_owned(), weight: 100 }];
        mappings.add("a", &destinations, Rest::ToSource).unwrap();
        space.set_mappings(mappings);
        assert_eq!(batch.map_subject(&space, b"a").as_deref(), Some(to.as_bytes()));
    }
    space.set_mappings(Mappings::new());
    assert!(!space.has_mappings() && batch.map_subject(&space, b"a").is_none());
}

#[test]
fn where_a_request_would_be_served_can_be_asked() {
    let [a, b, c] = ["A", "B", "C"].map(SubjectSpace::new);
    let one = export(Answers::One);
    import(&a, "b.req", &b, "c.req", &one);
    import(&b, "c.req", &c, "req", &one);
    let (space, subject) = a.served_by(b"b.req").expect("it leaves the account");
    assert!(Arc::ptr_eq(&space, &c));
    assert_eq!(subject, b"req");
    assert!(a.served_by(b"req").is_none(), "that one stays");
    // In a circle nobody serves it.
    import(&c, "req", &a, "b.req", &one);
    assert!(a.served_by(b"b.req").is_none());
    drop(c);
    assert!(a.served_by(b"b.req").is_none(), "the account is gone");

    a.set_stream_imports(vec![stream(&b, "to.a.>", "from.b.>")]);
    assert!(a.imports_from(&b, b"from.b.x.y"));
    assert!(!a.imports_from(&b, b"to.a.x"), "that is its name there");
    assert!(!a.imports_from(&b, b"from.b"));
    let other = SubjectSpace::new("B");
    assert!(!a.imports_from(&other, b"from.b.x"), "another account of that name");
}

#[test]
fn members_of_an_internal_group_take_turns() {
    let space = SubjectSpace::new("A");
    let inbox = Arc::new(Inbox { room: 8, ..Inbox::default() });
    for slot in [1, 2] {
        let sink = Arc::clone(&inbox) as Arc<dyn IngestSink>;
        let target = Target::Stream(StreamTarget { sink, slot, kind: IngestKind::DirectGet });
        let sub = Subscription::internal_member(b"get.>", b"group", target);
        space.subscribe(&sub).unwrap();
    }
    assert_eq!(publish(&space, msg("get.a", "", "x"), 1), 1, "one of them");
}
