//! The table of results.

use super::meter::Sample;
use super::{Measured, Side};
use crate::table::{self, Align, thousands};

const HEAD: &[(&str, Align)] = &[
    ("row", Align::Left),
    ("server", Align::Left),
    ("messages/s", Align::Right),
    ("CPU us/msg", Align::Right),
    ("load us/msg", Align::Right),
    ("p50 us", Align::Right),
    ("p99 us", Align::Right),
    ("jetcore rate", Align::Right),
    ("jetcore CPU", Align::Right),
];

/// Lays the results out. The last two columns say by how much jetcore's rate is higher and its
/// CPU per message lower than that line's: above 1 it is ahead.
pub(crate) fn table(measured: &[Measured]) -> String {
    let mut rows = Vec::new();
    let mut errors = String::new();
    for it in measured {
        let mut cells = vec![it.row.title.to_owned(), it.server.clone()];
        match &it.result {
            Ok(sample) => {
                cells.extend(figures(sample));
                let own = measured
                    .iter()
                    .find(|own| own.side == Side::Own && own.row.name == it.row.name);
                let own = own.and_then(|own| own.result.as_ref().ok());
                if let Some(own) = own.filter(|_| it.side == Side::Reference) {
                    cells.push(format!("{:.2} x", own.per_second() / sample.per_second()));
                    cells.push(format!("{:.2} x", sample.server_us() / own.server_us()));
                }
            }
            Err(err) => {
                cells.push("failed".to_owned());
                errors.push_str(&format!("{}, {}: {err}\n", it.row.title, it.server));
            }
        }
        rows.push(cells);
    }
    let legend = "CPU: of the server, user and system; load: of the generator; the last columns: \
                  how far jetcore is ahead of that line.\n";
    table::render(HEAD, &rows) + legend + &errors
}

fn figures(sample: &Sample) -> Vec<String> {
    let latency = |pick: fn((f64, f64)) -> f64| {
        sample.latency_us.map_or(String::new(), |both| format!("{:.0}", pick(both)))
    };
    vec![
        thousands(sample.per_second() as u64),
        format!("{:.3}", sample.server_us()),
        format!("{:.3}", sample.own_us()),
        latency(|both| both.0),
        latency(|both| both.1),
    ]
}
