//! Derivation, key files and candidates, as the reference has them.

use std::path::Path;
use std::sync::Arc;

use env::{Crash, Disk, DiskOp, Fault, OpenMode, SimDisk};

use super::secret::Secret;
use super::*;
use crate::tests::{World, config, put};
use crate::{Durability, Opening, StreamStore};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(text: &str) -> MasterKey {
    MasterKey::new(text.as_bytes()).unwrap()
}

fn vault(cipher: StoreCipher, current: &str, previous: Option<&str>) -> Vault {
    let encryption = Encryption { cipher, key: key(current), previous: previous.map(key) };
    Vault::new(encryption, Path::new("/data/jetstream/$G"), "TEST")
}

#[test]
fn keys_are_derived_as_the_reference_does() {
    mark::check!(F1369);
    let master = key("s3cr3t!!");
    let cases = [
        ("TEST", "c87538e15b0189577f3d7c90df57c2d207c90ec8ea9013e447ea5603b007fc87"),
        ("TEST.dlc", "03d401abcde5ce7ddd2bed0f3ee9529770ae8463d394a9f471e19ed80bb578fd"),
        ("", "7c32ad431716c8c2ce0555abb7c33a2345cb3381684217c6a89b46334682bfeb"),
    ];
    for (context, want) in cases {
        assert_eq!(hex(&master.derive("$G", context)), want, "{context:?}");
    }
    assert_eq!(master.derive("A", "BC"), master.derive("AB", "C"));
    assert_ne!(master.derive("A", "BC"), key("other").derive("A", "BC"));
    assert_eq!(master.derive("$G", "TEST"), master.derive("$G", "TEST"));
    assert_ne!(master.derive("$G", "TEST"), master.derive("$H", "TEST"));
    assert!(MasterKey::new(b"").is_none());
}

#[test]
fn long_keys_are_hashed_first() {
    for len in [63, 64, 65, 200] {
        let text = vec![b'k'; len];
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&text).unwrap();
        mac.update(b"infocontext");
        let want: [u8; 32] = mac.finalize().into_bytes().into();
        assert_eq!(MasterKey::new(&text).unwrap().derive("info", "context"), want, "{len}");
    }
}

#[test]
fn keys_are_not_printed() {
    let vault = vault(StoreCipher::ChaCha, "very secret", Some("old secret"));
    let (secret, _) = vault.generate("TEST").unwrap();
    let printed = format!("{vault:?} {secret:?} {:?}", key("very secret"));
    assert!(!printed.contains("secret\"") && !printed.contains("118, 101"), "{printed}");
    assert!(printed.contains("MasterKey(..)") && printed.contains("Secret("), "{printed}");
}

#[test]
fn candidates_are_tried_in_order() {
    mark::check!(F1370);
    for (cipher, len) in [(StoreCipher::ChaCha, 72), (StoreCipher::Aes, 64)] {
        let writer = vault(cipher, "s3cr3t!!", None);
        let (secret, file) = writer.generate("TEST").unwrap();
        assert_eq!(file.len(), len);
        let sealed = secret.seal(b"{}").unwrap();
        let read = |vault: &Vault, context: &str, file: &[u8]| {
            vault
                .unwrap(context, file, |secret| secret.open(&sealed))
                .map(|(_, origin, plain)| (origin, plain))
        };
        let good = |origin| Ok((origin, b"{}".to_vec()));
        assert_eq!(read(&writer, "TEST", &file), good(Origin::Current));
        let other = vault(cipher.other(), "s3cr3t!!", None);
        assert_eq!(read(&other, "TEST", &file), good(Origin::Stale));
        for configured in [cipher, cipher.other()] {
            let rotated = vault(configured, "new", Some("s3cr3t!!"));
            assert_eq!(read(&rotated, "TEST", &file), good(Origin::Stale));
        }
        let refused = Err("unable to recover keys");
        assert_eq!(read(&vault(cipher, "new", None), "TEST", &file), refused);
        assert_eq!(read(&writer, "TEST2", &file), refused);
        assert_eq!(
            read(&writer, "TEST", &file[..file.len() - 1]),
            match len {
                64 => Err("encryption bad key size"),
                _ => refused.clone(),
            }
        );
        assert_eq!(read(&writer, "TEST", &file[..63]), Err("encryption bad key size"));
        for at in 0..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 1;
            assert_eq!(read(&writer, "TEST", &bad), good(Origin::Damaged), "{at}");
            bad[at / 2] ^= 2;
            assert_eq!(read(&writer, "TEST", &bad), refused, "{at}");
        }
    }
}

