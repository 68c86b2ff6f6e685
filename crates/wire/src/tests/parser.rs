//! What is parsed, what is refused and how, and that cutting the input changes nothing.

use proptest::prelude::*;

use crate::{CloseReason, Frame, Gate, HeaderSupport, Limits, ParseError, Parser};

/// A frame that owns its bytes, written like the operation it came from.
fn show(frame: Frame<'_>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let or_dash = |bytes: Option<&[u8]>| bytes.map_or("-".into(), text);
    match frame {
        Frame::Connect(json) => format!("CONNECT {}", text(json)),
        Frame::Pub { subject, reply, payload } => {
            format!("PUB {} {} [{}]", text(subject), or_dash(reply), text(payload))
        }
        Frame::HPub { subject, reply, headers, payload } => format!(
            "HPUB {} {} [{}][{}]",
            text(subject),
            or_dash(reply),
            text(headers),
            text(payload)
        ),
        Frame::Sub { subject, queue, sid } => {
            format!("SUB {} {} {}", text(subject), or_dash(queue), text(sid))
        }
        Frame::Unsub { sid, max } => format!("UNSUB {} {max:?}", text(sid)),
        Frame::Ping => "PING".into(),
        Frame::Pong => "PONG".into(),
        Frame::Info(json) => format!("INFO {}", text(json)),
        Frame::Err(words) => format!("-ERR {}", text(words)),
        Frame::Ok => "+OK".into(),
    }
}

