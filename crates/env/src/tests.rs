//! The same disk scenario on the real file system and on the simulated one, and the faults.

use std::io::ErrorKind;
use std::path::Path;

use crate::*;

fn scenario(disk: &dyn Disk, root: &Path) {
    let dir = root.join("a/b");
    disk.create_dir_all(&dir).unwrap();
    disk.create_dir_all(&dir).unwrap();
    let path = dir.join("one");
    assert_eq!(disk.open(&path, OpenMode::Existing).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.info(&path).unwrap(), None);
    let file = disk.open(&path, OpenMode::Create).unwrap();
    file.write_all_at(b"hello", 2).unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"\0\0hello");
    file.write_all_at(b"ab", 0).unwrap();
    file.set_len(4).unwrap();
    file.set_len(6).unwrap();
    file.sync_data().unwrap();
    assert_eq!(file.len().unwrap(), 6);
    let mut buf = [9; 4];
    assert_eq!(file.read_at(&mut buf, 4).unwrap(), 2);
    assert_eq!(buf, [0, 0, 9, 9]);
    assert_eq!(file.read_at(&mut buf, 6).unwrap(), 0);
    assert_eq!(file.read_exact_at(&mut buf, 3).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    file.read_exact_at(&mut buf, 0).unwrap();
    assert_eq!(&buf, b"abhe");
    disk.rename(&path, &dir.join("two")).unwrap();
    disk.sync_dir(&dir).unwrap();
    let names: Vec<_> = disk.list(&dir).unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
    assert_eq!(names, [("two".into(), EntryKind::File)]);
    disk.rename(&root.join("a"), &root.join("c")).unwrap();
    assert_eq!(
        disk.info(&root.join("c/b/two")).unwrap(),
        Some(FileInfo { kind: EntryKind::File, len: 6 })
    );
    assert_eq!(disk.info(&root.join("c/b")).unwrap().unwrap().kind, EntryKind::Dir);
    disk.open(&root.join("c/b/two"), OpenMode::Truncate).unwrap();
    assert_eq!(disk.read(&root.join("c/b/two")).unwrap(), b"");
    disk.unlink(&root.join("c/b/two")).unwrap();
    assert_eq!(disk.unlink(&root.join("c/b/two")).unwrap_err().kind(), ErrorKind::NotFound);
    disk.remove_dir_all(&root.join("c")).unwrap();
    disk.remove_dir_all(&root.join("c")).unwrap();
    assert_eq!(disk.list(&root.join("c")).unwrap_err().kind(), ErrorKind::NotFound);
    let space = disk.space(root).unwrap();
    assert!(space.available <= space.total && space.total > 0);
}

#[test]
fn both_disks_do_the_same() {
    let temp = tempfile::tempdir().unwrap();
    scenario(&OsDisk, temp.path());
    let sim = SimDisk::new();
    sim.create_dir_all(Path::new("/root")).unwrap();
    scenario(&sim, Path::new("/root"));
}

#[test]
fn os_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("d");
    OsDisk.create_dir_all(&dir).unwrap();
    OsDisk.open(&dir.join("f"), OpenMode::Create).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("f"))), (0o700, 0o600));
}

fn synced_file(sim: &SimDisk) -> Box<dyn DiskFile> {
    let dir = Path::new("/d");
    sim.create_dir_all(dir).unwrap();
    let file = sim.open(&dir.join("f"), OpenMode::Create).unwrap();
    file.write_all_at(b"safe", 0).unwrap();
    file.sync_data().unwrap();
    sim.sync_dir(dir).unwrap();
    sim.sync_dir(Path::new("/")).unwrap();
    file
}

#[test]
fn a_crash_drops_what_was_not_synced() {
    let sim = SimDisk::new();
    let file = synced_file(&sim);
    file.write_all_at(b"lost", 4).unwrap();
    sim.open(Path::new("/d/g"), OpenMode::Create).unwrap();
    sim.crash(Crash::DropUnsynced);
    assert_eq!(sim.read(Path::new("/d/f")).unwrap(), b"safe");
    assert_eq!(sim.info(Path::new("/d/g")).unwrap(), None);
    assert!(file.write_all_at(b"x", 0).is_err(), "a handle does not outlive the crash");
}

