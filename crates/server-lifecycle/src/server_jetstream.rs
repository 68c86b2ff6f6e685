//! JetStream of a running server, for programs that embed it.

use std::sync::Arc;

use account::Account;
use js_engine::Engine;
use monitor::JetStreamConfig;
use types::{ApiError, Storage};

use crate::Server;
use crate::jetstream::{Clustering, JetStreamError, KnownServer};

impl Server {
    /// Switches JetStream on; `None` takes sizes from the machine. Clients that are connected see
    /// the API appear. Waits until streams are recovered. The configuration passed in has the
    /// directory above JetStream's own; what is in effect is in [`Self::jetstream_config`].
    ///
    /// Wire source: `EnableJetStream` in `server/jetstream.go`.
    ///
    /// # Errors
    /// See [`JetStreamError`]; JetStream is off then, unless it was on.
    pub async fn enable_jetstream(
        &self,
        config: Option<JetStreamConfig>,
    ) -> Result<(), JetStreamError> {
        let _turn = self.inner().reloading.lock().await;
        self.inner().jetstream.enable(config).await
    }

    /// Switches JetStream off: streams are flushed and closed, what is stored stays; everything
    /// else goes on. Nothing where it is off.
    ///
    /// Wire source: `DisableJetStream` in `server/jetstream.go`.
    pub async fn disable_jetstream(&self) {
        let _turn = self.inner().reloading.lock().await;
        self.inner().jetstream.disable().await;
    }

    /// Switches JetStream on again by the options in effect. A start that fails is logged and
    /// leaves it off; one that runs goes on running.
    ///
    /// Wire source: `restartJetStream` in `server/jetstream.go`.
    pub async fn restart_jetstream(&self) {
        let _turn = self.inner().reloading.lock().await;
        self.inner().jetstream.restart().await;
    }

    /// Whether JetStream is on; also while it recovers.
    pub fn jetstream_enabled(&self) -> bool {
        self.inner().jetstream.is_enabled()
    }

    /// Whether this server or any known one runs JetStream.
    pub fn jetstream_enabled_for_domain(&self) -> bool {
        self.inner().jetstream.is_enabled_for_domain()
    }

    /// Notes what another server says of itself; `node` is the short hash of its name.
    pub fn note_server(&self, node: &str, server: KnownServer) {
        self.inner().jetstream.note_server(node, server);
    }

    /// The configuration in effect; `None` while JetStream is off.
    pub fn jetstream_config(&self) -> Option<JetStreamConfig> {
        self.inner().jetstream.config()
    }

    /// The store directory in effect, `jetstream` included; empty while JetStream is off.
    pub fn store_dir(&self) -> String {
        self.inner().jetstream.store_dir()
    }

    /// Accounts that have JetStream on this server.
    pub fn jetstream_num_accounts(&self) -> usize {
        self.inner().jetstream.num_accounts()
    }

    /// Registers an account that no configuration names, so that JetStream can be enabled for it
    /// here. Clients do not find it, and reloads do not know of it.
    ///
    /// Wire source: `RegisterAccount` in `server/server.go`, as far as JetStream is concerned.
    pub fn register_account(&self, account: &Arc<Account>) {
        self.inner().jetstream.register(account);
    }

    /// Bytes that streams have reserved by `max_bytes`, in memory and on disk.
    ///
    /// # Errors
    /// 10039 while JetStream is off; the reference's -1, -1 stand beside that error.
    pub fn jetstream_reserved_resources(&self) -> Result<(i64, i64), ApiError> {
        self.inner().jetstream.reserved_resources()
    }

    /// The published engine.
    pub fn jetstream_engine(&self) -> Option<Arc<Engine>> {
        self.inner().jetstream.engine()
    }

    /// Whether JetStream runs alone: neither in a cluster nor extending another's domain.
    pub fn jetstream_is_standalone(&self) -> bool {
        self.inner().jetstream.is_standalone()
    }

    /// Most bytes on the way to servers that catch up; `None` while JetStream is off.
    pub fn max_catchup_bytes(&self) -> Option<i64> {
        self.inner().jetstream.max_catchup()
    }

    /// Sets what starts JetStream's part of a cluster, from the next enabling on.
    pub fn set_clustering(&self, clustering: Option<Arc<dyn Clustering>>) {
        self.inner().jetstream.set_clustering(clustering);
    }

    /// There is no space left for a stream, or in general: switches JetStream off in the
    /// background and tells the system account.
    pub fn handle_out_of_space(&self, stream: Option<(&str, Storage)>) {
        self.inner().jetstream.handle_out_of_space(stream);
    }

    /// The server's own limits of this kind are reached: says so, not more than every 10 seconds.
    pub fn resources_exceeded_error(&self, kind: Storage) {
        self.inner().jetstream.resources_exceeded(kind);
    }

    /// The file system refuses writes: switches JetStream off in the background.
    pub fn handle_write_permission_error(&self) {
        self.inner().jetstream.handle_write_permission_error();
    }
}
