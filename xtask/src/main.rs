//! The project's own tool: `cargo xtask verify` is the gate, `cargo xtask bench` measures.

mod bench;
mod finding;
mod ledger;
mod process;
mod progress;
mod rules;
mod sim;
mod table;
mod verify;
mod workspace;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  verify            every gate: format, rule self-test, tidy, layers, mentions, ledger, clippy, build,
                    evidence, tests, docs
      --crate NAME      only that crate's share
      --only A,B        only the named gates
      --skip A,B        every gate but these
  promote IDS       makes entries of the ledger verified (15 at most) after running their evidence
      --dry-run         only says what is missing
      --back            makes them pending
      --defer --because TEXT  makes them deferred for that reason
      --refresh         without ids: paths and evidence anew, after code moved
  status [IDS]      the ledger as a table and as a page; with ids, what is known of these
      --open            opens the page
  bench             messages/s and server CPU per message beside nats-server (release build)
      --reference PATH  the nats-server to compare with (default: `nats-server` on PATH, if there)
      --no-reference    measure only jetcore
      --server PATH     a built jetcore (default: build it)
      --no-server       measure only the reference
      --rows A,B        only these rows (`--rows list` names them)
      --seconds N       length of one run (default 3)
      --runs N          alternating runs per row, the median counts (default 3)
      --dir PATH        where store directories go (default: the target directory)
  bench batch27     the tests of a batch that measure, at full size (release build)
      NAMES             and these tests
  bench store       the store alone: appends, recovery, memory, searches, consumers
      --messages N      messages of the large streams (default 1,000,000)
      --subjects N      subjects of the stream with many (default 1,000,000)
      --consumers N     consumers of one stream (default 10,000)
      --millis N        length of one append run (default 400)
      --only A,B        of device, appends, recovery, searches, consumers
      --dir PATH        where store directories go (default: the target directory)
  sim               the store on a simulated disk: model, crashes, failing calls, damage (release build)
      --ops N           operations against the model (default 100,000,000), and sessions to match
      --seconds N       as much of it as can be done in that time
      --seed N          first seed; a later run goes on from the one that was printed
      --canary          only whether each planted bug is found
      --replay WHAT     one finding again, as it was printed
  help              this text
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next();
    let rest: Vec<String> = args.collect();
    match command.as_deref() {
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Some("verify") => verify::main(rest),
        Some("promote") => ledger::promote(rest),
        Some("status") => ledger::status(rest),
        Some("bench") => bench::main(rest),
        Some("sim") => sim::main(&rest),
        Some(other) => {
            eprintln!("xtask: unknown command `{other}`\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests;
