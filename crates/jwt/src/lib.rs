//! The tokens of operator mode: who signed what, and what follows from it.
//!
//! What it does: decodes operator, account, user and activation claims and verifies their
//! signatures ([`OperatorClaims::decode`] and its like), checks what they say
//! ([`AccountClaims::check`]), and decides whether a user of an account may connect
//! ([`TrustedKeys::admit`]).
//!
//! State it owns: none. Time and addresses are passed in.
//!
//! What it must not know: options, accounts that run, connections, where tokens are kept.
//!
//! Wire sources: the second version of the `jwt` library of nats-server, whose first version is
//! still read; `processClientOrLeafAuthentication` in `server/auth.go`; `server/jwt.go`.

mod account;
mod activation;
mod admission;
mod common;
mod decorated;
mod exchange;
mod issues;
mod keys;
mod operator;
mod permissions;
mod subjects;
mod template;
mod times;
mod token;
mod user;

#[cfg(test)]
mod tests;

pub use account::{
    AccountClaims, AccountClaimsError, JetStreamLimits, MappingTarget, OperatorLimits, Trace,
};
pub use activation::ActivationClaims;
pub use admission::{Admission, Refusal, TrustedKeys};
pub use common::{Common, UnixSeconds};
pub use decorated::undecorated;
pub use exchange::{Export, ExportKind, Import, Latency};
pub use issues::Issues;
pub use keys::{SigningKeys, UserScope, is_key, verify_nonce};
pub use operator::OperatorClaims;
pub use permissions::{Permission, Permissions, ResponsePermission};
pub use token::{DecodeError, GenericClaims, Kind, encode};
pub use user::{TimeRange, UserClaims, UserLimits};
