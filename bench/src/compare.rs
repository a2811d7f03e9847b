//! The comparison: every line of the table on every server, in turns, for several rounds.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::timeout;

use crate::lines::{Figure, Line, Scale};
use crate::servers::{Programs, Server};

/// How long one line may take on one server.
const LONGEST: Duration = Duration::from_mins(5);

/// All values of one figure, by line and name in the order of the table.
type Values = BTreeMap<(usize, usize), (Line, &'static str, BTreeMap<usize, Vec<f64>>)>;

/// Runs the lines and prints the table: medians, and Rookery's ratio to the best peer.
pub async fn run(programs: &Programs, lines: &[Line], rounds: u32, scale: Scale) -> Result<()> {
    let servers: Vec<Server> = Server::ALL
        .into_iter()
        .filter(|server| programs.has(*server))
        .collect();
    let mut values = Values::new();
    let mut failed = 0;
    for round in 1..=rounds {
        for (row, line) in lines.iter().enumerate() {
            for (column, server) in servers.iter().enumerate() {
                if !line.suits(*server) {
                    continue;
                }
                eprint!("{round}/{rounds} {}, {}:", line.name(), server.name());
                match measure(programs, *line, *server, scale).await {
                    Ok(figures) => {
                        for (index, figure) in figures.into_iter().enumerate() {
                            eprint!(" {} {}", rounded(figure.value), figure.name);
                            let (_, _, columns) = values
                                .entry((row, index))
                                .or_insert_with(|| (*line, figure.name, BTreeMap::new()));
                            columns.entry(column).or_default().push(figure.value);
                        }
                        eprintln!();
                    }
                    Err(error) => {
                        // A peer that cannot do it is a result, too.
                        eprintln!(" failed: {error:#}");
                        failed += u32::from(!server.is_peer());
                    }
                }
            }
        }
    }
    print_table(&servers, values);
    anyhow::ensure!(
        failed == 0,
        "{failed} measurements of Rookery failed; see above"
    );
    Ok(())
}

async fn measure(
    programs: &Programs,
    line: Line,
    server: Server,
    scale: Scale,
) -> Result<Vec<Figure>> {
    let running = programs.start(server)?;
    timeout(LONGEST, line.run(running.target(), scale))
        .await
        .context("it takes too long")?
        .with_context(|| format!("the server's last output: {}", running.output()))
}

fn print_table(servers: &[Server], values: Values) {
    let names: Vec<_> = servers.iter().map(|server| server.name()).collect();
    println!(
        "| line | figure | {} | off ÷ best peer | on ÷ best peer |",
        names.join(" | ")
    );
    println!("|---|---|{}---|---|", "---|".repeat(names.len()));
    for (line, figure, columns) in values.into_values() {
        let medians: BTreeMap<usize, f64> = columns
            .into_iter()
            .map(|(column, values)| (column, median(values)))
            .collect();
        let of = |wanted: Server| {
            let column = servers.iter().position(|server| *server == wanted)?;
            medians.get(&column).copied()
        };
        let best = servers
            .iter()
            .filter(|server| server.is_peer())
            .filter_map(|server| of(*server))
            .min_by(f64::total_cmp);
        let ratio = |server| match (of(server), best) {
            (Some(value), Some(best)) => format!("{:.2}", value / best),
            (None, _) | (_, None) => "–".to_owned(),
        };
        let cells: Vec<_> = (0..servers.len())
            .map(|column| {
                medians
                    .get(&column)
                    .map_or("–".to_owned(), |value| rounded(*value))
            })
            .collect();
        println!(
            "| {} | {figure} | {} | {} | {} |",
            line.name(),
            cells.join(" | "),
            ratio(Server::RookeryWithoutHistory),
            ratio(Server::Rookery),
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Three digits, or all before the point.
fn rounded(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}
