//! S2 framing and tar headers.

use std::io::{Read, Write};

use super::super::s2::{S2Reader, S2Writer};
use super::super::tar::{self, Member};

fn packed(plain: &[u8]) -> Vec<u8> {
    let mut writer = S2Writer::new(Vec::new());
    writer.write_all(plain).unwrap();
    writer.finish().unwrap()
}

fn unpacked(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    S2Reader::new(bytes).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Bytes that compress a little.
fn sample(len: usize) -> Vec<u8> {
    let mut x = 0x9e37_79b9_u32;
    (0..len)
        .map(|i| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if i % 3 == 0 { b'a' } else { (x >> 24) as u8 }
        })
        .collect()
}

#[test]
fn what_was_packed_is_unpacked() {
    const CHUNK: usize = 1 << 20;
    for len in [0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
        let plain = sample(len);
        assert!(unpacked(&packed(&plain)).unwrap() == plain, "{len} bytes");
    }
    // In pieces that do not fit the chunks.
    let plain = sample(2 * CHUNK + 5);
    let mut writer = S2Writer::new(Vec::new());
    for piece in plain.chunks(70_001) {
        writer.write_all(piece).unwrap();
    }
    assert!(unpacked(&writer.finish().unwrap()).unwrap() == plain);
}

#[test]
fn a_stream_that_is_cut_or_changed_is_refused() {
    let plain = sample(3000);
    let good = packed(&plain);
    for len in 0..good.len() {
        let cut = unpacked(&good[..len]);
        // Nothing at all, or only the mark, is an empty stream.
        let empty = len == 0 || len == 10;
        assert_eq!(cut.is_ok(), empty, "cut at {len} of {}", good.len());
    }
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(unpacked(&bad).map_or(true, |got| got != plain), "bit {bit} changed nothing");
    }
}

#[test]
fn other_writers_streams_are_understood() {
    let plain = sample(5000);
    let mut snappy = b"\xff\x06\x00\x00sNaPpY".to_vec();
    // A skippable chunk, then the data.
    snappy.extend_from_slice(b"\xfe\x03\x00\x00xyz");
    snappy.extend_from_slice(&packed(&plain)[10..]);
    assert_eq!(unpacked(&snappy).unwrap(), plain);
    let many: Vec<u8> = [&packed(b"")[..], &b"\x80\x00\x00\x00".repeat(100_000)].concat();
    assert_eq!(unpacked(&many).unwrap(), b"", "skipping needs no stack");
    assert!(unpacked(b"\xff\x06\x00\x00S2sTwO\x02\x00\x00\x00").is_err(), "a reserved chunk");
    assert!(unpacked(b"\x00\x05\x00\x00abcde").is_err(), "no mark");
}

#[test]
fn a_chunk_that_unfolds_too_far_is_refused() {
    let limit = 4 << 20;
    for (len, fits) in [(limit, true), (limit + 1, false)] {
        let plain = vec![7; len];
        let block = minlz::s2::encode(&plain);
        let mut stream = b"\xff\x06\x00\x00S2sTwO\x00".to_vec();
        stream.extend_from_slice(&((block.len() + 4) as u32).to_le_bytes()[..3]);
        stream.extend_from_slice(&minlz::crc::crc(&plain).to_le_bytes());
        stream.extend_from_slice(&block);
        assert_eq!(unpacked(&stream).is_ok(), fits, "{len}");
    }
}

#[test]
fn headers_are_read_as_they_were_written() {
    let long = format!("obs/{}/meta.inf", "n".repeat(255));
    let umlaut = format!("obs/{}/meta.inf", "ü".repeat(60));
    for name in ["meta.inf", &"x".repeat(100), &"x".repeat(101), &long, &umlaut] {
        let bytes = tar::header(name, 5, 1_700_000_000);
        assert_eq!(bytes.len() % 512, 0);
        let read = tar::read_header(&mut &bytes[..]).unwrap();
        assert_eq!(read, Some(Member { name: name.to_owned(), size: 5, regular: true }));
    }
}

#[test]
fn bad_headers_are_refused() {
    let good = tar::header("meta.inf", 5, 0);
    for byte in 0..345 {
        let mut bad = good.clone();
        bad[byte] ^= 0x41;
        assert!(tar::read_header(&mut &bad[..]).is_err(), "byte {byte}");
    }
    for len in 0..good.len() {
        assert!(tar::read_header(&mut &good[..len]).is_err(), "cut at {len}");
    }
    let end = [0; 512];
    assert_eq!(tar::read_header(&mut &end[..]).unwrap(), None);
}
