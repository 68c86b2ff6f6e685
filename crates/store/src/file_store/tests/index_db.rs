//! `index.db` as the reference writes it.

use crate::file_store::index_db::*;
use crate::file_store::record::Hasher;

fn read(stream: &str) -> Vec<u8> {
    let name = format!("clean/$G/streams/{stream}/msgs/index.db");
    std::fs::read(crate::tests::fixture_path(&name)).unwrap()
}

#[test]
fn the_references_snapshot_is_understood() {
    let index = decode(read("ORDERS"), &Hasher::new("ORDERS")).unwrap();
    assert_eq!((index.msgs, index.bytes, index.first_seq, index.last_seq), (46, 2_782, 2, 50));
    let mut subjects: Vec<(&str, u64)> = index
        .subjects
        .iter()
        .map(|(name, range)| (std::str::from_utf8(name).unwrap(), range.total))
        .collect();
    subjects.sort_unstable();
    let want =
        [("orders.0", 9), ("orders.1", 9), ("orders.2", 10), ("orders.3", 9), ("orders.hdr", 9)];
    assert_eq!(subjects, want);
    assert_eq!(index.blocks.len(), 1);
    assert_eq!(index.blocks[0].deleted.iter_from(0).collect::<Vec<_>>(), [7, 20, 50]);
    assert_eq!(index.blocks[0].msgs(), 46);
}

#[test]
fn we_write_the_references_bytes() {
    for stream in ["ORDERS", "KV_CONFIG"] {
        let hasher = Hasher::new(stream);
        let file = read(stream);
        let index = decode(file.clone(), &hasher).unwrap();
        let mut writer = Writer::new(&index, index.subjects.len());
        for (name, range) in index.subjects.iter() {
            writer.subject(name, range.total, range.first_block, range.last_block);
        }
        writer.block_count(index.blocks.len());
        for block in &index.blocks {
            writer.block(block, &block.deleted);
        }
        assert_eq!(writer.finish(index.last_block, index.last_checksum, &hasher), file);
    }
}

#[test]
fn damage_is_noticed() {
    let hasher = Hasher::new("ORDERS");
    let file = read("ORDERS");
    assert!(decode(file.clone(), &Hasher::new("OTHER")).is_none());
    for at in 0..file.len() {
        let mut bad = file.clone();
        bad[at] ^= 1;
        assert!(decode(bad, &hasher).is_none(), "byte {at}");
        assert!(decode(file[..at].to_vec(), &hasher).is_none(), "cut at {at}");
    }
}

#[test]
fn contents_that_contradict_are_refused() {
    // Valid checksums over nonsense: nothing may panic or allocate without bound.
    let hasher = Hasher::new("S");
    let file = read("ORDERS");
    let mut refused = 0;
    for at in 2..file.len() - 8 {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut body = file[..file.len() - 8].to_vec();
            body[at] = value;
            let sum = hasher.sum(&[&body]);
            body.extend_from_slice(&sum);
            refused += usize::from(decode(body, &hasher).is_none());
        }
    }
    assert!(refused > 100, "only {refused} were refused");
}

#[test]
fn older_versions_are_read() {
    use crate::file_store::varint::{push_i, push_u};
    let hasher = Hasher::new("S");
    for version in 1..=4_u8 {
        let mut body = vec![0x0b, version];
        for value in [3, 120, 1] {
            push_u(&mut body, value);
        }
        push_i(&mut body, 1_000);
        push_u(&mut body, 4);
        push_i(&mut body, 4_000);
        push_u(&mut body, 2);
        for (subject, total) in [(b"a", 1), (b"b", 2)] {
            push_u(&mut body, 1);
            body.extend_from_slice(subject);
            push_u(&mut body, total);
            push_u(&mut body, 1);
            if version == 4 || total > 1 {
                push_u(&mut body, 1);
            }
        }
        push_u(&mut body, 1);
        for value in [1, 120, 1] {
            push_u(&mut body, value);
        }
        push_i(&mut body, 0);
        push_u(&mut body, 4);
        push_i(&mut body, 3_000);
        push_u(&mut body, 1);
        if version >= 2 {
            push_u(&mut body, 5);
        }
        if version >= 3 {
            push_u(&mut body, 6);
        }
        let set: crate::file_store::seq_set::SeqSet = [2].into_iter().collect();
        set.encode(&mut body);
        push_u(&mut body, 1);
        body.extend_from_slice(b"checksum");
        let sum = hasher.sum(&[&body]);
        body.extend_from_slice(&sum);
        let index = decode(body, &hasher).unwrap();
        assert_eq!((index.msgs, index.last_seq, index.last_ns), (3, 4, 4_000));
        assert_eq!(index.subjects.iter().next().unwrap().1.last_block, 1);
        let block = &index.blocks[0];
        assert_eq!((block.first_ns, block.last_ns, block.msgs()), (1_000, 4_000, 3));
        assert_eq!(block.ttls, if version >= 2 { 5 } else { 0 });
        assert_eq!(block.schedules, if version >= 3 { 6 } else { 0 });
        assert_eq!(&index.last_checksum, b"checksum");
    }
}
