//! bench
use std::process::ExitCode;
pub(crate) fn main(_args: Vec<String>) -> ExitCode {
    ExitCode::SUCCESS
}
