//! System messages between servers of one process, with a clock that the test moves.

use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use js_account::{Ends, SystemMessages, TakeMessage};
use parking_lot::Mutex;

/// Connects the servers of a test.
#[derive(Clone, Default)]
pub(super) struct Bus(Arc<Mutex<State>>);

type Call = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    now_ns: u64,
    next: u64,
    /// Number, server, pattern.
    listening: Vec<(u64, String, String, Arc<TakeMessage>)>,
    /// Number, time, call.
    timers: Vec<(u64, u64, Call)>,
    /// Sender, subject, payload: not yet delivered.
    sent: Vec<(String, String, Vec<u8>)>,
}

/// One server's end of it.
struct BusPort {
    bus: Bus,
    node: String,
}

/// Takes a listener or timer off.
struct Off(Bus, u64);

impl Drop for Off {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.listening.retain(|(number, ..)| *number != self.1);
        let gone = state.timers.extract_if(.., |(number, ..)| *number == self.1);
        let gone: Vec<_> = gone.collect();
        // What they hold may end here, and look for this lock.
        drop(state);
        drop(gone);
    }
}

impl Bus {
    /// The end of a server with this name.
    pub(super) fn port(&self, node: &str) -> Arc<dyn SystemMessages> {
        Arc::new(BusPort { bus: self.clone(), node: node.to_owned() })
    }

    /// Lets time pass, calls what is due, and delivers what was sent to all but its sender;
    /// answers how many messages there were.
    pub(super) fn pass(&self, ns: u64) -> usize {
        let due: Vec<_> = {
            let mut state = self.0.lock();
            state.now_ns += ns;
            let now = state.now_ns;
            state.timers.extract_if(.., |(_, at, _)| *at <= now).collect()
        };
        due.into_iter().for_each(|(_, _, call)| call());
        let sent = std::mem::take(&mut self.0.lock().sent);
        for (node, subject, payload) in &sent {
            let takers: Vec<_> = {
                let state = self.0.lock();
                let others = state.listening.iter().filter(|(_, other, pattern, _)| {
                    other != node && subject::is_subset(subject.as_bytes(), pattern.as_bytes())
                });
                others.map(|(.., take)| Arc::clone(take)).collect()
            };
            for take in takers {
                take(subject, payload).expect("what servers send is sound");
            }
        }
        sent.len()
    }

    /// Listeners and timers.
    pub(super) fn held(&self) -> (usize, usize) {
        let state = self.0.lock();
        (state.listening.len(), state.timers.len())
    }
}

impl SystemMessages for BusPort {
    fn send(&self, subject: &str, payload: Vec<u8>) {
        self.bus.0.lock().sent.push((self.node.clone(), subject.to_owned(), payload));
    }

    fn now_ns(&self) -> u64 {
        self.bus.0.lock().now_ns
    }

    fn listen(&self, pattern: &str, take: TakeMessage) -> Ends {
        let mut state = self.bus.0.lock();
        state.next += 1;
        let number = state.next;
        state.listening.push((number, self.node.clone(), pattern.to_owned(), Arc::new(take)));
        Box::new(Off(self.bus.clone(), number))
    }

    fn call_at(&self, at_ns: u64, call: Box<dyn FnOnce() + Send>) -> Ends {
        let mut state = self.bus.0.lock();
        state.next += 1;
        let number = state.next;
        state.timers.push((number, at_ns, call));
        Box::new(Off(self.bus.clone(), number))
    }
}

impl Debug for BusPort {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "port of {}", self.node)
    }
}