#[test]
fn a_killed_process_loses_nothing_written() {
    let sim = SimDisk::new();
    let file = synced_file(&sim);
    file.write_all_at(b"kept", 4).unwrap();
    sim.crash(Crash::KeepAll);
    assert_eq!(sim.read(Path::new("/d/f")).unwrap(), b"safekept");
}

#[test]
fn torn_crashes_keep_synced_bytes_and_differ_by_seed() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let sim = SimDisk::new();
        let file = synced_file(&sim);
        file.write_all_at(b"0123456789", 4).unwrap();
        sim.crash(Crash::Torn(seed * 7919 + 1));
        let left = sim.read(Path::new("/d/f")).unwrap();
        assert!(b"safe0123456789".starts_with(&left[..]) && left.starts_with(b"safe"));
        lengths.insert(left.len());
    }
    assert!(lengths.len() > 3, "only these: {lengths:?}");
}

#[test]
fn a_swapped_directory_survives_with_its_content() {
    let sim = SimDisk::new();
    let (msgs, fresh, old) = (Path::new("/d/msgs"), Path::new("/d/fresh"), Path::new("/d/old"));
    for (dir, name) in [(msgs, "before"), (fresh, "after")] {
        sim.create_dir_all(dir).unwrap();
        sim.open(&dir.join(name), OpenMode::Create).unwrap();
        sim.sync_dir(dir).unwrap();
    }
    sim.sync_dir(Path::new("/d")).unwrap();
    sim.sync_dir(Path::new("/")).unwrap();
    sim.rename(msgs, old).unwrap();
    sim.rename(fresh, msgs).unwrap();
    let unsynced = sim.clone();
    sim.sync_dir(Path::new("/d")).unwrap();
    unsynced.crash(Crash::DropUnsynced);
    assert!(sim.info(&msgs.join("after")).unwrap().is_some());
    assert!(sim.info(&msgs.join("before")).unwrap().is_none());
    assert!(sim.info(&old.join("before")).unwrap().is_some());
    assert!(sim.info(fresh).unwrap().is_none());
}

#[test]
fn a_name_is_durable_only_by_a_sync_of_its_own_directory() {
    let sim = SimDisk::new();
    let inner = Path::new("/a/b");
    sim.create_dir_all(inner).unwrap();
    sim.sync_dir(Path::new("/")).unwrap();
    let file = sim.open(&inner.join("f"), OpenMode::Create).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    file.sync_data().unwrap();
    sim.sync_dir(inner).unwrap();
    let upper_unsynced = sim.fork();
    upper_unsynced.crash(Crash::DropUnsynced);
    assert!(upper_unsynced.info(Path::new("/a")).unwrap().is_some());
    assert_eq!(upper_unsynced.info(inner).unwrap(), None, "nobody synced /a");
    sim.sync_dir(Path::new("/a")).unwrap();
    sim.crash(Crash::DropUnsynced);
    assert_eq!(sim.read(&inner.join("f")).unwrap(), b"x");
}

#[test]
fn the_end_of_a_process_makes_nothing_durable() {
    let sim = SimDisk::new();
    let file = synced_file(&sim);
    file.write_all_at(b"kept", 4).unwrap();
    sim.open(Path::new("/d/g"), OpenMode::Create).unwrap();
    sim.crash(Crash::KeepAll);
    assert_eq!(sim.read(Path::new("/d/f")).unwrap(), b"safekept");
    sim.crash(Crash::DropUnsynced);
    assert_eq!(sim.read(Path::new("/d/f")).unwrap(), b"safe");
    assert_eq!(sim.info(Path::new("/d/g")).unwrap(), None);
}

#[test]
fn a_power_cut_leaves_the_call_under_way_open() {
    let (mut done, mut undone, mut torn) = (false, false, false);
    for seed in 0..64 {
        let sim = SimDisk::new();
        let file = synced_file(&sim);
        sim.inject_at(sim.changes(), Incident::PowerCut);
        assert!(file.write_all_at(b"0123456789", 4).is_err());
        assert!(sim.is_dead());
        assert!(file.sync_data().is_err() && sim.read(Path::new("/d/f")).is_err());
        sim.crash(Crash::Torn(seed));
        match sim.read(Path::new("/d/f")).unwrap().len() {
            4 => undone = true,
            14 => done = true,
            _ => torn = true,
        }
    }
    assert!(done && undone && torn);
}

