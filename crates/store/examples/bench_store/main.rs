//! What the store costs, beside what the disk can do: appends, reads, recovery, memory, searches,
//! consumers. `cargo xtask bench store` builds it optimised and runs it; numbers are for people,
//! nothing is asserted.

mod appends;
mod consumers;
mod device;
mod measure;
mod options;
mod recovery;
mod searches;
mod setup;

use std::process::ExitCode;

use measure::Outcome;
use options::{Options, Part};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match recovery::child(&args) {
        Some(done) => done,
        None => Options::parse(args).map_err(Into::into).and_then(|options| run(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench store: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures one part, with files below a directory.
type Run = fn(&Options, &std::path::Path) -> Outcome<()>;

fn run(options: &Options) -> Outcome<()> {
    let base = options.dir.join(format!("bench-store-{}", std::process::id()));
    std::fs::create_dir_all(&base)?;
    let parts: [(Part, Run); 5] = [
        (Part::Device, device::run),
        (Part::Appends, appends::run),
        (Part::Recovery, recovery::run),
        (Part::Searches, searches::run),
        (Part::Consumers, consumers::run),
    ];
    let mut done = Ok(());
    for (part, run) in parts {
        if options.wants(part) && done.is_ok() {
            done = run(options, &base);
            println!();
        }
    }
    // What a failed run leaves is only disk space, in a folder named after it.
    drop(std::fs::remove_dir_all(&base));
    done
}
