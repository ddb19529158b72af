//! Benchmarks of lobby: each figure is measured beside the limit that the machine sets it, by turns
//! in one run.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use lobby_bench::benchmarks::{self, Measurement};
use lobby_bench::environment::Environment;
use lobby_bench::machine::Machine;
use lobby_bench::report::{Report, page};
use lobby_bench::{baseline, clock, counter, dns, readers, tls};

/// Measures lobbyd against what the machine allows.
#[derive(Parser)]
struct Arguments {
    /// Measure only these, comma separated
    #[arg(long, value_delimiter = ',', value_parser = benchmarks::ALL.iter().map(|row| row.name).collect::<Vec<_>>())]
    rows: Vec<String>,
    /// The daemon to measure, a release build [default: the lobbyd beside this program]
    #[arg(long)]
    lobbyd: Option<PathBuf>,
    /// Where results and logs go
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
    /// Put the table into this page, between its marks; only all rows together
    #[arg(long, conflicts_with = "rows")]
    write: Option<PathBuf>,
    #[command(subcommand)]
    child: Option<Child>,
}

/// What this program does as a child of itself.
#[derive(Subcommand)]
enum Child {
    /// Be the bare HTTP server
    #[command(hide = true)]
    Baseline { script: PathBuf, body: PathBuf },
    /// Be the bare DNS server
    #[command(hide = true)]
    PlainDns { answer: PathBuf },
    /// Be the bare TLS server
    #[command(hide = true)]
    Handshakes { certificate: PathBuf, key: PathBuf },
    /// Be the bare NATS subscriber
    #[command(hide = true)]
    Counter { url: String, subject: String },
    /// Be the bare program that writes to many
    #[command(hide = true)]
    Broadcast { bytes: PathBuf, connections: usize },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With standard error gone there is nobody left to tell.
            say(&format!("error: {error:#}")).ok();
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.child {
        Some(Child::Baseline { script, body }) => baseline::serve(script, body),
        Some(Child::PlainDns { answer }) => dns::plain::serve(answer),
        Some(Child::Handshakes { certificate, key }) => tls::serve(certificate, key),
        Some(Child::Counter { url, subject }) => counter::count(url, subject),
        Some(Child::Broadcast { bytes, connections }) => readers::broadcast(bytes, *connections),
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                tokio::select! {
                    ended = bench(arguments) => ended,
                    // Brokers and daemons end with the values that hold them, which an unheard
                    // signal would leave behind.
                    signal = ending_signal() => signal,
                }
            })
        }
    }
}

async fn bench(arguments: &Arguments) -> Result<()> {
    let (machine, begin) = (Machine::look(), clock::now());
    let mut environment = Environment::set(&program(arguments)?, &arguments.output).await?;
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for Measurement { name, run } in
        benchmarks::ALL.iter().filter(|row| is_chosen(arguments, row.name))
    {
        say(&format!("{name} …"))?;
        match run(&mut environment).await {
            Ok(more) => rows.extend(more),
            Err(error) => failures.push(format!("{name}: {error:#}")),
        }
    }
    let report = Report { machine, rows, failures, seconds: begin.elapsed().as_secs() };
    report.save(&arguments.output)?;
    writeln!(std::io::stdout(), "{}", report.text())?;
    if let Some(page) = &arguments.write {
        page::write_into(page, "make bench", &report.text())?;
    }
    ensure!(report.failures.is_empty(), "not everything could be measured");
    Ok(())
}

async fn ending_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    bail!("ended by a signal")
}

fn is_chosen(arguments: &Arguments, name: &str) -> bool {
    arguments.rows.is_empty() || arguments.rows.iter().any(|row| row == name)
}

fn program(arguments: &Arguments) -> Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("lobbyd");
    let program = arguments.lobbyd.clone().unwrap_or(beside);
    program
        .canonicalize()
        .with_context(|| format!("{} is not there: build it first", program.display()))
}

fn say(progress: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{progress}")?)
}