#[test]
fn scattered_crashes_lose_single_sectors() {
    let mut holes = false;
    for seed in 0..64 {
        let sim = SimDisk::new();
        let file = synced_file(&sim);
        file.write_all_at(&[7; 4_096], 0).unwrap();
        sim.crash(Crash::Scattered(seed));
        let left = sim.read(Path::new("/d/f")).unwrap();
        let missing = left.iter().position(|&byte| byte != 7).unwrap_or(left.len());
        holes |= left.get(missing..).is_some_and(|rest| rest.contains(&7));
    }
    assert!(holes);
}

#[test]
fn incidents_hit_the_numbered_call() {
    let sim = SimDisk::new();
    let file = synced_file(&sim);
    sim.inject_at(sim.changes() + 1, Incident::Half(ErrorKind::StorageFull));
    file.write_all_at(b"ab", 4).unwrap();
    assert!(is_no_space(&file.write_all_at(b"cdef", 6).unwrap_err()));
    assert_eq!(sim.read(Path::new("/d/f")).unwrap(), b"safeabcd");
    sim.inject_at(sim.changes(), Incident::Error(ErrorKind::Interrupted));
    assert_eq!(file.sync_data().unwrap_err().kind(), ErrorKind::Interrupted);
    file.sync_data().unwrap();
    sim.fail_read_at(sim.reads() + 1, ErrorKind::Other);
    sim.read(Path::new("/d/f")).unwrap();
    assert!(sim.read(Path::new("/d/f")).is_err());
    sim.read(Path::new("/d/f")).unwrap();
}

#[test]
fn a_directory_is_removed_name_by_name() {
    let sim = SimDisk::new();
    synced_file(&sim);
    sim.open(Path::new("/d/g"), OpenMode::Create).unwrap();
    sim.sync_dir(Path::new("/d")).unwrap();
    sim.inject_at(sim.changes() + 1, Incident::Error(ErrorKind::Other));
    assert!(sim.remove_dir_all(Path::new("/d")).is_err());
    assert_eq!(sim.list(Path::new("/d")).unwrap().len(), 1);
    sim.remove_dir_all(Path::new("/d")).unwrap();
    assert_eq!(sim.info(Path::new("/d")).unwrap(), None);
    sim.crash(Crash::DropUnsynced);
    assert_eq!(sim.list(Path::new("/d")).unwrap().len(), 2, "nobody synced the removal");
}

#[test]
fn faults_hit_the_counted_operation() {
    let sim = SimDisk::new();
    let file = synced_file(&sim);
    sim.inject(Fault { op: DiskOp::Write, after: 1, kind: ErrorKind::Other, once: true });
    file.write_all_at(b"1", 0).unwrap();
    file.sync_data().unwrap();
    assert!(file.write_all_at(b"2", 0).is_err());
    file.write_all_at(b"3", 0).unwrap();
    sim.inject(Fault { op: DiskOp::Sync, after: 0, kind: ErrorKind::Other, once: false });
    assert!(file.sync_data().is_err());
    assert!(file.sync_data().is_err());
}

#[test]
fn a_full_disk_takes_what_fits_and_says_so() {
    let sim = SimDisk::new();
    let file = synced_file(&sim);
    sim.set_capacity(Some(6));
    file.write_all_at(b"56", 4).unwrap();
    let error = file.write_all_at(b"789", 5).unwrap_err();
    assert!(is_no_space(&error));
    assert_eq!(sim.read(Path::new("/d/f")).unwrap(), b"safe57");
    file.write_all_at(b"SAFE", 0).unwrap();
}

#[test]
fn seeded_random_is_reproducible_and_the_systems_is_not_constant() {
    let (a, b) = (SeededRng::new(7), SeededRng::new(7));
    assert_eq!(a.next_u64().unwrap(), b.next_u64().unwrap());
    assert_ne!(a.next_u64().unwrap(), SeededRng::new(8).next_u64().unwrap());
    assert_ne!(OsRng.next_u64().unwrap(), OsRng.next_u64().unwrap());
}

#[test]
fn clocks_move_as_told() {
    let clock = ManualClock::new(1_000);
    clock.advance(5);
    clock.jump_wall(-100);
    assert_eq!((clock.wall_ns(), clock.mono_ns()), (905, 5));
    assert!(OsClock.wall_ns() > 1_700_000_000_000_000_000);
    let before = OsClock.mono_ns();
    assert!(OsClock.mono_ns() >= before);
}
