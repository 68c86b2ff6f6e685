//! Accounts: the tenants of a server, their users, and what these may do.
//!
//! What it does: builds the registry of accounts from the options ([`Accounts::from_options`]),
//! checks credentials ([`Accounts::authenticate`]), of tokens too ([`Trust`]), answers what a user may publish and
//! subscribe to ([`Permissions`], [`ReplyPermissions`]), and puts imports and mappings to work
//! ([`Accounts::apply`]).
//!
//! State it owns: each account's subject space, its connection count and traffic counters, and
//! its JetStream enrolment ([`Account::enable_jetstream`]) with the server it belongs to
//! ([`JetStreamHost`]).
//!
//! What it must not know: sockets, frames, sessions, monitoring.
//!
//! Wire sources: `server/accounts.go`, `server/auth.go`, and the permission checks of
//! `server/client.go`.

mod account;
mod accounts;
mod elsewhere;
mod exchange;
mod jetstream;
mod operator;
mod passwords;
mod permissions;
mod replies;
mod rules;
mod users;

#[cfg(test)]
mod tests;

pub use account::{Account, AccountStats, InvalidExport, Membership, TooManyConnections};
pub use accounts::Accounts;
pub use elsewhere::RemoteConnections;
pub use jetstream::{
    API_EXPORT, AccountResolver, ClusterLink, EnrolError, JetStreamApi, JetStreamHost, TierLimits,
    default_tiers,
};
pub use operator::{
    Claimed, ClaimedOptions, ClaimedUser, Ending, Expiring, Standing, Trust, now_unix_s,
};
pub use permissions::{Permissions, Subscribing};
pub use replies::ReplyPermissions;
pub use users::{AuthError, Credentials, User, UserSession};