/// Feeds `input` in pieces that end at `cuts`; gives the frames and the error, if any.
fn feed(parser: &mut Parser, input: &[u8], cuts: &[usize]) -> (Vec<String>, Option<ParseError>) {
    let mut frames = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([input.len()]) {
        loop {
            match parser.next(&input[start..end]) {
                Ok(Some((consumed, frame))) => {
                    assert!(consumed > 0 && start + consumed <= end);
                    frames.push(show(frame));
                    start += consumed;
                }
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fn parse(input: &[u8]) -> (Vec<String>, Option<ParseError>) {
    feed(&mut Parser::new(Limits::default()), input, &[])
}

#[track_caller]
fn accepts(input: &str, expected: &[&str]) {
    let (frames, error) = parse(input.as_bytes());
    assert_eq!(
        (frames.iter().map(String::as_str).collect::<Vec<_>>(), error),
        (expected.to_vec(), None),
        "{input:?}"
    );
}

#[track_caller]
fn refuses(input: &str) -> ParseError {
    let (frames, error) = parse(input.as_bytes());
    assert_eq!(frames, [""; 0], "{input:?}");
    error.unwrap_or_else(|| panic!("{input:?} is accepted"))
}

#[test]
fn operations() {
    accepts("PUB foo 5\r\nhello\r\n", &["PUB foo - [hello]"]);
    accepts("PUB foo bar 5\r\nhello\r\n", &["PUB foo bar [hello]"]);
    accepts("PUB foo 0\r\n\r\n", &["PUB foo - []"]);
    accepts("PUB foo 4\r\n\r\n\r\n\r\n", &["PUB foo - [\r\n\r\n]"]);
    accepts("PUB foo 000000002\r\nok\r\n", &["PUB foo - [ok]"]);
    accepts("PUB 12 34 2\r\nok\r\n", &["PUB 12 34 [ok]"]);
    accepts("HPUB foo 12 14\r\nNATS/1.0\r\n\r\nok\r\n", &["HPUB foo - [NATS/1.0\r\n\r\n][ok]"]);
    accepts("HPUB foo r 12 12\r\nNATS/1.0\r\n\r\n\r\n", &["HPUB foo r [NATS/1.0\r\n\r\n][]"]);
    accepts("HPUB foo 0 0\r\n\r\n", &["HPUB foo - [][]"]);
    accepts("SUB foo 1\r\nSUB foo.> q 2\r\n", &["SUB foo - 1", "SUB foo.> q 2"]);
    accepts(
        "UNSUB 1\r\nUNSUB 1 5\r\nUNSUB 1 0\r\nUNSUB 1 x\r\nUNSUB 1 -1\r\nUNSUB 1 1234567890\r\n",
        &[
            "UNSUB 1 None",
            "UNSUB 1 Some(5)",
            "UNSUB 1 None",
            "UNSUB 1 None",
            "UNSUB 1 None",
            "UNSUB 1 None",
        ],
    );
    accepts("PING\r\nPONG\r\n+OK\r\n", &["PING", "PONG", "+OK"]);
    accepts("CONNECT {\"verbose\":false}\r\n", &["CONNECT {\"verbose\":false}"]);
    accepts("INFO {}\r\n-ERR 'x y'\r\n", &["INFO {}", "-ERR 'x y'"]);
}

#[test]
fn liberties() {
    accepts(
        "pub foo 2\r\nok\r\npInG\r\nhpub a 0 0\r\n\r\n",
        &["PUB foo - [ok]", "PING", "HPUB a - [][]"],
    );
    accepts(
        "sub a 1\r\nunsub 1\r\nconnect {}\r\ninfo {}\r\n-err x\r\n+ok\r\npong\r\n",
        &["SUB a - 1", "UNSUB 1 None", "CONNECT {}", "INFO {}", "-ERR x", "+OK", "PONG"],
    );
    accepts("PUB\tfoo\t2\r\nok\r\n", &["PUB foo - [ok]"]);
    accepts("PUB  \t foo \t bar  2 \r\nok\r\n", &["PUB foo bar [ok]"]);
    accepts("SUB \t foo  \t 1  \r\n", &["SUB foo - 1"]);
    accepts("PUB foo 2\nok\r\nPING\n", &["PUB foo - [ok]", "PING"]);
    accepts("PINGxyz\r\nPONG hello\r\n+OKAY\r\n", &["PING", "PONG", "+OK"]);
    accepts("CONNECT{}\r\nINFO{}\r\n", &["CONNECT {}", "INFO {}"]);
    accepts("CONNECT \t {}  \r\n", &["CONNECT {}  "]);
    accepts("CONNECT\r\n", &["CONNECT "]);
    // A stray carriage return parts words of SUB and UNSUB, and belongs to words of PUB.
    accepts("SUB foo\r1\r\nUNSUB 1\r2\r\n", &["SUB foo - 1", "UNSUB 1 Some(2)"]);
    accepts("PUB fo\ro 2\r\nok\r\n", &["PUB fo\ro - [ok]"]);
    accepts("", &[]);
}

#[test]
fn unknown_operations_are_named() {
    for input in [
        "XX\r\n",
        "\r\n",
        "\n",
        " PING\r\n",
        "PUB\r\n",
        "PUBx foo 1\r\n",
        "UNSUB\r\n",
        "SUB\n",
        "-ERR\r\n",
        "MSG foo 1 5\r\n",
        "HMSG foo 1 1 1\r\n",
        "A+ foo\r\n",
        "RS+ foo\r\n",
        "LS+ foo\r\n",
        "GET / HTTP/1.1\r\n",
        // Before the line is complete, on the first wrong byte.
        "R",
        "PX",
        "PUBX",
        "CONNX",
        "SUBS",
        "HM",
        "UNSUC",
        "-X",
        "+X",
        "PUB\r",
        // What follows the payload is not a line end.
        "PUB foo 5\r\nhello!\r\n",
        "PUB foo 2\r\nokx",
        "PUB foo 2\r\nok\rx",
        "PUB foo 2\r\nok\n",
        "HPUB foo 0 2\r\nokx",
    ] {
        let error = refuses(input);
        assert!(matches!(error, ParseError::UnknownOperation { .. }), "{input:?} {error:?}");
        assert_eq!(error.wire_text(), Some("Unknown Protocol Operation"));
        assert_eq!(error.close_reason(), CloseReason::ProtocolViolation);
    }
}

/// The reference closes these without a word to the client; its log names them like this.
#[test]
fn bad_arguments_end_the_connection_in_silence() {
    for (input, log) in [
        ("PUB \r\n", "processPub Parse Error: \"\""),
        ("PUB foo\r\n", "processPub Parse Error: \"foo\""),
        ("PUB a b c d\r\n", "processPub Parse Error: \"a b c d\""),
        ("PUB a b c d e\r\n", "processPub Parse Error: \"a b c d e\""),
        ("PUB foo x\r\n", "processPub Bad or Missing Size: \"foo x\""),
        ("PUB foo -1\r\n", "processPub Bad or Missing Size: \"foo -1\""),
        ("PUB foo +1\r\n", "processPub Bad or Missing Size: \"foo +1\""),
        ("PUB foo 1x\r\n", "processPub Bad or Missing Size: \"foo 1x\""),
        ("PUB foo x1\r\n", "processPub Bad or Missing Size: \"foo x1\""),
        ("PUB foo 1234567890\r\n", "processPub Bad or Missing Size: \"foo 1234567890\""),
        ("PUB foo 2\r\r\nok\r\n", "processPub Bad or Missing Size: \"foo 2\\r\""),
        ("HPUB foo 1\r\n", "processHeaderPub Parse Error: \"foo 1\""),
        ("HPUB a b c d e\r\n", "processHeaderPub Parse Error: \"a b c d e\""),
        ("HPUB foo x 12\r\n", "processHeaderPub Bad or Missing Header Size: \"foo x 12\""),
        ("HPUB foo 1 x\r\n", "processHeaderPub Bad or Missing Total Size: \"foo 1 x\""),
        ("HPUB foo 13 12\r\n", "processHeaderPub Header Size larger then TotalSize: \"foo 13 12\""),
        ("SUB foo\r\n", "processSub Parse Error: \"foo\""),
        ("SUB a b c d\r\n", "processSub Parse Error: \"a b c d\""),
        ("UNSUB \r\n", "processUnsub Parse Error: \"\""),
        ("UNSUB a b c\r\n", "processUnsub Parse Error: \"a b c\""),
    ] {
        let error = refuses(input);
        assert_eq!(error.to_string(), log);
        assert_eq!(error.wire_text(), None, "{input:?}");
        assert_eq!(error.close_reason(), CloseReason::ProtocolViolation);
    }
}

#[test]
fn the_control_line_limit_is_exact() {
    for verb in ["SUB ", "sub\t \t", "SUB    "] {
        let line = |len: usize| format!("{verb}{} 1\r\n", "a".repeat(len - 2));
        for len in [4095, 4096] {
            assert_eq!(parse(line(len).as_bytes()).1, None, "{verb:?} {len}");
        }
        let error = refuses(&line(4097));
        assert_eq!(error, ParseError::MaxControlLine);
        assert_eq!(error.wire_text(), Some("maximum control line exceeded"));
        assert_eq!(error.close_reason(), CloseReason::MaxControlLineExceeded);
    }
    for verb in ["SUB ", "PUB ", "HPUB ", "UNSUB ", "CONNECT ", "INFO ", "-ERR "] {
        // Incomplete lines must not be collected beyond the limit either.
        assert_eq!(
            parse(format!("{verb}{}", "a".repeat(4096)).as_bytes()),
            (vec![], None),
            "{verb}"
        );
        assert_eq!(
            parse(format!("{verb}{}\r", "a".repeat(4096)).as_bytes()),
            (vec![], None),
            "{verb}"
        );
        assert_eq!(refuses(&format!("{verb}{}", "a".repeat(4097))), ParseError::MaxControlLine);
        let complete = format!("{verb}{}\r\n", "a".repeat(4097));
        assert_eq!(refuses(&complete), ParseError::MaxControlLine, "{verb}");
    }
    assert_eq!(refuses(&format!("SUB {}", " ".repeat(5000))), ParseError::MaxControlLine);
    assert_eq!(refuses(&format!("PING{}", "x".repeat(5000))), ParseError::MaxControlLine);
    let limits = Limits { max_control_line: 10, ..Limits::default() };
    let (_, error) = feed(&mut Parser::new(limits), b"PUB foo bar 11\r\n", &[]);
    assert_eq!(error, None, "10 bytes");
    let (_, error) = feed(&mut Parser::new(limits), b"PUB foo bar 111\r\n", &[]);
    assert_eq!(error, Some(ParseError::MaxControlLine), "11 bytes");
}

#[test]
fn the_payload_limit_is_exact_and_found_before_the_payload() {
    let limits = Limits { max_payload: Some(100), ..Limits::default() };
    for line in ["PUB foo 101\r\n", "PUB foo bar 101\r\n", "HPUB foo 12 101\r\n"] {
        let (frames, error) = feed(&mut Parser::new(limits), line.as_bytes(), &[]);
        let error = error.unwrap();
        assert_eq!((frames.len(), &error), (0, &ParseError::MaxPayload { size: 101, limit: 100 }));
        assert_eq!(error.wire_text(), Some("Maximum Payload Violation"));
        assert_eq!(error.close_reason(), CloseReason::MaxPayloadExceeded);
        assert_eq!(error.to_string(), "maximum payload exceeded: 101 vs 100");
    }
    for len in [99, 100] {
        let input = format!("PUB foo {len}\r\n{}\r\n", "x".repeat(len));
        let (frames, error) = feed(&mut Parser::new(limits), input.as_bytes(), &[]);
        assert_eq!((frames.len(), error), (1, None), "{len}");
    }
    let unlimited = Limits { max_payload: None, ..Limits::default() };
    let (_, error) = feed(&mut Parser::new(unlimited), b"PUB foo 999999999\r\n", &[]);
    assert_eq!(error, None);
}

#[test]
fn hpub_needs_header_support() {
    let limits = Limits { headers: HeaderSupport::Disabled, ..Limits::default() };
    let mut parser = Parser::new(limits);
    let (frames, error) = feed(&mut parser, b"PUB a 0\r\n\r\nHPUB a 0 0\r\n\r\n", &[]);
    let error = error.unwrap();
    assert_eq!((frames.len(), error.wire_text()), (1, None));
    assert_eq!(error.to_string(), "message headers not supported");
}

#[test]
fn only_connect_passes_a_closed_gate() {
    for input in ["PUB a 0\r\n\r\n", "P", "PING\r\n", "XX\r\n", "\r\n", "+OK\r\n", "I"] {
        let mut parser = Parser::new(Limits::default());
        parser.set_gate(Gate::ConnectOnly);
        let (_, error) = feed(&mut parser, input.as_bytes(), &[]);
        let error = error.unwrap();
        assert_eq!(error, ParseError::AuthorizationViolation, "{input:?}");
        assert_eq!(error.wire_text(), Some("Authorization Violation"));
        assert_eq!(error.close_reason(), CloseReason::AuthenticationViolation);
    }
    let mut parser = Parser::new(Limits::default());
    parser.set_gate(Gate::ConnectOnly);
    assert_eq!(feed(&mut parser, b"conn", &[]), (vec![], None));
    let (consumed, _) = parser.next(b"connect {}\r\nPING\r\n").unwrap().unwrap();
    assert_eq!(consumed, 12);
    parser.set_gate(Gate::Open);
    assert_eq!(parser.next(b"PING\r\n"), Ok(Some((6, Frame::Ping))));
}

#[test]
fn an_incomplete_message_says_how_much_it_needs() {
    let mut parser = Parser::new(Limits::default());
    assert_eq!(parser.next(b"PUB foo 5\r"), Ok(None));
    assert_eq!(parser.needed(), None);
    assert_eq!(parser.next(b"PUB foo 5\r\nhel"), Ok(None));
    assert_eq!(parser.needed(), Some(18));
    assert_eq!(parser.next(b"PUB foo 5\r\nhello\r"), Ok(None));
    let whole = b"PUB foo 5\r\nhello\r\nPING\r\n";
    let frame = Frame::Pub { subject: b"foo", reply: None, payload: b"hello" };
    assert_eq!(parser.next(whole), Ok(Some((18, frame))));
    assert_eq!(parser.needed(), None);
}

/// A megabyte in small pieces: would take minutes if each piece scanned the payload again.
#[test]
fn a_payload_in_pieces_is_not_scanned_again() {
    let size = 1024 * 1024;
    let mut input = format!("PUB foo {size}\r\n").into_bytes();
    input.resize(input.len() + size, b'x');
    input.extend_from_slice(b"\r\n");
    let cuts: Vec<usize> = (1..input.len()).collect();
    let (frames, error) = feed(&mut Parser::new(Limits::default()), &input, &cuts);
    assert_eq!((frames.len(), error), (1, None));
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["foo", "a.b", "1", "12", "9", "q", "_INBOX.x.y", ">", "*"])
}

fn blank() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![" ", " ", " ", "\t", "  ", " \t"])
}

fn line_end() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["\r\n", "\r\n", "\n"])
}

