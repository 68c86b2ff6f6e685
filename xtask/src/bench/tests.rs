//! The load generator's own parts: frames, counting, digits, CPU ticks, medians, flags.

use super::frames::{Counter, Frame, Msg, next};
use super::jet_rows::write_digits;
use super::meter::{Sample, cpu_ticks, median};
use super::options::Options;

#[test]
fn frames_are_split_and_wait_for_their_last_byte() {
    let bytes = b"MSG a.b 7 3\r\nxyz\r\nPING\r\n";
    let message = Frame::Msg(Msg { reply: b"", headers: b"", payload: b"xyz" });
    assert_eq!(next(bytes).expect("well formed"), Some((message, 18)));
    for end in 0..18 {
        assert_eq!(next(&bytes[..end]).expect("incomplete is no error"), None, "at {end}");
    }
    assert_eq!(next(&bytes[18..]).expect("well formed"), Some((Frame::Ping, 6)));
}

#[test]
fn replies_and_header_blocks_are_found() {
    let bytes = b"HMSG a 7 in.1 12 14\r\nNATS/1.0\r\n\r\nok\r\n";
    let message = Frame::Msg(Msg { reply: b"in.1", headers: b"NATS/1.0\r\n\r\n", payload: b"ok" });
    assert_eq!(next(bytes).expect("well formed"), Some((message, bytes.len())));
    let bytes = b"MSG a 7 in.1 0\r\n\r\n";
    let message = Frame::Msg(Msg { reply: b"in.1", headers: b"", payload: b"" });
    assert_eq!(next(bytes).expect("well formed"), Some((message, bytes.len())));
}

#[test]
fn what_is_no_frame_is_an_error() {
    for bytes in [
        &b"MSG a\r\n"[..],
        b"MSG a 1 x\r\n",
        b"MSG a 1 r 1 1 1\r\n",
        b"HMSG a 1 9 3\r\nabc\r\n",
        b"MSG a 1 1234567890\r\n",
        b"\r\n",
        b"PINGPONG\r\n",
    ] {
        assert!(next(bytes).is_err(), "{:?}", String::from_utf8_lossy(bytes));
    }
}

/// Counting must not depend on where reads happen to cut the stream.
#[test]
fn counting_is_the_same_for_every_cut() {
    let stream = b"MSG a 1 2\r\nxx\r\nMSG a 1 2\r\nyy\r\nPING\r\nMSG a 1 3\r\nzzz\r\n+OK\r\n\
                   MSG a 1 2\r\nMS\r\nMSG a 1 2\r\nxx\r\n";
    for cut in 0..=stream.len() {
        let mut counter = Counter::default();
        let (first, used) = counter.count(&stream[..cut]).expect("well formed");
        let (second, rest) = counter.count(&stream[used..]).expect("well formed");
        assert_eq!((first + second, used + rest), (5, stream.len()), "cut at {cut}");
    }
}

#[test]
fn an_error_from_the_server_stops_the_count() {
    let error = Counter::default().count(b"-ERR 'Slow Consumer'\r\n").err();
    assert_eq!(error.map(|it| it.to_string()).as_deref(), Some("-ERR 'Slow Consumer'"));
}

#[test]
fn reply_numbers_have_eight_digits() {
    let mut digits = *b"xxxxxxxx";
    write_digits(&mut digits, 120);
    assert_eq!(&digits, b"00000120");
    write_digits(&mut digits, 1_234_567_890);
    assert_eq!(&digits, b"34567890");
}

#[test]
fn ticks_are_found_behind_a_name_with_spaces() {
    let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 5 6 20 0 9 0 100 1 1";
    assert_eq!(cpu_ticks(stat), Some(42));
    assert_eq!(cpu_ticks("7 (a) S 1"), None);
}

fn sample(messages: u64) -> Result<Sample, String> {
    Ok(Sample {
        messages,
        seconds: 2.0,
        server_cpu_seconds: 1.0,
        own_cpu_seconds: 0.5,
        latency_us: None,
    })
}

#[test]
fn the_median_run_counts_and_an_error_is_not_averaged_away() {
    let middle = median(vec![sample(30), sample(10), sample(20)]).expect("three runs");
    assert_eq!(middle.messages, 20);
    assert_eq!((middle.per_second(), middle.server_us()), (10.0, 50_000.0));
    assert_eq!(median(vec![sample(1), Err("lost".to_owned())]).err().as_deref(), Some("lost"));
    assert!(median(Vec::new()).is_err());
}

#[test]
fn flags_are_checked() {
    let parse = |args: &[&str]| Options::parse(args.iter().map(|it| (*it).to_owned()).collect());
    let options = parse(&["--rows", "pub-16,file-sync", "--seconds=0.5"]).expect("known flags");
    assert!(options.wants("file-sync") && !options.wants("pub-128"));
    assert_eq!(options.length.as_millis(), 500);
    assert!(parse(&[]).expect("no flags").wants("pub-128"));
    for wrong in [["--rows", "nope"], ["--seconds", "0"], ["--runs", "0"], ["--what", "x"]] {
        assert!(parse(&wrong).is_err(), "{wrong:?}");
    }
}