#[test]
fn sealed_files_are_checked() {
    for cipher in [StoreCipher::ChaCha, StoreCipher::Aes] {
        let secret = Secret::generate(cipher).unwrap();
        let sealed = secret.seal(b"plain").unwrap();
        assert_eq!(sealed.len(), 5 + 16 + cipher.nonce_len());
        assert_ne!(sealed, secret.seal(b"plain").unwrap(), "a nonce was used twice");
        assert_eq!(secret.open(&sealed).as_deref(), Some(&b"plain"[..]));
        for len in 0..sealed.len() {
            assert_eq!(secret.open(&sealed[..len]), None, "{len}");
        }
    }
}

#[test]
fn a_key_stream_is_the_same_from_any_offset() {
    for cipher in [StoreCipher::ChaCha, StoreCipher::Aes] {
        let secret = Secret::generate(cipher).unwrap();
        let mut whole = vec![0; 1000];
        secret.key_stream().apply(&mut whole, 0).unwrap();
        let mut stream = secret.key_stream();
        for (from, to) in [(500, 777), (0, 1), (63, 65), (999, 1000), (16, 48)] {
            let mut part = vec![0; to - from];
            stream.apply(&mut part, from as u64).unwrap();
            assert_eq!(part, whole[from..to], "{from}..{to}");
        }
    }
}

