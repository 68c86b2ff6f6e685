//! Which subject asks for what.

use crate::operation::{ConsumerForm, ConsumerOp, Operation, StreamOp};

#[test]
fn subjects_are_read() {
    use Operation::{Consumer, ConsumerCreate, ConsumerList, ConsumerNames, Stream};
    let rows: &[(&str, Option<Operation<'_>>)] = &[
        ("$JS.API.INFO", Some(Operation::Info)),
        ("$JS.API.STREAM.NAMES", Some(Operation::StreamNames)),
        ("$JS.API.STREAM.LIST", Some(Operation::StreamList)),
        ("$JS.API.STREAM.CREATE.S", Some(Stream(StreamOp::Create, "S"))),
        ("$JS.API.STREAM.MSG.GET.S", Some(Stream(StreamOp::MsgGet, "S"))),
        ("$JS.API.STREAM.MSG.DELETE.S", Some(Stream(StreamOp::MsgDelete, "S"))),
        ("$JS.API.CONSUMER.NAMES.S", Some(ConsumerNames("S"))),
        ("$JS.API.CONSUMER.LIST.S", Some(ConsumerList("S"))),
        (
            "$JS.API.CONSUMER.CREATE.S",
            Some(ConsumerCreate(ConsumerForm::Ephemeral { stream: "S" })),
        ),
        (
            "$JS.API.CONSUMER.CREATE.S.C",
            Some(ConsumerCreate(ConsumerForm::Named { stream: "S", consumer: "C", filter: None })),
        ),
        (
            "$JS.API.CONSUMER.CREATE.S.C.a.b.c.d.e.f.g.>",
            Some(ConsumerCreate(ConsumerForm::Named {
                stream: "S",
                consumer: "C",
                filter: Some("a.b.c.d.e.f.g.>"),
            })),
        ),
        (
            "$JS.API.CONSUMER.DURABLE.CREATE.S.C",
            Some(ConsumerCreate(ConsumerForm::Durable { stream: "S", consumer: Some("C") })),
        ),
        (
            "$JS.API.CONSUMER.DURABLE.CREATE.S",
            Some(ConsumerCreate(ConsumerForm::Durable { stream: "S", consumer: None })),
        ),
        ("$JS.API.CONSUMER.PAUSE.S.C", Some(Consumer(ConsumerOp::Pause, "S", "C"))),
        ("$JS.API.CONSUMER.INFO.S", None),
        ("$JS.API.STREAM.NOPE.S", None),
        ("$JS.API.STREAM.INFO.a.b", None),
        ("$JS.API.STREAM", None),
        ("$JS.API.a.b.c.d.e.f.g.h.i.j.k", None),
        ("$JS.API.", None),
        ("$JS", None),
        ("", None),
    ];
    for (subject, want) in rows {
        assert_eq!(Operation::parse(subject.as_bytes()), *want, "{subject}");
    }
    assert_eq!(Operation::parse(b"$JS.API.STREAM.INFO.\xff"), None);
}
