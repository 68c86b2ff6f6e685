//! Growing, shrinking, and keeping what is unread.

use super::{BUSY, IDLE, ReadBuffer, SHRINK_AFTER, START};

fn read(buffer: &mut ReadBuffer, bytes: &[u8]) {
    let room = buffer.room();
    room[..bytes.len()].copy_from_slice(bytes);
    buffer.filled(bytes.len());
}

fn fill(buffer: &mut ReadBuffer) -> usize {
    let count = buffer.room().len();
    buffer.filled(count);
    count
}

#[test]
fn keeps_what_was_not_consumed() {
    let mut buffer = ReadBuffer::new();
    read(&mut buffer, b"one two");
    buffer.consume(4, None);
    assert_eq!(buffer.unread(), b"two");
    read(&mut buffer, b" three");
    assert_eq!(buffer.unread(), b"two three");
    buffer.consume(9, None);
    assert_eq!(buffer.unread(), b"");
    buffer.consume(1, None);
    assert_eq!(buffer.room().len(), START);
}

#[test]
fn grows_while_reads_fill_it_and_shrinks_after() {
    let mut buffer = ReadBuffer::new();
    for _ in 0..10 {
        let count = fill(&mut buffer);
        buffer.consume(count, None);
    }
    assert_eq!(buffer.room().len(), BUSY);
    for _ in 0..u32::from(SHRINK_AFTER) * 10 {
        read(&mut buffer, b"small");
        buffer.consume(5, None);
    }
    assert_eq!(buffer.room().len(), START);
}

#[test]
fn makes_room_for_a_large_frame() {
    let mut buffer = ReadBuffer::new();
    read(&mut buffer, b"xxPUB a 200000\r\n");
    buffer.consume(2, Some(200_016));
    assert_eq!(buffer.unread(), b"PUB a 200000\r\n");
    assert!(buffer.room().len() >= 200_016 - 14);
    assert!(buffer.room().len() < 200_016 * 2, "no more than needed");
}

#[test]
fn a_frame_in_pieces_always_has_room() {
    let mut buffer = ReadBuffer::new();
    let mut total = 0;
    for _ in 0..100 {
        total += fill(&mut buffer);
        buffer.consume(0, None);
        assert!(!buffer.room().is_empty());
        assert_eq!(buffer.unread().len(), total);
    }
}

#[test]
fn gives_back_memory_only_when_empty() {
    let mut buffer = ReadBuffer::new();
    read(&mut buffer, b"rest");
    buffer.release_idle_memory();
    assert_eq!(buffer.unread(), b"rest");
    buffer.consume(4, None);
    buffer.release_idle_memory();
    assert_eq!(buffer.room().len(), IDLE);
    let count = fill(&mut buffer);
    buffer.consume(count, None);
    assert_eq!(buffer.room().len(), 2 * IDLE);
}
