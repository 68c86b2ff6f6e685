//! `jetcore store …`: looking at and repairing a store directory, for the person on call.

mod args;
mod json;
mod text;
mod usage;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use env::{Disk, OsDisk};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use store::{
    FileStoreOptions, StreamPlace, StreamReport, block_bytes, find_streams, inspect_stream,
    mend_stream,
};

use args::{Action, Request};
use usage::InUse;

/// The first word of the command line that asks for this.
pub(crate) const WORD: &str = "store";
/// Something is damaged, or could not be repaired.
const DAMAGE: u8 = 1;
/// The command line is wrong, or the directory cannot be looked at.
const USAGE: u8 = 2;

/// Does what the words after `store` ask for.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let request = match args::parse(args) {
        Ok(Some(request)) => request,
        Ok(None) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n\n{}", args::HELP);
            return ExitCode::from(USAGE);
        }
    };
    let mut out = io::stdout().lock();
    match perform(&request, &mut out) {
        Ok(Outcome::Sound) => ExitCode::SUCCESS,
        Ok(Outcome::Damage) => ExitCode::from(DAMAGE),
        // Whoever reads the output has enough of it.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::from(USAGE)
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(USAGE)
        }
    }
}

/// What a command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Sound,
    Damage,
}

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{dir}: {error}")]
    Directory { dir: String, error: io::Error },
    #[error("writing the output: {0}")]
    Output(#[from] io::Error),
    #[error("{0}")]
    InUse(#[from] InUse),
}

fn perform(request: &Request, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let failed = |error| Failure::Directory { dir: request.dir.display().to_string(), error };
    let places = find_streams(&*disk, &request.dir).map_err(failed)?;
    match request.action {
        Action::Verify => {
            let reports = look_at(&*disk, &places);
            if request.json {
                json::write(out, &reports)?;
            } else {
                text::verify(out, &reports)?;
            }
            Ok(outcome(&reports))
        }
        Action::Inspect => {
            let reports = look_at(&*disk, &places);
            if request.json {
                json::write(out, &reports)?;
            } else {
                text::inspect(out, &reports)?;
            }
            Ok(outcome(&reports))
        }
        Action::Repair => repair(&disk, &places, out),
    }
}

/// A stream with what was found, or why it could not be looked at.
type Looked = (StreamPlace, Result<StreamReport, io::Error>);

fn outcome(reports: &[Looked]) -> Outcome {
    let sound = |(_, report): &Looked| report.as_ref().is_ok_and(StreamReport::is_sound);
    if reports.iter().all(sound) { Outcome::Sound } else { Outcome::Damage }
}

fn look_at(disk: &dyn Disk, places: &[StreamPlace]) -> Vec<Looked> {
    let bar = progress(disk, places);
    let mut reports = Vec::with_capacity(places.len());
    for place in places {
        bar.set_message(place.name.clone());
        let report = inspect_stream(disk, place, &mut |bytes| bar.inc(bytes));
        reports.push((place.clone(), report));
    }
    bar.finish_and_clear();
    reports
}

/// A bar on a terminal; nothing elsewhere.
fn progress(disk: &dyn Disk, places: &[StreamPlace]) -> ProgressBar {
    let total = places.iter().map(|place| block_bytes(disk, place).unwrap_or(0)).sum();
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta} {msg}");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn repair(
    disk: &Arc<dyn Disk>,
    places: &[StreamPlace],
    out: &mut dyn Write,
) -> Result<Outcome, Failure> {
    let _held = usage::hold(places)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mark = now.as_secs().to_string();
    let mut outcome = Outcome::Sound;
    for place in places {
        let mended = mend_stream(disk, place, &mark, FileStoreOptions::default());
        if !mended.as_ref().is_ok_and(|mended| mended.after.is_sound()) {
            outcome = Outcome::Damage;
        }
        text::repair(out, place, &mended)?;
    }
    Ok(outcome)
}
