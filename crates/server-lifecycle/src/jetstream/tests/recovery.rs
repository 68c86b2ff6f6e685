//! What an account finds again when it is enabled, and what it says of what it cannot serve.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::harness::{Client, account, count, logged};
use crate::Embedded;

const CONSUMER: &str =
    "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"dlc\",\"ack_policy\":\"explicit\"}}";

/// What happens to a directory while JetStream is off.
type Harm<'a> = &'a dyn Fn(&Path);

/// A server with streams S, which has the durable consumer dlc, and T; three messages in each.
struct World {
    server: Embedded,
    client: Client,
    root: PathBuf,
}

impl World {
    fn new(change: impl FnOnce(&mut config_validate::Options)) -> Self {
        let server = Embedded::temporary_with(change).unwrap();
        let mut client = Client::connect(&server);
        for (stream, subject) in [("S", "s.x"), ("T", "t.x")] {
            assert!(client.stream(stream, ",\"max_bytes\":1000")["error"].is_null());
            for seq in 1..=3 {
                assert!(client.request(subject, "x").contains(&format!("\"seq\":{seq}")));
            }
        }
        let made = client.api("CONSUMER.CREATE.S.dlc", CONSUMER);
        assert!(made["error"].is_null(), "{made}");
        let root = PathBuf::from(server.server().store_dir());
        World { server, client, root }
    }

    fn dir(&self, stream: &str) -> PathBuf {
        self.root.join("$G/streams").join(stream)
    }

    /// Switches JetStream off, lets something happen to the directory of S, and switches it on.
    fn recover(&mut self, harm: impl FnOnce(&Path)) -> Vec<String> {
        let dir = self.dir("S");
        self.server.disable_jetstream();
        harm(&dir);
        let ((), lines) = logged(|| self.server.restart_jetstream());
        assert!(self.server.server().jetstream_enabled(), "{lines:?}");
        assert_eq!(self.info("T")["state"]["messages"], 3, "others are served");
        lines
    }

    fn info(&mut self, stream: &str) -> Value {
        self.client.api(&format!("STREAM.INFO.{stream}"), "")
    }

    /// Why S is not served.
    fn offline_reason(&mut self) -> String {
        let list = self.client.api("STREAM.LIST", "");
        list["offline"]["S"].as_str().unwrap_or_else(|| panic!("{list}")).to_owned()
    }

    fn reserved(&self) -> i64 {
        self.server.server().jetstream_reserved_resources().unwrap().1
    }
}

/// Removes what this server keeps beside the reference's files.
fn without_copies(dir: &Path) {
    for copy in ["meta.copy", "obs/dlc/meta.copy"] {
        fs::remove_file(dir.join(copy)).unwrap();
    }
}

