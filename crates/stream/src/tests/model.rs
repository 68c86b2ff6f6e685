//! Random publishes, pulls, acks, timeouts, removals and restarts against a naive recount.
//!
//! Whatever happens: each message that stays is delivered until it is acknowledged, never again
//! after a stored ack, and after every step the counters equal what a walk over all messages
//! finds.

use std::collections::{BTreeMap, BTreeSet};

use env::Crash;
use types::{AckPolicy, Retention};

use super::harness::{MS, SEC, World, acks_to, config, pull};
use crate::AckSubject;
use crate::consumer::Rng;

/// What the test believes of one consumer.
#[derive(Default)]
struct Believed {
    filter: Vec<&'static str>,
    /// Highest sequence that was first delivered.
    cursor: u64,
    /// Delivered and not settled, by sequence, with the latest ack subject.
    pending: BTreeMap<u64, String>,
    /// Acknowledged with a confirmation.
    confirmed: BTreeSet<u64>,
    floor: u64,
}

struct Run {
    w: World,
    on_disk: bool,
    /// Everything ever published.
    all: BTreeMap<u64, String>,
    rng: Rng,
    /// Messages held, with their subjects.
    held: BTreeMap<u64, String>,
    last: u64,
    consumers: BTreeMap<&'static str, Believed>,
}

fn wants(filter: &[&str], subject: &str) -> bool {
    filter.is_empty() || filter.iter().any(|f| subject::matches(subject.as_bytes(), f.as_bytes()))
}

