//! Coverage marks: a test says which feature of the ledger it proves, and fails when that
//! feature was not reached.
//!
//! [`hit!`] stands in the feature's code, [`check!`] at the top of a test. State: a process-wide
//! list of marks that were reached, with counts. It must not know what the ids mean. In builds
//! without debug assertions both macros cost nothing and do nothing.
//!
//! Marks count for the whole process, because features run on the threads of shards and in the
//! tasks of servers. So a test beside others in one process may see a mark that another test
//! reached; the evidence gate therefore runs each test in a process of its own, with
//! [`VARIABLE`] naming the file into which the marks are written. A server that a test starts
//! as a child process gets a file too ([`record_child`]), and its marks are taken over when it is
//! gone ([`absorb`]).
//!
//! Entry points: [`hit!`], [`check!`], [`record_child`], [`absorb`].

mod guard;
mod record;

pub use guard::Guard;
pub use record::{Site, VARIABLE, absorb, record_child};

/// Says that the feature with this ledger id, as in `mark::hit!(F1434)`, was reached.
///
/// Stands once per id, in the function that is the feature, at the place whose being reached
/// proves that the feature was used. The first time it locks and may write to a file; after that
/// it is one atomic increment, and nothing at all without debug assertions.
#[macro_export]
macro_rules! hit {
    ($id:ident) => {
        if cfg!(debug_assertions) {
            static SITE: $crate::Site = $crate::Site::new(stringify!($id));
            SITE.hit();
        }
    };
}

/// Claims that the test in whose body it stands proves features: `mark::check!(F1434, F1435);`.
///
/// First statement of the test. When the test ends without a panic and one of the features was
/// not reached since, it fails and names it.
#[macro_export]
macro_rules! check {
    ($($id:ident),+ $(,)?) => {
        let _reaches = $crate::Guard::new(&[$(stringify!($id)),+]);
    };
}

#[cfg(test)]
mod tests;
