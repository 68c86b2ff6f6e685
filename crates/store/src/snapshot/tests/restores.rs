//! Bad archives, and restores that are cut short.

use super::super::{STAGING_DIR, tar};
use super::{content, names_below, other_account, pack, restore, unpack};
use crate::snapshot::s2::S2Writer;
use crate::tests::{World, config, put};
use crate::*;
use std::io::Write;
use types::errors;

const META: &[u8] = br#"{"name":"S","Created":"2023-11-14T22:13:20Z"}"#;

/// An archive of a small stream.
fn good(world: &World) -> Vec<u8> {
    let mut store = world.create(&config());
    for n in 0..40 {
        put(&mut store, "s", "some message", n);
    }
    store.flush(Durability::Synced).unwrap();
    let plan = store.begin_snapshot().unwrap();
    super::archive_of(&mut store, &plan, &[])
}

/// Unpacking fails with this text and leaves nothing.
#[track_caller]
fn check_refused(archive: &[u8], text: &str) {
    let world = World::new(2_000);
    let error = unpack(&world, archive).unwrap_err();
    assert_eq!(error.to_string(), text);
    let left = names_below(&world, &other_account());
    assert_eq!(left, [other_account().join(STAGING_DIR)]);
}

/// A member of another type than a regular file.
fn special(kind: u8) -> Vec<u8> {
    let mut header = tar::header("msgs/1.blk", 0, 0);
    header[156] = kind;
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut writer = S2Writer::new(Vec::new());
    writer.write_all(&header).unwrap();
    writer.write_all(&[0; 1024]).unwrap();
    writer.finish().unwrap()
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["../evil", "msgs/../../evil", "..", "obs/../../x/meta.inf", ".", "/", "//"] {
        check_refused(&pack(&[("meta.inf", META), (name, b"x")]), "unexpected content");
    }
}

#[test]
fn only_regular_files_are_taken() {
    for kind in [b'1', b'2', b'3', b'5', b'6', b'S'] {
        check_refused(&special(kind), "unexpected content");
    }
}

#[test]
fn files_that_no_store_needs_are_left_out() {
    let world = World::new(2_000);
    let archive = pack(&[
        ("/meta.inf", b"absolute"),
        ("meta.inf", META),
        ("msgs/1.idx", b"legacy"),
        ("msgs/01.blk", b"no block"),
        ("msgs/0.blk", b"no block"),
        ("msgs/+1.blk", b"no block"),
        ("msgs/1.key", b"a key"),
        ("./msgs/1.blk", b"no plain name"),
        ("other/dir/file", b"x"),
    ]);
    let staged = unpack(&world, &archive).unwrap();
    let left = names_below(&world, &other_account());
    let files: Vec<_> = left.iter().filter(|path| path.ends_with("meta.inf")).collect();
    assert_eq!((left.len(), files.len()), (3, 1), "{left:?}");
    drop(staged);
    assert_eq!(names_below(&world, &other_account()).len(), 1);
}

#[test]
fn a_file_twice_is_refused() {
    check_refused(&pack(&[("meta.inf", META), ("meta.inf", META)]), "unexpected content");
}

#[test]
fn an_archive_of_another_stream_is_refused() {
    let other = br#"{"name":"T"}"#;
    check_refused(&pack(&[("meta.inf", other)]), "stream names do not match");
    check_refused(&pack(&[("msgs/1.blk", b"x")]), "open meta.inf: no such file or directory");
}

#[test]
fn a_failed_snapshot_is_refused() {
    check_refused(
        &pack(&[("meta.inf", META), (ERRORS_FILE, b"the disk is gone")]),
        "the snapshot is incomplete: the disk is gone",
    );
}

#[test]
fn consumers_need_their_files() {
    check_refused(
        &pack(&[("meta.inf", META), ("obs/c/o.dat", b"x")]),
        r#"error restoring consumer ["c"]: open meta.inf: no such file or directory"#,
    );
    check_refused(
        &pack(&[("meta.inf", META), ("obs/c/meta.inf", b"{}")]),
        r#"error restoring consumer ["c"]: open meta.sum: no such file or directory"#,
    );
}

