//! What JetStream asks of a cluster, and whether this server may extend another's domain.

use std::sync::Arc;

use account::ClusterLink;
use config_validate::options::LeafRemote;
use js_engine::{Assignment, Assignments};

/// Starts the part of a cluster that JetStream needs.
pub trait Clustering: Send + Sync {
    /// Starts the meta group; accounts are recovered by then. Blocks.
    ///
    /// # Errors
    /// In words for the log.
    fn start(&self) -> Result<Arc<dyn MetaGroup>, String>;

    /// How the usage of accounts reaches the other servers.
    fn link(&self) -> ClusterLink;
}

/// The raft group of all JetStream servers, as seen from this one.
pub trait MetaGroup: Send + Sync {
    /// Whether this server leads it.
    fn is_leader(&self) -> bool;

    /// Lets somebody else lead; nothing on a server that does not. Must not block.
    fn step_down(&self);

    /// Whether this server's copy of the group's state is current.
    fn is_current(&self) -> bool;

    /// Leaves the group for good and deletes its state.
    fn delete(&self);

    /// Stops all groups that still run on this server.
    fn stop_groups(&self);

    /// The streams of an account that are assigned to servers of the cluster. Must not block.
    fn assigned(&self, account: &str) -> Vec<Assignment>;

    /// Whether streams of the cluster's other servers come here by gateways, which are told that
    /// this account wants but what it subscribes to.
    fn interest_only(&self, account: &str);
}

/// The meta group as the engine knows it.
pub(super) struct AssignedByGroup(pub(super) Arc<dyn MetaGroup>);

impl Assignments for AssignedByGroup {
    fn of_account(&self, account: &str) -> Vec<Assignment> {
        self.0.assigned(account)
    }
}

/// System messages of raft groups.
const RAFT_SUBJECTS: &str = "$NRG.>";

/// Whether this server may extend another domain over a leaf node: the first remote of the system
/// account decides, and it may unless it keeps messages of raft groups out. What it denies must
/// be within these subjects; `>` is not, and does not count.
///
/// Wire source: `canExtendOtherDomain` in `server/jetstream.go`.
pub(crate) fn can_extend_other_domain(remotes: &[LeafRemote], system: Option<&str>) -> bool {
    mark::hit!(F1374);
    let Some(system) = system else { return false };
    let Some(remote) = remotes.iter().find(|remote| remote.local_account == system) else {
        return false;
    };
    !remote
        .deny_imports
        .iter()
        .any(|denied| subject::is_subset(denied.as_bytes(), RAFT_SUBJECTS.as_bytes()))
}
