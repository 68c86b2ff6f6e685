//! Many producers, one slow transport: every byte arrives once and in order per producer.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::{CloseReason, FlushOutcome, Outbox, Pushed, Transport};

const PRODUCERS: u8 = 4;
const RECORDS: u32 = 20_000;
/// producer, sequence, length of filler
const RECORD_HEAD: usize = 6;
const DEADLINE: Duration = Duration::from_secs(60);

/// Takes a pseudo-random part of what it is offered, and often nothing.
#[derive(Default)]
struct Flaky {
    state: Mutex<FlakyState>,
    woken: Condvar,
    /// Held while writing: two writers at a time would be a bug of the box.
    writing: Mutex<()>,
}

#[derive(Default)]
struct FlakyState {
    random: u64,
    taken: Vec<u8>,
    wakes: u64,
    broken: bool,
}

impl Transport for Arc<Flaky> {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let _alone = self.writing.try_lock().expect("one flusher at a time");
        assert!(!bytes.is_empty());
        // Lets the others at the box while a flusher is inside the transport.
        for _ in 0..bytes.len() % 4 {
            thread::yield_now();
        }
        let mut state = self.state.lock();
        if state.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.random =
            state.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let roll = (state.random >> 33) as usize;
        match roll % 8 {
            0 | 1 => Err(io::ErrorKind::WouldBlock.into()),
            2 => Err(io::ErrorKind::Interrupted.into()),
            3..=5 => {
                let part = 1 + roll / 8 % bytes.len();
                state.taken.extend_from_slice(&bytes[..part]);
                Ok(part)
            }
            _ => {
                state.taken.extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    fn wake(&self) {
        self.state.lock().wakes += 1;
        self.woken.notify_all();
    }
}

/// The connection's writer task: resumes whenever it is woken, until the box is closed.
fn writer_task(outbox: &Outbox, transport: &Flaky) {
    let end = Instant::now() + DEADLINE;
    let mut seen = 0;
    loop {
        {
            let mut state = transport.state.lock();
            while state.wakes == seen {
                let timed_out = transport.woken.wait_until(&mut state, end).timed_out();
                assert!(!timed_out, "no wake: bytes are stranded or nobody closed");
            }
            seen = state.wakes;
        }
        let outcome = outbox.resume();
        if outbox.is_closed() && matches!(outcome, FlushOutcome::Clean | FlushOutcome::Closed) {
            return;
        }
    }
}

fn record(producer: u8, sequence: u32, out: &mut Vec<u8>) {
    let filler = (sequence.wrapping_mul(2654435761) >> 26) as u8;
    out.push(producer);
    out.extend_from_slice(&sequence.to_be_bytes());
    out.push(filler);
    out.extend(std::iter::repeat_n(producer ^ 0x55, usize::from(filler)));
}

/// Writes batches as a connection's reader does: many writes, then one flush if it owes one.
fn produce(outbox: &Outbox, producer: u8) -> u32 {
    let mut owes_flush = false;
    for sequence in 0..RECORDS {
        match outbox.write_msg(1, |out| record(producer, sequence, out)) {
            Pushed::First => owes_flush = true,
            Pushed::Queued | Pushed::Stalled => {}
            Pushed::Closed | Pushed::SlowConsumer => return sequence,
        }
        if sequence % 7 == 6 && std::mem::take(&mut owes_flush) {
            outbox.flush();
        }
    }
    if owes_flush {
        outbox.flush();
    }
    RECORDS
}

/// Takes whole records off the front; checks order and content. Returns counts per producer.
fn check_records(mut bytes: &[u8]) -> [u32; PRODUCERS as usize] {
    let mut next = [0u32; PRODUCERS as usize];
    while bytes.len() >= RECORD_HEAD {
        let (head, rest) = bytes.split_at(RECORD_HEAD);
        let producer = usize::from(head[0]);
        let sequence = u32::from_be_bytes(head[1..5].try_into().unwrap());
        assert_eq!(sequence, next[producer], "producer {producer}");
        next[producer] += 1;
        let Some((filler, rest)) = rest.split_at_checked(usize::from(head[5])) else { break };
        assert!(filler.iter().all(|&byte| byte == head[0] ^ 0x55));
        bytes = rest;
    }
    next
}

fn run(max_pending: usize, break_after: Option<u64>) -> (Arc<Outbox>, Arc<Flaky>, Vec<u32>) {
    let outbox = Arc::new(Outbox::new(max_pending));
    let transport = Arc::new(Flaky::default());
    outbox.attach(Box::new(Arc::clone(&transport)));
    let pushed = thread::scope(|scope| {
        let writer = scope.spawn(|| writer_task(&outbox, &transport));
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let outbox = &outbox;
                scope.spawn(move || produce(outbox, producer))
            })
            .collect();
        if let Some(records) = break_after {
            while outbox.stats().msgs_out < records {
                thread::yield_now();
            }
            transport.state.lock().broken = true;
        }
        let pushed = producers.into_iter().map(|producer| producer.join().unwrap()).collect();
        outbox.close(CloseReason::ServerShutdown);
        writer.join().unwrap();
        pushed
    });
    (outbox, transport, pushed)
}