#[test]
fn files_larger_than_a_server_makes_them_are_refused() {
    let most = 1 << 20;
    let big = vec![b' '; most + 1];
    check_refused(
        &pack(&[("meta.inf", META), ("obs/c/meta.inf", &big)]),
        "unexpected content: obs/c/meta.inf is too large",
    );
    // A size that nobody sends is refused by its header alone.
    let mut writer = S2Writer::new(Vec::new());
    writer.write_all(&tar::header("msgs/1.blk", 128 << 20 | 1, 0)).unwrap();
    check_refused(&writer.finish().unwrap(), "unexpected content: msgs/1.blk is too large");
}

#[test]
fn a_compressed_block_is_refused() {
    check_refused(
        &pack(&[("meta.inf", META), ("msgs/1.blk", b"cmp\x01\x40 and what follows")]),
        "unexpected content",
    );
}

#[test]
fn a_limit_refuses_before_anything_of_a_block_is_stored() {
    let world = World::new(2_000);
    let archive = pack(&[("meta.inf", META), ("msgs/1.blk", &[0; 60]), ("msgs/2.blk", &[0; 41])]);
    for (limit, fits) in [(100, false), (101, true)] {
        let staging = Staging::create(world.dyn_disk(), &other_account(), "1").unwrap();
        let mut used = 0;
        let staged = staging.unpack("S", &mut &archive[..], &mut |bytes| {
            if used + bytes > limit {
                return Err(errors::STORAGE_RESOURCES_EXCEEDED.err());
            }
            used += bytes;
            Ok(())
        });
        assert_eq!(staged.is_ok(), fits, "{limit}");
        assert_eq!(used, if fits { 101 } else { 60 });
    }
}

#[test]
fn an_archive_that_is_cut_anywhere_is_refused() {
    let world = World::new(2_000);
    let archive = good(&world);
    assert!(archive.len() > 500);
    for len in 0..archive.len() {
        assert!(unpack(&world, &archive[..len]).is_err(), "cut at {len} of {}", archive.len());
    }
    assert_eq!(content(&mut *restore(&world, &archive)).len(), 40);
}

#[test]
fn a_full_disk_refuses_and_leaves_nothing() {
    let world = World::new(2_000);
    let archive = good(&world);
    let used = world.disk.used();
    for room in [0, 100, 1_000, 2_000] {
        world.disk.set_capacity(Some(used + room));
        let restored =
            unpack(&world, &archive).map_err(|error| error.to_string()).and_then(|staged| {
                staged.put_in_place(&config(), &[]).map_err(|error| error.to_string())
            });
        assert_eq!(restored.unwrap_err(), "no space left on device", "{room}");
        assert_eq!(world.disk.used(), used);
    }
    world.disk.set_capacity(None);
    assert_eq!(content(&mut *restore(&world, &archive)).len(), 40);
}

#[test]
fn a_crash_leaves_all_of_the_stream_or_nothing() {
    let (mut whole, mut nothing) = (0, 0);
    for after in 0..200 {
        let world = World::new(2_000);
        let archive = good(&world);
        world.disk.inject(env::Fault {
            op: env::DiskOp::Any,
            after,
            kind: std::io::ErrorKind::Other,
            once: false,
        });
        let acknowledged = Staging::create(world.dyn_disk(), &other_account(), "1")
            .map_err(RestoreError::from)
            .and_then(|staging| staging.unpack("S", &mut &archive[..], &mut |_| Ok(())))
            .and_then(|staged| Ok(staged.put_in_place(&config(), &[])?))
            .is_ok();
        world.disk.crash(env::Crash::Torn(after + 7));
        let opened = open_account(&world.dyn_disk(), &other_account(), world.options).unwrap();
        let staging = other_account().join(STAGING_DIR);
        assert!(world.dyn_disk().info(&staging).unwrap().is_none(), "cleaned at the start");
        match opened.into_iter().next().map(|stream| stream.opening) {
            None => {
                assert!(!acknowledged, "an acknowledged restore is gone");
                nothing += 1;
            }
            Some(Opening::Ready { mut store, .. }) => {
                assert_eq!(content(&mut *store).len(), 40, "after {after} changes");
                whole += 1;
            }
            Some(Opening::Offline { reason, .. }) => panic!("after {after} changes: {reason}"),
        }
        if acknowledged {
            break;
        }
    }
    assert!(whole > 0 && nothing > 5, "{whole} whole, {nothing} nothing");
}