impl Run {
    fn new(seed: u64, retention: Retention, on_disk: bool) -> Self {
        let mut stream = config(&["a.>"]);
        stream.retention = retention;
        let mut run = Run {
            w: if on_disk { World::on_disk(stream) } else { World::new(stream) },
            on_disk,
            all: BTreeMap::new(),
            rng: Rng::new(seed),
            held: BTreeMap::new(),
            last: 0,
            consumers: BTreeMap::new(),
        };
        let filters: [(&str, &[&'static str]); 4] =
            [("all", &[]), ("one", &["a.1"]), ("wild", &["a.2.*"]), ("two", &["a.1", "a.3"])];
        for (name, filter) in filters {
            let mut c = pull(name);
            c.ack_policy = AckPolicy::Explicit;
            c.ack_wait_ns = 2_000_000_000;
            c.max_ack_pending = 7;
            match filter {
                [one] => c.filter_subject = (*one).to_owned(),
                many => c.filter_subjects = many.iter().map(|f| (*f).to_owned()).collect(),
            }
            run.w.create(c);
            run.w.sub(&format!("in.{name}"));
            run.consumers.insert(name, Believed { filter: filter.to_vec(), ..Default::default() });
        }
        run
    }

    fn any(&mut self) -> &'static str {
        let names = ["all", "one", "wild", "two"];
        names[self.rng.below(4) as usize]
    }

    fn publish(&mut self) {
        for _ in 0..=self.rng.below(4) {
            let subject = ["a.1", "a.2.x", "a.2.y", "a.3", "a.4"][self.rng.below(5) as usize];
            self.w.publish(subject, "x");
            self.last += 1;
            self.held.insert(self.last, subject.to_owned());
            self.all.insert(self.last, subject.to_owned());
        }
        self.deliveries();
    }

    fn pull(&mut self) {
        let name = self.any();
        let batch = 1 + self.rng.below(6);
        let body = match self.rng.below(3) {
            0 => format!("{{\"batch\":{batch},\"no_wait\":true}}"),
            1 => format!("{{\"batch\":{batch},\"expires\":{}}}", 500 * MS),
            _ => format!("{batch}"),
        };
        self.w.next(name, &format!("in.{name}"), &body);
        self.deliveries();
    }

    /// Takes the deliveries in and checks each.
    fn deliveries(&mut self) {
        let out = self.w.round();
        for (name, believed) in &mut self.consumers {
            for ack in acks_to(&out, &format!("in.{name}")) {
                let read = AckSubject::parse(ack.as_bytes()).unwrap();
                let seq = read.stream_seq;
                assert!(!believed.confirmed.contains(&seq), "{name}: {seq} was acknowledged");
                assert!(self.held.contains_key(&seq), "{name}: {seq} is not held");
                if read.delivered == 1 && seq > believed.cursor {
                    let skipped = self.held.range(believed.cursor + 1..seq);
                    for (missed, subject) in skipped {
                        assert!(!wants(&believed.filter, subject), "{name}: {missed} left out");
                    }
                    believed.cursor = seq;
                } else {
                    assert!(
                        believed.pending.contains_key(&seq),
                        "{name}: {seq} again, but not pending"
                    );
                }
                assert!(wants(&believed.filter, &self.held[&seq]), "{name}: {seq} unwanted");
                believed.pending.insert(seq, ack);
            }
        }
    }

    fn ack(&mut self) {
        let name = self.any();
        let Some(believed) = self.consumers.get_mut(name) else { return };
        if believed.pending.is_empty() {
            return;
        }
        let nth = self.rng.below(believed.pending.len() as u64) as usize;
        let (seq, ack) = believed.pending.iter().nth(nth).map(|(s, a)| (*s, a.clone())).unwrap();
        match self.rng.below(6) {
            0 => self.w.ack(&ack, "-NAK", ""),
            1 => self.w.ack(&ack, "-NAK 300ms", ""),
            2 => self.w.ack(&ack, "+WPI", ""),
            kind => {
                let body = if kind == 3 { "+TERM" } else { "+ACK" };
                self.w.ack(&ack, body, "ok");
                believed.pending.remove(&seq);
                believed.confirmed.insert(seq);
            }
        }
        self.retain();
        self.deliveries();
    }

    /// What retention takes away.
    fn retain(&mut self) {
        if self.w.stream.config().retention == Retention::Limits {
            return;
        }
        let consumers = &self.consumers;
        self.held.retain(|seq, subject| {
            consumers.values().any(|c| wants(&c.filter, subject) && !c.confirmed.contains(seq))
        });
    }

    fn remove(&mut self) {
        let (now, mono_ns) = (self.w.ctx().now, self.w.ctx().mono_ns);
        let subs = super::harness::Subs::default();
        let ctx = crate::Ctx { now, mono_ns, interest: &subs };
        if self.rng.below(8) == 0 {
            let filter = ["", "a.1", "a.2.>"][self.rng.below(3) as usize];
            let keep = self.rng.below(3);
            let request =
                types::api::PurgeRequest { filter: filter.into(), keep, ..Default::default() };
            self.w.stream.purge(&ctx, &request).unwrap();
            let matching: Vec<u64> = self
                .held
                .iter()
                .filter(|(_, s)| {
                    filter.is_empty() || subject::matches(s.as_bytes(), filter.as_bytes())
                })
                .map(|(seq, _)| *seq)
                .collect();
            let gone = matching.len().saturating_sub(keep as usize);
            for seq in matching.iter().take(gone) {
                self.forget(*seq);
            }
        } else if !self.held.is_empty() {
            let nth = self.rng.below(self.held.len() as u64) as usize;
            let seq = *self.held.keys().nth(nth).unwrap();
            let request = types::api::MsgDeleteRequest { seq, no_erase: true };
            self.w.stream.delete_msg(&ctx, request).unwrap();
            self.forget(seq);
        }
        self.deliveries();
    }

    fn forget(&mut self, seq: u64) {
        self.held.remove(&seq);
        for believed in self.consumers.values_mut() {
            believed.pending.remove(&seq);
        }
    }

    /// A crash: progress that was not stored is redone, but no confirmed ack is.
    fn restart(&mut self) {
        if !self.on_disk {
            self.w.restart(u64::MAX);
        } else if self.rng.below(2) == 0 {
            self.w.crash(Crash::KeepAll);
        } else {
            let seed = self.rng.next();
            self.w.crash(Crash::Torn(seed));
            self.after_power_cut();
        }
        for (name, believed) in &mut self.consumers {
            let state = self.w.stream.consumer(name).state();
            believed.cursor = state.delivered.stream;
            // What was not stored yet is redone.
            believed.floor = believed.floor.min(state.ack_floor.stream);
            believed.pending =
                state.pending.iter().map(|p| (p.stream_seq, String::new())).collect();
            for (seq, subject) in self.held.range(..=believed.cursor) {
                let settled = !wants(&believed.filter, subject)
                    || believed.confirmed.contains(seq)
                    || believed.pending.contains_key(seq);
                assert!(settled, "{name}: {seq} is neither acknowledged nor pending");
            }
            for seq in believed.pending.keys() {
                assert!(!believed.confirmed.contains(seq), "{name}: {seq} was confirmed");
            }
        }
        // Acks of deliveries from before the crash still count; their subjects are unknown here.
        for (name, believed) in &mut self.consumers {
            for (seq, ack) in &mut believed.pending {
                let dseq = self.w.stream.consumer(name).pending.get(*seq).unwrap().dseq;
                *ack = format!("$JS.ACK.S.{name}.1.{seq}.{dseq}.0.0");
            }
        }
    }

    /// A power cut may undo acks and what followed from them, but no message that somebody
    /// still has to acknowledge.
    fn after_power_cut(&mut self) {
        let mut held = BTreeMap::new();
        for (seq, subject) in &self.all {
            if self.w.stream.store.get(*seq).unwrap().is_some() {
                held.insert(*seq, subject.clone());
            }
        }
        for seq in self.held.keys() {
            assert!(held.contains_key(seq), "{seq} is lost");
        }
        if self.w.stream.config().retention == Retention::Limits {
            assert_eq!(held, self.held, "what was removed stays so");
        }
        self.held = held;
        for (name, believed) in &mut self.consumers {
            let consumer = self.w.stream.consumer(name);
            let settled =
                |seq: &u64| *seq < consumer.next_seq && consumer.pending.get(*seq).is_none();
            let undone: Vec<u64> =
                believed.confirmed.iter().copied().filter(|seq| !settled(seq)).collect();
            for seq in &undone {
                believed.confirmed.remove(seq);
            }
            for (seq, subject) in &self.held {
                if wants(&believed.filter, subject) && settled(seq) {
                    assert!(believed.confirmed.contains(seq), "{name}: {seq} is skipped");
                }
            }
        }
    }

    fn check(&mut self) {
        assert_eq!(self.w.stream.state().msgs, self.held.len() as u64);
        for name in ["all", "one", "wild", "two"] {
            let info = self.w.info(name);
            let believed = self.consumers.get_mut(name).unwrap();
            let cursor = believed.cursor.max(info.delivered.stream_seq);
            let waiting = self
                .held
                .range(cursor + 1..)
                .filter(|(_, subject)| wants(&believed.filter, subject))
                .count() as u64;
            assert_eq!(info.num_pending, waiting, "{name} num_pending");
            assert_eq!(info.num_ack_pending, believed.pending.len() as u64, "{name} ack pending");
            let floor = info.ack_floor.stream_seq;
            assert!(floor >= believed.floor, "{name}: the floor went back");
            assert!(floor <= info.delivered.stream_seq, "{name}: floor above delivered");
            assert!(believed.pending.keys().all(|seq| *seq > floor), "{name}: floor too high");
            if believed.pending.is_empty() {
                assert_eq!(info.ack_floor.consumer_seq, info.delivered.consumer_seq, "{name}");
            }
            believed.floor = floor;
        }
        assert_eq!(
            self.w.server.used(self.w.stream.config().storage),
            self.w.stream.state().bytes,
            "what is charged is what is held"
        );
    }

    /// Every message left is delivered and acknowledged in the end. What was delivered before
    /// is acknowledged only when it came again.
    fn drain(&mut self) {
        for believed in self.consumers.values_mut() {
            believed.pending.values_mut().for_each(String::clear);
        }
        for _ in 0..200 {
            let idle = self.consumers.values().all(|c| c.pending.is_empty());
            let done = idle
                && ["all", "one", "wild", "two"].iter().all(|n| self.w.info(n).num_pending == 0);
            if done {
                return;
            }
            for name in ["all", "one", "wild", "two"] {
                self.w.next(name, &format!("in.{name}"), "20");
                self.deliveries();
                let believed = self.consumers.get_mut(name).unwrap();
                for (seq, ack) in believed.pending.extract_if(.., |_, ack| !ack.is_empty()) {
                    self.w.ack(&ack, "", "ok");
                    believed.confirmed.insert(seq);
                }
                self.retain();
                self.deliveries();
            }
            self.w.pass(SEC);
            self.deliveries();
        }
        panic!("messages are stuck");
    }
}

fn run(seed: u64, retention: Retention, on_disk: bool) {
    let mut run = Run::new(seed, retention, on_disk);
    for _ in 0..400 {
        match run.rng.below(20) {
            0..=5 => run.publish(),
            6..=9 => run.pull(),
            10..=14 => run.ack(),
            15 | 16 => {
                let ns = run.rng.below(3 * SEC);
                run.w.pass(ns);
                run.deliveries();
            }
            17 | 18 => run.remove(),
            _ => run.restart(),
        }
        run.check();
    }
    run.drain();
    run.check();
    if retention == Retention::Interest {
        assert!(run.held.values().all(|s| s == "never"), "all was acknowledged: {:?}", run.held);
    }
}

#[test]
fn limits_streams() {
    for seed in 0..60 {
        run(seed, Retention::Limits, false);
    }
}

#[test]
fn interest_streams() {
    for seed in 100..160 {
        run(seed, Retention::Interest, false);
    }
}

#[test]
fn limits_streams_on_disk() {
    for seed in 200..230 {
        run(seed, Retention::Limits, true);
    }
}

#[test]
fn interest_streams_on_disk() {
    for seed in 300..330 {
        run(seed, Retention::Interest, true);
    }
}
