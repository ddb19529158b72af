//! A large fleet on this machine: real daemons among simulated hosts on a real cluster of NATS
//! servers, what it costs, and how soon everybody knows everything.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use lobby_bench::clock;
use lobby_bench::large::cluster::Cluster;
use lobby_bench::large::crowd::{self, Plan};
use lobby_bench::large::measure::measure;
use lobby_bench::large::report::{self, STRETCHED};
use lobby_bench::machine::Machine;
use lobby_bench::report::page;

/// Measures what a large fleet costs.
#[derive(Parser)]
struct Arguments {
    /// Sizes of the fleet, comma separated
    #[arg(long, value_delimiter = ',', default_value = "1000,3000,10000", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    hosts: Vec<u32>,
    /// The daemon to measure, a release build [default: the lobbyd beside this program]
    #[arg(long)]
    lobbyd: Option<PathBuf>,
    /// Where results and logs go
    #[arg(long, default_value = "target/fleet")]
    output: PathBuf,
    /// Put the table into BENCHMARKS.md of this directory, and the picture into its docs/fleet.svg
    #[arg(long)]
    write: Option<PathBuf>,
    #[command(subcommand)]
    child: Option<Child>,
}

/// What this program does as a child of itself.
#[derive(Subcommand)]
enum Child {
    /// Be the simulated hosts
    #[command(hide = true)]
    Crowd(Plan),
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With standard error gone there is nobody left to tell.
            writeln!(std::io::stderr(), "error: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(Child::Crowd(plan)) = &arguments.child {
        return crowd::live(plan);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            ended = fleets(arguments) => ended,
            // Brokers and daemons end with the values that hold them.
            _ = terminate.recv() => bail!("ended by a signal"),
            interrupted = tokio::signal::ctrl_c() => { interrupted?; bail!("ended by a signal") }
        }
    })
}

async fn fleets(arguments: &Arguments) -> Result<()> {
    let (machine, begin) = (Machine::look(), clock::now());
    fs::create_dir_all(&arguments.output)?;
    let program = program(arguments.lobbyd.as_deref())?;
    let cluster = Cluster::start().await;
    let (mut all, mut failures) = (Vec::new(), Vec::new());
    for hosts in &arguments.hosts {
        for rate in [STRETCHED, 0] {
            writeln!(std::io::stderr(), "{hosts} hosts, MAX_PACKET_RATE={rate} …")?;
            let hosts = usize::try_from(*hosts)?;
            match measure(&program, &arguments.output, &cluster, hosts, rate).await {
                Ok(figures) => all.push(figures),
                Err(error) => failures.push(format!("{hosts} hosts, {rate}: {error:#}")),
            }
        }
    }
    report::save(&all, &arguments.output)?;
    let text = report::text(&machine, &all, &failures, begin.elapsed().as_secs());
    writeln!(std::io::stdout(), "{text}")?;
    ensure!(failures.is_empty(), "not everything could be measured");
    arguments.write.as_deref().map_or(Ok(()), |root| {
        let shown = format!("{text}\n![packets a second over hosts](docs/fleet.svg)");
        page::write_into(&root.join("BENCHMARKS.md"), "make fleet", &shown)?;
        report::plot(&all, &root.join("docs/fleet.svg"))
    })
}

fn program(given: Option<&Path>) -> Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("lobbyd");
    let program = given.map_or(beside, Path::to_owned);
    program
        .canonicalize()
        .with_context(|| format!("{} is not there: build it first", program.display()))
}