#[test]
fn every_byte_once_and_in_order() {
    let (outbox, transport, pushed) = run(usize::MAX, None);
    assert_eq!(pushed, [RECORDS; PRODUCERS as usize]);
    let state = transport.state.lock();
    assert_eq!(check_records(&state.taken), [RECORDS; PRODUCERS as usize]);
    assert_eq!(outbox.pending_bytes(), 0);
    assert_eq!(outbox.progress().written, state.taken.len() as u64);
    assert_eq!(outbox.stats().msgs_out, u64::from(PRODUCERS) * u64::from(RECORDS));
}

#[test]
fn nothing_is_stranded_without_a_close() {
    let outbox = Arc::new(Outbox::new(usize::MAX));
    let transport = Arc::new(Flaky::default());
    outbox.attach(Box::new(Arc::clone(&transport)));
    thread::scope(|scope| {
        let writer = scope.spawn(|| writer_task(&outbox, &transport));
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let outbox = &outbox;
                scope.spawn(move || produce(outbox, producer))
            })
            .collect();
        for producer in producers {
            producer.join().unwrap();
        }
        // Only the flushes that were owed and the wakes that were given may move the rest.
        let end = Instant::now() + DEADLINE;
        while outbox.pending_bytes() > 0 {
            assert!(Instant::now() < end, "stranded: {outbox:?}");
            thread::yield_now();
        }
        outbox.close(CloseReason::ServerShutdown);
        writer.join().unwrap();
    });
    assert_eq!(check_records(&transport.state.lock().taken), [RECORDS; PRODUCERS as usize]);
}

#[test]
fn a_transport_that_breaks_ends_everybody() {
    let (outbox, transport, pushed) = run(usize::MAX, Some(1000));
    // What arrived is a prefix of what each producer wrote, cut anywhere.
    let arrived = check_records(&transport.state.lock().taken);
    for (producer, (arrived, pushed)) in arrived.iter().zip(&pushed).enumerate() {
        assert!(arrived <= pushed, "producer {producer}");
    }
    assert_eq!(outbox.pending_bytes(), 0);
    assert!(outbox.is_closed());
}

#[test]
fn overflow_under_load_closes_once() {
    let (outbox, transport, pushed) = run(2_000, None);
    if outbox.close_reason() == Some(CloseReason::SlowConsumerPendingBytes) {
        assert!(pushed.iter().any(|&count| count < RECORDS));
        assert_eq!(outbox.pending_bytes(), 0);
    } else {
        assert_eq!(pushed, [RECORDS; PRODUCERS as usize]);
    }
    check_records(&transport.state.lock().taken);
}
