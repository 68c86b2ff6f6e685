//! Which key the store gets, and what stands against it.

use std::cell::RefCell;
use std::path::PathBuf;

use config_validate::Options;
use config_validate::options::{JetStreamOptions, StoreKey, TpmOptions};

use super::harness::{count, logged};
use crate::jetstream::encryption::{init_encryption, load_tpm_key};
use crate::{Embedded, loopback};

fn with(key: &str, prev_key: &str, file: &str, pcr: i64) -> JetStreamOptions {
    let key_of = |text: &str| (!text.is_empty()).then(|| StoreKey(text.to_owned()));
    JetStreamOptions {
        key: key_of(key),
        prev_key: key_of(prev_key),
        tpm: Some(TpmOptions {
            keys_file: (!file.is_empty()).then(|| PathBuf::from(file)),
            encryption_password: Some("of the key".to_owned()),
            srk_password: None,
            pcr,
        }),
        ..JetStreamOptions::default()
    }
}

#[test]
fn the_key_is_configured_or_kept_by_a_module() {
    mark::check!(F1372);
    let asked = RefCell::new(Vec::new());
    let init = |options: &JetStreamOptions| {
        let load = |key: &super::super::encryption::TpmKey<'_>| {
            asked.borrow_mut().push(format!("{key:?}"));
            Ok("SUKEY".to_owned())
        };
        init_encryption(options, &load).map_err(|error| error.to_string())
    };
    assert!(init(&JetStreamOptions::default()).unwrap().is_none(), "off");
    assert!(init(&with("", "", "", 0)).unwrap().is_none(), "a module without a file is none");
    assert!(init(&with("", "old", "", 0)).unwrap().is_none(), "a previous key alone is none");
    let configured = init(&with("k", "old", "", 0)).unwrap().expect("it is encrypted");
    assert!(configured.previous.is_some());
    assert_eq!(asked.take(), [""; 0], "nobody asked the module");
    assert_eq!(
        init(&with("k", "", "file", 0)).unwrap_err(),
        "JetStream encryption key may not be used with TPM options"
    );
    assert_eq!(asked.take(), [""; 0], "nobody asked the module");
    for (pcr, register) in [(0, 22), (22, 22), (7, 7), (-1, -1)] {
        let options = with("", "old", "file", pcr);
        let before = options.clone();
        // Twice by the same options: what the module said is not taken for a configured key.
        for _ in 0..2 {
            let found = init(&options).unwrap().expect("it is encrypted");
            assert!(found.previous.is_some(), "the previous key is the configured one");
            let wanted = format!(
                "TpmKey {{ srk_password: \"\", file: \"file\", password: \"of the key\", \
                 pcr: {register} }}"
            );
            assert_eq!(asked.take(), [wanted]);
        }
        assert!(options == before, "options are not changed");
    }
    let refused = init_encryption(&with("", "", "file", 0), &load_tpm_key).err().unwrap();
    assert_eq!(refused.to_string(), "TPM functionality is not supported on this platform");
}

#[test]
fn a_key_that_a_module_should_keep_ends_the_start() {
    mark::check!(F1372);
    let dir = tempfile::tempdir().unwrap();
    let start = |jetstream: &str| {
        let text = format!("jetstream {{ store_dir: {:?}, {jetstream} }}", dir.path());
        let mut options = Options::from_text(&text).expect("a configuration");
        let own = loopback();
        (options.host, options.port, options.monitor) = (own.host, own.port, own.monitor);
        logged(|| Embedded::start(options).map(drop).map_err(|error| error.to_string()))
    };
    let (refused, _) = start("tpm { keys_file: keys }");
    let refused = refused.unwrap_err();
    assert!(refused.contains("TPM functionality is not supported on this platform"), "{refused}");
    let (refused, _) = start("key: k, tpm { keys_file: keys }");
    let refused = refused.unwrap_err();
    let text = "JetStream encryption key may not be used with TPM options";
    assert!(refused.contains(text), "{refused}");
    let (plain, lines) = start("tpm { pcr: 3 }");
    assert_eq!(plain, Ok(()));
    assert_eq!(count(&lines, "  Encryption:"), 0, "{lines:?}");
}
