//! The API in front of a real engine, as a client meets it.

mod client;
mod pages;
mod reference;
mod rules;
mod subjects;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{OsClock, OsDisk, OsRng};
use js_account::ServerLimits;
use js_engine::{Engine, EngineParts, EngineSettings, Found, InboxLimits, Stores};
use routing::{ConnId, SubjectSpace, Subscription, Target};
use store::{FileStore, FileStoreOptions, MemStore, StoreError, StreamStore};
use types::advisory::ClientInfo;
use types::{AccountLimits, Storage, StreamConfig, Timestamp};

use crate::{Api, ApiSettings, Clients, SUBJECTS};
use client::{Client, WAIT};

struct Known;

impl Clients for Known {
    fn client_info(&self, id: ConnId) -> Option<ClientInfo> {
        Some(ClientInfo { id, name: "tester".into(), ..ClientInfo::default() })
    }
}

/// Stores of new streams, on disk or in memory.
struct NewStreams(PathBuf);

impl Stores for NewStreams {
    fn open_account(&self, _: &str) -> Result<Vec<Found>, StoreError> {
        Ok(Vec::new())
    }

    fn create(
        &self,
        account: &str,
        config: &StreamConfig,
        created: Timestamp,
    ) -> Result<Box<dyn StreamStore>, StoreError> {
        if config.storage == Storage::Memory {
            return Ok(Box::new(MemStore::new(config)));
        }
        let (disk, dir) = (Arc::new(OsDisk), self.0.join(account));
        let options = FileStoreOptions::default();
        Ok(Box::new(FileStore::create(disk, &dir, created, config, options)?))
    }
}

/// A server's JetStream with one account.
struct World {
    engine: Arc<Engine>,
    api: Arc<Api>,
    space: Arc<SubjectSpace>,
}

impl World {
    fn open(dir: &Path) -> Self {
        World::with(dir, ApiSettings::default())
    }

    fn with(dir: &Path, settings: ApiSettings) -> Self {
        let max = 1 << 40;
        let engine_settings = EngineSettings {
            batch: stream::BatchLimits::default(),
            server_name: "ref".into(),
            domain: String::new(),
            limits: ServerLimits { max_memory: max, max_storage: max, max_ack_pending: 0 },
            max_duplicate_window_ns: 0,
            max_request_batch: 0,
            sync: stream::SyncPolicy::Always,
            max_payload: 1 << 20,
            max_pending: 64 << 20,
            shards: 2,
            inbox: InboxLimits::default(),
        };
        let stores = Arc::new(NewStreams(dir.to_owned()));
        let parts = EngineParts { clock: Arc::new(OsClock), rng: Arc::new(OsRng), stores };
        let engine = Engine::start(engine_settings, parts).expect("threads");
        let space = SubjectSpace::new("$G");
        let limits = BTreeMap::from([(String::new(), AccountLimits::UNLIMITED)]);
        engine.enable_account("$G", &space, &limits).expect("enabled");
        let api = Api::new(Arc::clone(&engine), settings);
        let world = World { engine, api, space };
        world.serve("$G", &world.space);
        world
    }

    fn serve(&self, account: &str, space: &Arc<SubjectSpace>) {
        for subject in SUBJECTS {
            let service = self.api.service(account, Arc::new(Known));
            let sub = Subscription::internal(subject.as_bytes(), Target::Service(service));
            space.subscribe(&sub).expect("a valid subject");
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.space)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.engine.stop(WAIT);
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