#[test]
fn files_of_the_reference_are_read() {
    mark::check!(F1369, F1370);
    const KEYS: [(StoreCipher, &str, &str); 2] = [
        (
            StoreCipher::ChaCha,
            "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b71de69d0e7868b5f83ab5783db2198c65\
             d4a7cd44f581c038c70ec67228380a2ebf0355a4a0357017071b8faf6c145dfb",
            "101112131415161718191a1b1c1d1e1f20212223242526275fde408431e955b6f2a018efcfa01138\
             22bbc6c2c95f74e3d57ec942201595cf88fbde59698f42f43069ff88062c52ceba6ee7b273452ddf\
             668faf3cd4968e0d",
        ),
        (
            StoreCipher::Aes,
            "a0a1a2a3a4a5a6a7a8a9aaabacadaeafc011260817913ff5e7989be6d6a89a465aa844df00026164\
             89971333adc7beef0a02238b23023b7bc540da67cbbe7374",
            "101112131415161718191a1b1c1d1e1ff178791282104fca0f29a44b859023359db550f5003e51fd\
             393a8c8f62c7b80c4f02a1fbadf16fce81a49c5e098b64e4970a4226e7ffaad56827a2141b0715fb",
        ),
    ];
    let bytes = |text: &str| -> Vec<u8> {
        let pairs = text.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    for (cipher, key_file, meta) in KEYS {
        let meta = bytes(meta);
        for (configured, want) in [(cipher, Origin::Current), (cipher.other(), Origin::Stale)] {
            let got =
                vault(configured, "s3cr3t!!", None)
                    .unwrap("TEST", &bytes(key_file), |secret| secret.open(&meta));
            let (_, origin, plain) = got.unwrap();
            assert_eq!(origin, want);
            assert_eq!(plain, br#"{"Created":"2024-01-02T03:04:05Z","name":"TEST"}"#);
        }
    }
}

/// What is kept aside of the only stream's first block, by the key that the stream has now.
fn kept(world: &World, encryption: Encryption) -> Result<Vec<u8>, &'static str> {
    let vault = Vault::new(encryption, &world.account, "S");
    let key = world.disk.read(&world.account.join("streams/S/meta.key")).unwrap();
    let aside = world.disk.read(&world.msgs_file("1.blk.bad-1")).unwrap();
    vault.unwrap("S", &key, |secret| secret.open(&aside)).map(|(_, _, plain)| plain)
}

#[test]
fn what_is_kept_aside_follows_the_key() {
    let mut world = World::new(600);
    let mut store = world.create(&config());
    put(&mut store, "s", "a message", 1);
    store.stop().unwrap();
    let aside = world.disk.open(&world.msgs_file("1.blk.bad-1"), OpenMode::Create).unwrap();
    aside.write_all_at(b"damaged", 0).and_then(|()| aside.sync_data()).unwrap();
    world.disk.sync_dir(&world.msgs_file("")).unwrap();
    let changes = [(StoreCipher::ChaCha, "one", None), (StoreCipher::Aes, "two", Some("one"))];
    for (cipher, current, previous) in changes {
        let encryption = Encryption { cipher, key: key(current), previous: previous.map(key) };
        world.options.encryption = Some(encryption);
        for after in 0.. {
            let fork = World { disk: world.disk.fork(), ..world.clone() };
            let kind = std::io::ErrorKind::Other;
            fork.disk.inject(Fault { op: DiskOp::Any, after, kind, once: false });
            let opened = matches!(fork.try_open(), Opening::Ready { .. });
            fork.disk.crash(if after % 2 == 0 { Crash::DropUnsynced } else { Crash::Torn(after) });
            drop(fork.open());
            assert_eq!(kept(&fork, encryption).as_deref(), Ok(&b"damaged"[..]), "after {after}");
            let left = fork.msgs_files().into_iter().find(|name| name.ends_with(".new"));
            assert_eq!(left, None, "after {after}");
            if opened {
                assert!(after > 20, "only {after} changes");
                world = fork;
                break;
            }
        }
    }
}

#[test]
fn an_emptied_block_whose_file_is_still_to_go_follows_the_key() {
    let mut world = World::new(600);
    let encryption = |current, previous: Option<&str>| {
        let previous = previous.map(key);
        Encryption { cipher: StoreCipher::Aes, key: key(current), previous }
    };
    world.options.encryption = Some(encryption("old", None));
    let mut store = world.create(&config());
    for _ in 0..20 {
        put(&mut store, "s", &"x".repeat(100), 1);
    }
    store.flush(Durability::Synced).unwrap();
    store.bury(0);
    let dead = store.journal.dead.last().unwrap().index;
    let vault = Arc::new(Vault::new(encryption("new", Some("old")), &world.account, "S"));
    store.vault = Some(vault);
    // A second one's file is gone already.
    store.stale_blocks = vec![dead, 1000];
    store.convert().unwrap();
    let now = Vault::new(encryption("new", None), &world.account, "S");
    let path = block_disk::key_path(&world.msgs_file(""), dead);
    let found = block_disk::read_block_key(&world.disk, &now, &path, dead).unwrap();
    assert_eq!(found.map(|(_, origin)| origin), Some(Origin::Current));
}

#[test]
fn keys_of_removed_blocks_go_with_the_sync_of_their_own_directory() {
    let inner = SimDisk::new();
    let (msgs, other) = (Path::new("/msgs"), Path::new("/other"));
    inner.create_dir_all(msgs).and_then(|()| inner.create_dir_all(other)).unwrap();
    let vault = Arc::new(vault(StoreCipher::Aes, "key", None));
    let disk = BlockDisk::new(Arc::new(inner.clone()), vault);
    let block = msgs.join("1.blk");
    drop(disk.open(&block, OpenMode::Truncate).unwrap());
    disk.unlink(&block).unwrap();
    let is_there = || inner.info(&msgs.join("1.key")).unwrap().is_some();
    // That of another one has nothing to do with it, and ends.
    disk.sync_dir(other).unwrap();
    assert!(is_there());
    disk.sync_dir(msgs).unwrap();
    assert!(!is_there());
}
