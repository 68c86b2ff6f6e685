//! A repair makes a damaged stream sound, and keeps every byte it changes.

use std::collections::BTreeSet;

use env::Disk;

use super::super::inspect::tests::{filled, place};
use crate::tests::World;
use crate::*;

fn mend(world: &World) -> Mended {
    mend_stream(&world.dyn_disk(), &place(world), "now", world.options).unwrap()
}

/// Mends, and checks that no content that was there is gone.
fn mend_and_check(world: &World, what: &str) -> Mended {
    let before = world.snapshot();
    let mended = mend(world);
    assert!(!mended.before.is_sound(), "{what}");
    assert!(mended.after.is_sound(), "{what}: {:?}", mended.after.findings);
    assert!(!mended.actions.is_empty(), "{what}");
    let after = world.snapshot();
    let contents: BTreeSet<&[u8]> = after.values().map(Vec::as_slice).collect();
    for (path, bytes) in &before {
        let cut = |kept: &&[u8]| kept.starts_with(bytes) || bytes.starts_with(kept);
        let still = contents.contains(bytes.as_slice())
            || after.get(path).is_some_and(|now| cut(&now.as_slice()));
        assert!(
            bytes.is_empty() || still,
            "{what}: {} is gone: {:?}",
            path.display(),
            mended.actions
        );
    }
    mended
}

#[test]
fn a_sound_stream_is_left_alone() {
    let world = filled();
    let before = world.snapshot();
    let mended = mend(&world);
    assert!(mended.actions.is_empty());
    assert_eq!(before, world.snapshot());
}

#[test]
fn damage_anywhere_is_mended_with_originals_kept() {
    let files = ["msgs/1.blk", "msgs/2.blk", "msgs/index.db", "meta.sum", "obs/C/meta.inf"];
    for file in files {
        for at in (0..150).step_by(7) {
            let world = filled();
            let mut flipped = false;
            world.edit(file, |bytes| {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1;
                    flipped = true;
                }
            });
            if !flipped {
                continue;
            }
            let what = format!("{file} at {at}");
            let mended = mend_and_check(&world, &what);
            let msgs = mended.after.msgs;
            let lost = if file.ends_with(".blk") { 1 } else { 0 };
            assert!((22 - lost..=22).contains(&msgs), "{what}: {msgs} messages are left");
            assert_eq!(mended.after.last_seq, 24, "{what}");
            assert_eq!(world.open().totals().msgs, msgs, "{what}");
        }
    }
}

#[test]
fn missing_and_cut_files_are_mended() {
    for (file, left) in [("msgs/1.blk", 14..20), ("obs/C/meta.inf", 22..23), ("meta.sum", 22..23)] {
        let world = filled();
        world.disk.unlink(&world.account.join("streams/S").join(file)).unwrap();
        let mended = mend_and_check(&world, file);
        assert!(left.contains(&mended.after.msgs), "{file}: {}", mended.after.msgs);
        assert_eq!(mended.after.consumers.len(), usize::from(!file.starts_with("obs")), "{file}");
    }
    for len in [0, 1, 20, 100] {
        let world = filled();
        world.edit("msgs/2.blk", |bytes| bytes.truncate(len));
        let mended = mend_and_check(&world, &format!("cut to {len}"));
        assert_eq!(mended.after.last_seq, 24);
    }
    for with_copy in [true, false] {
        let world = filled();
        world.edit("obs/C/o.dat", |bytes| bytes[0] ^= 1);
        if !with_copy {
            world.disk.unlink(&world.account.join("streams/S/obs/C/o.copy")).unwrap();
        }
        let mended = mend_and_check(&world, "o.dat");
        assert_eq!(mended.after.consumers[0].state.is_some(), with_copy);
    }
}

#[test]
fn schedules_are_looked_at_and_mended() {
    let world = World::new(400);
    let mut store =
        world.create(&types::StreamConfig { allow_msg_schedules: true, ..crate::tests::config() });
    for number in 1..=3 {
        crate::tests::put(&mut store, "s", "x", number);
    }
    store.stop().unwrap();
    let saved = SavedSchedule { subject: b"s".to_vec(), seq: 3, due_ns: 7 };
    store.save_schedules(&[saved]).unwrap();
    let look = || inspect_stream(&*world.dyn_disk(), &place(&world), &mut |_| {}).unwrap();
    assert!(look().is_sound());
    assert_eq!(look().schedules, Some(1));
    world.edit("msgs/sched.db", |bytes| bytes.truncate(20));
    assert!(!look().is_sound());
    let mended = mend_and_check(&world, "sched.db");
    assert_eq!((mended.after.schedules, mended.after.msgs), (None, 3));
    assert!(world.msgs_files().iter().any(|name| name.starts_with("sched.db.bad-")));
}

#[test]
fn a_lost_configuration_is_not_invented() {
    let world = filled();
    world.disk.unlink(&world.account.join("streams/S/meta.inf")).unwrap();
    let before = world.snapshot();
    let error = mend_stream(&world.dyn_disk(), &place(&world), "now", world.options).unwrap_err();
    assert!(matches!(error, MendError::Config(_)), "{error}");
    assert_eq!(before, world.snapshot());
}
