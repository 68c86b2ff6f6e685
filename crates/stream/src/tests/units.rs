//! Small parts by themselves: durations, headers, ids, filters, effects.

use types::Timestamp;

use crate::duration::{parse, show};
use crate::effects::Effects;
use crate::filter::Matcher;
use crate::headers::{PublishHeaders, number, ttl_seconds};
use crate::stream::dedup::Dedup;
use crate::{AckSubject, Outgoing};

#[test]
fn go_durations() {
    for (text, ns, shown) in [
        ("0", 0, "0s"),
        ("1ns", 1, "1ns"),
        ("1.5us", 1_500, "1.5µs"),
        ("300ms", 300_000_000, "300ms"),
        ("1.5h", 5_400_000_000_000, "1h30m0s"),
        ("-2m3.5s", -123_500_000_000, "-2m3.5s"),
        (".5s", 500_000_000, "500ms"),
        ("1m", 60_000_000_000, "1m0s"),
    ] {
        assert_eq!(parse(text), Some(ns), "{text}");
        assert_eq!(show(ns), shown);
    }
    for bad in ["", "5", "-", "s", ".s", "1x", "1s2", "9999999999h", "１s"] {
        assert_eq!(parse(bad), None, "{bad}");
    }
}

#[test]
fn ttls() {
    for (text, want) in [
        ("5", Some(5)),
        ("1s", Some(1)),
        ("90m", Some(5400)),
        ("1.9s", Some(1)),
        ("Never", Some(-1)),
        ("999ms", None),
        ("0", None),
        ("-5s", None),
        ("x", None),
    ] {
        assert_eq!(ttl_seconds(text.as_bytes()), want, "{text}");
    }
}

#[test]
fn numbers() {
    assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
    for bad in ["", "18446744073709551616", "-1", "1 ", "x"] {
        assert_eq!(number(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn publish_headers() {
    let block = b"NATS/1.0\r\nNats-Msg-Id:  a b \r\nNats-Msg-Id: second\r\nX-Nats-TTL: 1\r\n\
        Nats-Rollup:\r\nNats-TTL:5\r\nnats-incr: 1\r\nNats-Request-Info: {}\r\n\r\n";
    let found = PublishHeaders::read(block);
    assert_eq!(found.msg_id, Some(&b"a b "[..]));
    assert_eq!(found.ttl, Some(&b"5"[..]));
    assert_eq!((found.rollup, found.incr), (None, None));
    assert!(found.has_request_info);
    assert!(PublishHeaders::read(b"Nats-Msg-Id").msg_id.is_none());
}

#[test]
fn ack_subjects() {
    let read = |s: &'static str| AckSubject::parse(s.as_bytes());
    let want =
        AckSubject { stream: b"S", consumer: b"c", delivered: 1, stream_seq: 2, consumer_seq: 3 };
    assert_eq!(read("$JS.ACK.S.c.1.2.3.4.5"), Some(want));
    assert_eq!(read("$JS.ACK._.hash.S.c.1.2.3.4.5"), Some(want));
    assert_eq!(read("$JS.ACK._.hash.S.c.1.2.3.4.5.more.tokens"), Some(want));
    assert_eq!(read("$JS.ACK.S.c.1.2.3.4"), None);
    assert_eq!(read("$JS.ACK.S.c.1.2.3.4.5.6"), None);
    assert_eq!(read("$JS.ACKS.c.1.2.3.4.5"), None);
    assert_eq!(read("$JS.ACK.S.c.1.x.3.4.5").map(|a| a.stream_seq), Some(0));
}

#[test]
fn filters_agree_with_the_grammar() {
    let subjects = ["a", "a.b", "a.b.c", "b.a", "a.*", "a.b.c.d", "ab.c"];
    for patterns in [&[][..], &[">"], &["a"], &["a.>"], &["a.*"], &["*.b.>"], &["b.a", "a.b.>"]] {
        let matcher = Matcher::new(patterns);
        for subject in subjects {
            let want = patterns.is_empty()
                || patterns.iter().any(|p| subject::matches(subject.as_bytes(), p.as_bytes()));
            assert_eq!(matcher.matches(subject.as_bytes()), want, "{patterns:?} {subject}");
        }
    }
}

/// The window against a list of everything ever inserted.
#[test]
fn ids_against_a_model() {
    let mut rng = crate::consumer::Rng::new(99);
    for round in 0..20 {
        let mut dedup = Dedup::new(100);
        let mut all: Vec<(Vec<u8>, u64, i64)> = Vec::new();
        let mut now = 0;
        for seq in 1..2000u64 {
            now += i64::try_from(rng.below(4)).unwrap();
            let id = format!("id-{}-{}", rng.below(60), "x".repeat(rng.below(round * 10) as usize));
            let at = Timestamp::from_unix_ns(now);
            match rng.below(20) {
                0 => dedup.expire(at),
                1 => {
                    let keep = seq.saturating_sub(rng.below(4));
                    dedup.roll_back(keep);
                    all.retain(|(_, s, _)| *s <= keep);
                }
                _ => {}
            }
            let id = id.as_bytes();
            let newest = all.iter().rev().find(|(known, ..)| known == id);
            let want = newest.filter(|(_, _, ts)| now - ts < 100).map(|(_, s, _)| *s);
            assert_eq!(dedup.find(id, at), want, "seq {seq}");
            if want.is_none() {
                dedup.insert(id, seq, at);
                all.push((id.to_vec(), seq, now));
            }
        }
    }
}

#[test]
fn effects_keep_order_and_parts() {
    let mut a = Effects::new();
    a.send(b"one", b"r", b"h", b"p");
    let mut b = Effects::new();
    let mut m = b.message(b"two");
    m.subject(b"seen");
    m.payload(b"p");
    m.payload_number(7);
    m.after_seq(5);
    b.send(b"three", b"", b"", b"");
    let out = |dest, subject, reply, headers, payload| Outgoing {
        dest,
        subject,
        reply,
        headers,
        payload,
    };
    let one = out(b"one", b"one", b"r", b"h", b"p");
    let two = out(b"two", b"seen", b"", b"", b"p7");
    let three = out(b"three", b"three", b"", b"", b"");
    a.append(&mut b);
    assert!(b.is_empty());
    assert_eq!(a.iter().collect::<Vec<_>>(), [one, two, three]);

    let mut all = Effects::new();
    all.append(&mut a);
    let mut some = Effects::new();
    let mut refused = Vec::new();
    some.append_committed(&mut all, 4, |_, o| refused.push(o.dest.to_vec()));
    assert_eq!(some.iter().collect::<Vec<_>>(), [one, three]);
    assert_eq!(refused, [b"two".to_vec()]);
}
