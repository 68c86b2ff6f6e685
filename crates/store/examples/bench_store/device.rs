//! What the disk itself does: writes with a sync after each.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::measure::{Outcome, Watch, thousands};
use crate::options::Options;

/// Bytes of one write, about a stored message of 128 bytes.
const WRITE: usize = 168;

pub(crate) fn run(options: &Options, base: &Path) -> Outcome<()> {
    println!("the disk itself                        syncs/s   each");
    for (what, room) in
        [("write at the end + fdatasync", 0), ("write within the file + fdatasync", 4 << 20)]
    {
        let path = base.join("device");
        let file = File::create(&path)?;
        file.write_all_at(&vec![0; room], 0)?;
        file.sync_all()?;
        let watch = Watch::start();
        let mut count = 0;
        while watch.stop().wall < options.length {
            file.write_all_at(&[b'x'; WRITE], (count as usize * WRITE) as u64)?;
            file.sync_data()?;
            count += 1;
        }
        let spent = watch.stop();
        println!(
            "  {what:34} {:>9}   {:.1} us",
            thousands(spent.per_second(count)),
            1e6 / spent.per_second(count)
        );
        std::fs::remove_file(&path)?;
    }
    Ok(())
}
