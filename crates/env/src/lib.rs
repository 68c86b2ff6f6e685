//! What the server takes from the machine: time, randomness and disk, as small traits.
//!
//! Does: defines [`Clock`], [`Rng`] and [`Disk`], with the operating system behind them
//! ([`OsClock`], [`OsRng`], [`OsDisk`]) and a disk in memory that crashes, fills up and fails on
//! request ([`SimDisk`]). Owns no state but that of the simulated disk. It must not know what is
//! stored, or who asks. Everything above takes these as `Arc<dyn …>`, so that a test decides what
//! time it is and when the disk is full.

mod clock;
mod disk;
mod os_disk;
mod rng;
mod sim_disk;

pub use clock::{Clock, ManualClock, OsClock};
pub use disk::{Disk, DiskFile, DiskSpace, EntryKind, FileInfo, ListEntry, OpenMode, is_no_space};
pub use os_disk::OsDisk;
pub use rng::{OsRng, Rng, SeededRng};
pub use sim_disk::{Crash, DiskOp, Fault, Incident, SimDisk};

#[cfg(test)]
mod tests;