/// Changes a configuration as if its checksum was still to be written: the start does that.
fn edit(dir: &Path, change: impl FnOnce(&mut Value)) {
    let path = dir.join("meta.inf");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    let bytes = config.to_string().into_bytes();
    fs::write(dir.join("meta.pending"), &bytes).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_stream_and_its_consumer_survive_as_they_were() {
    mark::check!(F1402);
    let mut world = World::new(|_| {});
    let picture = |world: &mut World| {
        let (stream, consumer) = (world.info("S"), world.client.api("CONSUMER.INFO.S.dlc", ""));
        (stream["state"].clone(), stream["created"].clone(), consumer["created"].clone())
    };
    let before = picture(&mut world);
    let lines = world.recover(|dir| {
        fs::create_dir(dir.with_file_name(".half-deleted")).unwrap();
        fs::create_dir_all(dir.join("../../__snapshots__/old")).unwrap();
    });
    assert_eq!(picture(&mut world), before);
    assert_eq!(before.0["messages"], 3);
    for line in [
        "DEBUG Recovering JetStream state for account \"$G\"",
        "INFO   Starting restore for stream '$G > S'",
        "INFO   Restored 3 messages for stream '$G > S' in ",
        "INFO   Recovering 1 consumers for stream - '$G > S'",
        "DEBUG Enabled JetStream for account \"$G\"",
        "DEBUG   Max Memory:      -1 B",
        "DEBUG JetStream state for account \"$G\" recovered",
    ] {
        assert_eq!(count(&lines, line), 1, "{line}: {lines:#?}");
    }
    let dir = world.dir("S");
    assert!(!dir.with_file_name(".half-deleted").exists());
    assert!(!dir.join("../../__snapshots__").exists());
    let global = account(&world.server, "$G");
    global.enable_jetstream(account::default_tiers()).unwrap();
    assert_eq!((global.num_streams(), world.reserved()), (2, 2000), "nothing came twice");
}

#[test]
fn what_cannot_be_read_is_told_and_kept() {
    mark::check!(F1402);
    let missing = |file: &'static str| move |dir: &Path| fs::remove_file(dir.join(file)).unwrap();
    let rows: [(&str, Harm<'_>); 4] = [
        ("WARN   Missing stream metafile for \"$DIR/meta.inf\"", &missing("meta.inf")),
        ("WARN   Missing stream checksum file \"$DIR/meta.sum\"", &missing("meta.sum")),
        (
            "WARN   Stream metafile \"$DIR/meta.inf\": checksums do not match \"0123\" vs \"",
            &|dir| {
                fs::write(dir.join("meta.sum"), "0123").unwrap();
            },
        ),
        ("WARN   Stream metafile \"$DIR/meta.inf\": checksums do not match \"", &|dir| {
            let sum = fs::read_to_string(dir.join("meta.sum")).unwrap();
            fs::write(dir.join("meta.sum"), sum + "\n").unwrap();
        }),
    ];
    for (line, harm) in rows {
        let mut world = World::new(|_| {});
        let blocks = fs::read(world.dir("S").join("msgs/1.blk")).unwrap();
        let lines = world.recover(|dir| {
            without_copies(dir);
            harm(dir);
        });
        let dir = world.dir("S");
        let line = line.replace("$DIR", &dir.to_string_lossy());
        assert_eq!(count(&lines, &line), 1, "{line}: {lines:#?}");
        assert_eq!(world.info("S")["error"]["err_code"], 10194, "{line}");
        assert_eq!(world.reserved(), 1000, "{line}");
        // What was behind the records of a running server went when it stopped.
        let kept = fs::read(dir.join("msgs/1.blk")).unwrap();
        assert!(blocks.starts_with(&kept) && kept.len() + 38 >= blocks.len());
        assert!(dir.join("obs/dlc/meta.inf").is_file());
    }
    // A place for blocks that is none: the reference deletes what is there.
    let mut world = World::new(|_| {});
    let lines = world.recover(|dir| {
        fs::rename(dir.join("msgs"), dir.join("aside")).unwrap();
        fs::write(dir.join("msgs"), "").unwrap();
    });
    assert_eq!(count(&lines, "WARN   Error recreating stream \"S\": "), 1, "{lines:#?}");
    assert_eq!(world.reserved(), 1000, "what is not served takes nothing");
    assert_eq!(world.client.api("STREAM.DELETE.T", "")["success"], true);
    assert_eq!(world.reserved(), 0);
    let dir = world.dir("S");
    assert_eq!(world.client.api("STREAM.INFO.S", "")["error"]["err_code"], 10194);
    assert!(dir.join("aside/1.blk").is_file() && dir.join("obs/dlc").is_dir());
}

#[test]
fn what_asks_for_more_is_offline() {
    mark::check!(F1402);
    let level = types::API_LEVEL;
    let unsupported = format!("unsupported - required API level: 99, current API level: {level}");
    let rows: [(&str, Option<&str>, bool, String); 5] = [
        ("bogus", None, true, "decoding error: json: unknown field \"bogus\"".into()),
        ("", Some("99"), true, unsupported.clone()),
        ("", Some("many"), true, unsupported.replace("99", "many")),
        ("bogus", Some("99"), true, "unsupported - config error: unknown field \"bogus\"".into()),
        ("", Some(""), false, String::new()),
    ];
    for (field, required, offline, reason) in rows {
        let mut world = World::new(|_| {});
        let lines = world.recover(|dir| {
            edit(dir, |config| {
                if !field.is_empty() {
                    config[field] = json!(1);
                }
                if let Some(level) = required {
                    config["metadata"] = json!({"_nats.req.level": level});
                }
            });
        });
        if !offline {
            assert_eq!(world.info("S")["state"]["messages"], 3, "an empty level asks for nothing");
            continue;
        }
        assert_eq!(world.offline_reason(), reason);
        let refused = world.info("S");
        assert_eq!(refused["error"]["description"], format!("stream is offline: {reason}"));
        let line = match required {
            Some(_) => format!("WARN   Detected unsupported stream '$G > S': {reason}"),
            None => "WARN   Error unmarshalling stream metafile ".to_owned(),
        };
        assert_eq!(count(&lines, &line), 1, "{lines:#?}");
        let global = account(&world.server, "$G");
        let view = global.lookup_stream("S").unwrap();
        assert_eq!(view.config.subjects, ["s.>"], "its configuration is known all the same");
        assert_eq!(global.num_streams(), 2);
        assert_eq!(world.reserved(), 1000);
        let again = world.client.stream("S", "");
        assert!(!again["error"].is_null(), "it is not made anew: {again}");
    }
}

#[test]
fn a_consumer_that_asks_for_more_stops_its_stream() {
    mark::check!(F1402);
    let mut world = World::new(|_| {});
    let lines = world.recover(|dir| {
        edit(&dir.join("obs/dlc"), |config| {
            config["metadata"] = json!({"_nats.req.level": "99"});
        });
    });
    assert_eq!(world.offline_reason(), "stopped - unsupported consumer \"dlc\"");
    let level = types::API_LEVEL;
    let reason = format!("unsupported - required API level: 99, current API level: {level}");
    let line = format!("WARN   Detected unsupported consumer '$G > S > dlc': {reason}");
    assert_eq!(count(&lines, &line), 1, "{lines:#?}");
    assert_eq!(count(&lines, "WARN   Stopping unsupported stream '$G > S'"), 1, "{lines:#?}");
    let list = world.client.api("CONSUMER.LIST.S", "");
    assert_eq!((&list["total"], &list["consumers"]), (&json!(1), &json!([])), "{list}");
    assert_eq!((&list["offline"], &list["missing"]), (&json!({"dlc": reason}), &json!(["dlc"])));
    assert_eq!(world.client.api("CONSUMER.NAMES.S", "")["consumers"], json!(["dlc"]));
    assert_eq!(world.reserved(), 1000);
    assert_eq!(world.client.api("STREAM.DELETE.S", "")["success"], true);
    assert_eq!(world.reserved(), 1000, "it had reserved nothing");
    assert!(!world.dir("S").exists(), "deleted is deleted, served or not");
    world.recover(|_| {});
    assert_eq!(account(&world.server, "$G").num_streams(), 1, "it does not come back");
}

#[test]
fn a_bad_consumer_costs_itself_only() {
    mark::check!(F1402);
    let rows: [(&str, bool, Harm<'_>); 4] = [
        ("another sum", true, &|dir| fs::write(dir.join("meta.sum"), "0123456789abcdef").unwrap()),
        ("no meta.inf", false, &|dir| fs::remove_file(dir.join("meta.inf")).unwrap()),
        ("no meta.sum", false, &|dir| fs::remove_file(dir.join("meta.sum")).unwrap()),
        ("bad JSON", false, &|dir| {
            fs::write(dir.join("meta.inf"), "{").unwrap();
        }),
    ];
    for (what, is_there, harm) in rows {
        let mut world = World::new(|_| {});
        world.recover(|dir| {
            without_copies(dir);
            harm(&dir.join("obs/dlc"));
        });
        assert_eq!(world.info("S")["state"]["messages"], 3, "{what}");
        let names = world.client.api("CONSUMER.NAMES.S", "");
        let wanted = if is_there { json!(["dlc"]) } else { json!([]) };
        assert_eq!(names["consumers"], wanted, "{what}");
        assert!(world.dir("S").join("obs/dlc").is_dir(), "{what}");
    }
}

#[test]
fn subjects_are_repaired_or_refused() {
    mark::check!(F1402);
    let mut world = World::new(|_| {});
    let set = |subjects: Value| move |dir: &Path| edit(dir, |config| config["subjects"] = subjects);
    let lines = world.recover(set(json!([" sp ", "ok"])));
    for line in [
        "WARN   Detected bad subject \" sp \" while adding stream \"S\", will attempt to repair",
        "WARN   Bad subject \" sp \" repaired to \"sp\"",
    ] {
        assert_eq!(count(&lines, line), 1, "{lines:#?}");
    }
    assert_eq!(world.info("S")["config"]["subjects"], json!(["sp", "ok"]));
    assert!(world.client.request("sp", "x").contains("\"seq\":4"));
    let lines = world.recover(set(json!(["a..b"])));
    assert_eq!(
        count(&lines, "WARN   Error recreating stream \"S\": invalid subject"),
        1,
        "{lines:#?}"
    );
    assert_eq!(world.info("S")["error"]["err_code"], 10194, "its files are not lost sight of");
    assert!(world.dir("S").join("msgs").is_dir());
}

fn keyed(
    key: &str,
    prev: &str,
    cipher: config_validate::options::Cipher,
) -> impl Fn(&mut config_validate::Options) {
    let key_of = |text: &str| {
        (!text.is_empty()).then(|| config_validate::options::StoreKey(text.to_owned()))
    };
    let (key, prev) = (key_of(key), key_of(prev));
    move |options| {
        options.jetstream.key = key.clone();
        options.jetstream.prev_key = prev.clone();
        options.jetstream.cipher = cipher;
    }
}

/// Runs a server on a directory; answers what it logs at its start.
fn on_dir(
    dir: &Path,
    change: impl Fn(&mut config_validate::Options),
    work: impl FnOnce(&mut Client),
) -> Vec<String> {
    let mut options = crate::loopback();
    options.jetstream.enabled = true;
    options.store_dir = Some(dir.to_owned());
    change(&mut options);
    let (server, lines) = logged(|| Embedded::start(options).unwrap());
    work(&mut Client::connect(&server));
    server.shutdown();
    lines
}

#[test]
fn keys_and_ciphers_change_and_bad_ones_are_told() {
    use config_validate::options::Cipher::{Aes, ChaCha};
    mark::check!(F1402, F1370);
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    let stream = dir.join("jetstream/$G/streams/S");
    let found = |client: &mut Client| {
        assert_eq!(client.api("STREAM.INFO.S", "")["state"]["messages"], 1);
        assert_eq!(client.api("CONSUMER.INFO.S.dlc", "")["num_pending"], 1);
    };
    let offline = |client: &mut Client| {
        assert_eq!(client.api("STREAM.INFO.S", "")["error"]["err_code"], 10194);
    };
    on_dir(
        dir,
        |_| {},
        |client| {
            assert!(client.stream("S", "")["error"].is_null());
            assert!(client.request("s.x", "x").contains("\"seq\":1"));
            assert!(client.api("CONSUMER.CREATE.S.dlc", CONSUMER)["error"].is_null());
        },
    );
    let steps = [
        (keyed("one", "", ChaCha), 72, "from plain text"),
        (keyed("one", "", Aes), 64, "to another cipher"),
        (keyed("two", "one", Aes), 64, "to another key"),
        (keyed("two", "", Aes), 64, "without the old one"),
    ];
    for (change, key_len, what) in steps {
        on_dir(dir, change, found);
        assert_eq!(fs::read(stream.join("meta.key")).unwrap().len(), key_len, "{what}");
        assert!(
            serde_json::from_slice::<Value>(&fs::read(stream.join("meta.inf")).unwrap()).is_err()
        );
    }
    let meta = fs::read(stream.join("meta.inf")).unwrap();
    let wrong = "WARN   Error decrypting our stream metafile: unable to recover keys";
    assert_eq!(count(&on_dir(dir, keyed("one", "", Aes), offline), wrong), 1);
    let none = "WARN   Error decrypting our stream metafile: encryption not enabled";
    assert_eq!(count(&on_dir(dir, |_| {}, offline), none), 1);
    let key = fs::read(stream.join("meta.key")).unwrap();
    fs::write(stream.join("meta.key"), &key[..63]).unwrap();
    fs::remove_file(stream.join("key-meta.copy")).unwrap();
    let short = "WARN   Bad stream encryption key length of 63";
    assert_eq!(count(&on_dir(dir, keyed("two", "", Aes), offline), short), 1);
    assert_eq!(fs::read(stream.join("meta.inf")).unwrap(), meta, "nothing was touched");
    fs::write(stream.join("meta.key"), &key).unwrap();
    on_dir(dir, keyed("two", "", Aes), found);
    // With its copy a bad key costs nothing.
    fs::write(stream.join("meta.key"), &key[..63]).unwrap();
    on_dir(dir, keyed("two", "", Aes), found);
    assert_eq!(fs::read(stream.join("meta.key")).unwrap().len(), 64);
}