/// One valid operation, and what it should be parsed as.
fn operation() -> impl Strategy<Value = (Vec<u8>, String)> {
    let payload = prop::collection::vec(prop::sample::select(b"ax\r\n \0\xff".to_vec()), 0..20);
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    prop_oneof![
        (word(), prop::option::of(word()), payload.clone(), blank(), line_end()).prop_map(
            move |(subject, reply, payload, blank, end)| {
                let reply_arg = reply.map_or(String::new(), |reply| format!("{reply}{blank}"));
                let mut input =
                    format!("PUB{blank}{subject}{blank}{reply_arg}{}{end}", payload.len())
                        .into_bytes();
                input.extend_from_slice(&payload);
                input.extend_from_slice(b"\r\n");
                (input, format!("PUB {subject} {} [{}]", reply.unwrap_or("-"), lossy(&payload)))
            }
        ),
        (word(), prop::option::of(word()), payload.clone(), payload, blank()).prop_map(
            move |(subject, reply, headers, payload, blank)| {
                let reply_arg = reply.map_or(String::new(), |reply| format!("{reply}{blank}"));
                let (header_len, total) = (headers.len(), headers.len() + payload.len());
                let mut input =
                    format!("hPUB{blank}{subject}{blank}{reply_arg}{header_len}{blank}{total}\r\n")
                        .into_bytes();
                input.extend_from_slice(&headers);
                input.extend_from_slice(&payload);
                input.extend_from_slice(b"\r\n");
                let shown = format!(
                    "HPUB {subject} {} [{}][{}]",
                    reply.unwrap_or("-"),
                    lossy(&headers),
                    lossy(&payload)
                );
                (input, shown)
            }
        ),
        (word(), prop::option::of(word()), word(), blank(), line_end()).prop_map(
            |(subject, queue, sid, blank, end)| {
                let queue_arg = queue.map_or(String::new(), |queue| format!("{queue}{blank}"));
                let input = format!("SUB{blank}{subject}{blank}{queue_arg}{sid}{end}");
                (input.into_bytes(), format!("SUB {subject} {} {sid}", queue.unwrap_or("-")))
            }
        ),
        (1..1000u64, line_end()).prop_map(|(max, end)| (
            format!("UNSUB 7 {max}{end}").into_bytes(),
            format!("UNSUB 7 Some({max})")
        )),
        line_end().prop_map(|end| (format!("PING{end}").into_bytes(), "PING".into())),
        Just((b"PONG\r\n".to_vec(), "PONG".into())),
        Just((b"CONNECT {\"a\": 1}\r\n".to_vec(), "CONNECT {\"a\": 1}".into())),
    ]
}

