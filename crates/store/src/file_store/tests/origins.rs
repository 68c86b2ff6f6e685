//! `origins.db`: one of its two places is whole whatever happens.

use env::{Crash, Incident};

use crate::tests::{World, config, put};
use crate::*;

fn saved(last_seq: u64, origins: &[(&str, u64)]) -> SavedOrigins {
    let positions = origins.iter().map(|(name, seq)| ((*name).to_owned(), *seq)).collect();
    SavedOrigins { marks: vec![OriginMark { last_seq, positions }] }
}

fn nth(n: u64) -> SavedOrigins {
    // Some are longer than those before, so that the file is made anew.
    let name = "a name ".repeat(if n % 4 == 3 { n as usize * 40 } else { 1 });
    saved(n, &[(&name, n * 7), ("B > >", u64::MAX - n)])
}

#[test]
fn it_is_stored_before_the_flush() {
    let world = World::new(0);
    let mut store = world.create(&config());
    assert_eq!(store.take_origins(), None);
    let two = SavedOrigins { marks: [nth(1).marks, nth(2).marks].concat() };
    store.save_origins(two.clone(), Durability::Synced);
    assert!(store.is_dirty());
    store.flush(Durability::Written).unwrap();
    assert!(!store.is_dirty());
    // Synced although nothing else of that flush was.
    world.disk.crash(Crash::DropUnsynced);
    let mut store = world.open();
    assert_eq!(store.take_origins(), Some(two));
    // What was only written is synced with the next flush that syncs.
    store.save_origins(nth(5), Durability::Written);
    store.flush(Durability::Written).unwrap();
    put(&mut *store, "a", "x", 1);
    store.flush(Durability::Synced).unwrap();
    world.disk.crash(Crash::DropUnsynced);
    assert_eq!(world.open().take_origins(), Some(nth(5)));
}

#[test]
fn a_purge_is_durable_only_after_it() {
    let world = World::new(0);
    let mut store = world.create(&config());
    put(&mut store, "a", "x", 1);
    store.flush(Durability::Synced).unwrap();
    store.save_origins(nth(3), Durability::Synced);
    store.purge(&Purge::default(), &mut |_| {}).unwrap();
    world.disk.crash(Crash::DropUnsynced);
    let mut store = world.open();
    assert_eq!(store.totals().msgs, 0);
    assert_eq!(store.take_origins(), Some(nth(3)));
}

#[test]
fn a_cut_at_any_call_leaves_the_last_or_the_one_under_way() {
    for change in 0..60 {
        for crash in [Crash::DropUnsynced, Crash::Torn(change), Crash::Scattered(change)] {
            let world = World::new(0);
            let mut store = world.create(&config());
            store.save_origins(nth(1), Durability::Synced);
            store.flush(Durability::Synced).unwrap();
            world.disk.inject_at(world.disk.changes() + change, Incident::PowerCut);
            let mut reached = 1;
            for n in 2..12 {
                store.save_origins(nth(n), Durability::Synced);
                if store.flush(Durability::Synced).is_err() {
                    break;
                }
                reached = n;
            }
            drop(store);
            world.disk.clear_faults();
            world.disk.crash(crash);
            let found = world.open().take_origins();
            let allowed = [Some(nth(reached)), Some(nth(reached + 1))];
            assert!(allowed.contains(&found), "{change} {crash:?}: {found:?} after {reached}");
        }
    }
}

#[test]
fn an_error_refuses_the_flush_and_what_came_with_it() {
    for change in 0..6 {
        let world = World::new(0);
        let mut store = world.create(&config());
        put(&mut store, "a", "first", 1);
        store.save_origins(nth(1), Durability::Synced);
        store.flush(Durability::Synced).unwrap();
        put(&mut store, "a", "second", 2);
        store.save_origins(nth(3), Durability::Synced);
        let kind = std::io::ErrorKind::Other;
        world.disk.inject_at(world.disk.changes() + change, Incident::Error(kind));
        let stored = store.flush(Durability::Synced).is_ok();
        world.disk.clear_faults();
        drop(store);
        world.disk.crash(Crash::DropUnsynced);
        let mut store = world.open();
        let found = store.take_origins().expect("one of them is whole");
        let msgs = store.totals().msgs;
        // What is stored without its message would be a message lost; the mark says for which
        // end of the stream it holds.
        assert!(found == nth(3) || msgs == 1, "{change}: {found:?} with {msgs}");
        assert!(!stored || (found == nth(3) && msgs == 2), "{change}");
    }
}

#[test]
fn damage_is_reported_and_costs_one_place() {
    let world = World::new(0);
    let mut store = world.create(&config());
    for n in 1..=2 {
        store.save_origins(nth(n), Durability::Synced);
        store.flush(Durability::Synced).unwrap();
    }
    store.stop().unwrap();
    let path = "origins.db";
    let len = std::cell::Cell::new(0);
    world.edit(path, |bytes| len.set(bytes.len()));
    assert!(len.get() > 0);
    for byte in 0..40 {
        let half = len.get() / 2;
        world.edit(path, |bytes| bytes[half + byte] ^= 1);
        assert_eq!(world.open().take_origins(), Some(nth(1)), "{byte}: the other place holds");
        world.edit(path, |bytes| bytes[half + byte] ^= 1);
    }
    assert_eq!(world.open().take_origins(), Some(nth(2)));
    for cut in [0, 1, 100] {
        let whole = world.snapshot();
        world.edit(path, |bytes| bytes.truncate(cut));
        let mut store = world.open();
        assert_eq!(store.take_origins(), None);
        let events = store.take_events();
        assert!(
            matches!(&events[..], [StoreEvent::Repaired(text)] if text.contains(path)),
            "{events:?}"
        );
        let (_, bytes) = whole.iter().find(|(name, _)| name.ends_with(path)).unwrap();
        world.edit(path, |held| held.clone_from(bytes));
    }
}
