//! What JetStream does when the disk is full, refuses writes, or the server's resources are used up.

use std::sync::Arc;

use env::{Clock, OsClock};
use routing::{Msg, RouteBatch};
use serde::Serialize;
use types::{Storage, Timestamp};

use super::Control;

/// Where the server says that it is out of space (`JSAdvisoryServerOutOfStorage`).
const OUT_OF_STORAGE: &str = "$JS.EVENT.ADVISORY.SERVER.OUT_OF_STORAGE";
/// Least time between two reports of used up resources, nanoseconds.
const REPORT_GAP_NS: u64 = 10_000_000_000;

/// The server switches JetStream off, being out of space (`JSServerOutOfSpaceAdvisory`).
#[derive(Serialize)]
struct OutOfSpace<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    timestamp: Timestamp,
    server: &'a str,
    server_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    stream: &'a str,
    cluster: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    domain: &'a str,
}

impl Control {
    /// Whether somebody handles a full disk already; from now on somebody does, as long as this
    /// engine is there. False without one.
    ///
    /// Wire source: `jetStreamOOSPending` in `server/jetstream.go`.
    pub(super) fn out_of_space_pending(&self) -> bool {
        mark::hit!(F1379);
        self.engine().is_some_and(|engine| engine.test_and_set_out_of_space())
    }

    /// Says that the engine is off, before anything of it stops. There is no way back for it.
    ///
    /// Wire source: `setJetStreamDisabled` in `server/jetstream.go`.
    pub(super) fn set_jetstream_disabled(&self) {
        mark::hit!(F1380);
        if let Some(engine) = self.engine() {
            engine.set_disabled();
        }
    }

    /// Switches JetStream off in the background, for there is no space; the first caller does.
    /// The system account is told. Does not wait.
    ///
    /// Wire source: `handleOutOfSpace` in `server/jetstream.go`.
    pub(crate) fn handle_out_of_space(self: &Arc<Self>, stream: Option<(&str, Storage)>) {
        if !self.is_enabled() || self.out_of_space_pending() {
            return;
        }
        mark::hit!(F1381);
        match stream {
            Some((_, Storage::File)) => {
                tracing::error!("JetStream out of File resources, will be DISABLED");
            }
            Some((_, Storage::Memory)) => {
                tracing::error!("JetStream out of Memory resources, will be DISABLED");
            }
            None => tracing::error!("JetStream out of resources, will be DISABLED"),
        }
        self.disable_in_background();
        self.tell_out_of_space(stream.map(|(name, _)| name).unwrap_or_default());
    }

    fn disable_in_background(self: &Arc<Self>) {
        let control = Arc::clone(self);
        self.runtime.spawn(async move { control.disable().await });
    }

    fn tell_out_of_space(&self, stream: &str) {
        let Some(system) = self.host.system() else { return };
        if !system.space().has_interest(OUT_OF_STORAGE.as_bytes()) {
            return;
        }
        let (info, options) = (self.ctx.info.load(), self.options.load());
        let advisory = OutOfSpace {
            kind: "io.nats.jetstream.advisory.v1.server_out_of_space",
            id: self.ids.next_id(),
            timestamp: Timestamp::from_unix_ns(OsClock.wall_ns()),
            server: &info.server_name,
            server_id: &info.server_id,
            stream,
            cluster: options.cluster.name.as_deref().unwrap_or_default(),
            domain: options.jetstream.domain.as_deref().unwrap_or_default(),
        };
        let Ok(json) = serde_json::to_vec(&advisory) else { return };
        let msg =
            Msg { subject: OUT_OF_STORAGE.as_bytes(), reply: b"", headers: b"", payload: &json };
        let mut route = RouteBatch::new();
        route.publish(system.space(), &msg, 0);
        route.finish();
    }

    /// Says in the log that the server has no more of this kind, at most once in ten seconds for
    /// both kinds together; then a meta leader lets another one lead.
    ///
    /// Wire source: `resourcesExceededError` in `server/jetstream.go`.
    pub(crate) fn resources_exceeded(&self, kind: Storage) {
        self.resources_exceeded_at(kind, OsClock.mono_ns());
    }

    pub(super) fn resources_exceeded_at(&self, kind: Storage, now_ns: u64) {
        {
            let mut last = self.exceeded_at.lock();
            if last.is_some_and(|last| now_ns.saturating_sub(last) <= REPORT_GAP_NS) {
                return;
            }
            *last = Some(now_ns);
        }
        mark::hit!(F1448);
        let kind = match kind {
            Storage::Memory => "memory",
            Storage::File => "file",
        };
        tracing::error!("JetStream {kind} resource limits exceeded for server");
        if self.engine().is_some()
            && let Some(meta) = &*self.meta.read()
        {
            meta.step_down();
        }
    }

    /// Switches JetStream off in the background, for the file system refuses writes. Does not
    /// wait.
    ///
    /// Wire source: `handleWritePermissionError` in `server/jetstream.go`.
    pub(crate) fn handle_write_permission_error(self: &Arc<Self>) {
        if !self.is_enabled() {
            return;
        }
        mark::hit!(F1451);
        tracing::error!("File system permission denied while writing, disabling JetStream");
        self.disable_in_background();
    }
}