fn cut_points(len: usize, points: Vec<prop::sample::Index>) -> Vec<usize> {
    let mut cuts: Vec<usize> = points.iter().map(|at| at.index(len + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        operations in prop::collection::vec(operation(), 1..6),
        points in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let input = operations.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect::<Vec<u8>>();
        let expected: Vec<String> = operations.into_iter().map(|(_, shown)| shown).collect();
        let mut parser = Parser::new(Limits::default());
        let cuts = cut_points(input.len(), points);
        prop_assert_eq!(feed(&mut parser, &input, &cuts), (expected.clone(), None));
        let everywhere: Vec<usize> = (0..input.len()).collect();
        prop_assert_eq!(feed(&mut parser, &input, &everywhere), (expected, None));
    }

    /// Input that is nearly right: no panic, and the frames before the error do not depend on cuts.
    #[test]
    fn damaged_input_fails_alike(
        operations in prop::collection::vec(operation(), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        points in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut input = operations.into_iter().flat_map(|(bytes, _)| bytes).collect::<Vec<u8>>();
        for (at, byte) in damage {
            let at = at.index(input.len());
            input[at] = byte;
        }
        let (whole, whole_error) = parse(&input);
        let cuts = cut_points(input.len(), points);
        let (cut, cut_error) = feed(&mut Parser::new(Limits::default()), &input, &cuts);
        prop_assert_eq!(whole, cut);
        prop_assert_eq!(whole_error.is_some(), cut_error.is_some());
    }

    #[test]
    fn noise_never_panics(
        input in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"PUBSHNICOT +-\r\n\t0159".to_vec())], 0..200),
        gate in prop::sample::select(vec![Gate::Open, Gate::ConnectOnly]),
    ) {
        let limits = Limits { max_control_line: 40, max_payload: Some(50), ..Limits::default() };
        let mut parser = Parser::new(limits);
        parser.set_gate(gate);
        feed(&mut parser, &input, &[input.len() / 2]);
    }
}
