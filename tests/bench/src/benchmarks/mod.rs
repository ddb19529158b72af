//! The measurements, by the names under which they can be chosen.

mod burst;
mod compare;
mod echo;
mod finding;
mod following;
mod intake;
mod leases;
mod meeting;
mod memory;
mod names;
mod reading;
mod rest;
mod size;
mod spreading;
mod starting;
mod strain;
mod tls;

use anyhow::Result;
use futures_util::future::LocalBoxFuture;

use crate::environment::Environment;
use crate::figures::Row;

/// Something to measure.
pub struct Measurement {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Measures it.
    pub run: for<'a> fn(&'a mut Environment) -> LocalBoxFuture<'a, Result<Vec<Row>>>,
}

macro_rules! measurements {
    ($($name:literal: $run:path,)+) => {
        /// All measurements, in the order of the table.
        pub const ALL: &[Measurement] = &[$(Measurement { name: $name, run: |environment| Box::pin($run(environment)) }),+];
    };
}

measurements! {
    "discoveries": reading::discoveries,
    "busy": reading::discoveries_while_busy,
    "resolve": finding::resolve,
    "labels": finding::labels,
    "prefixes": finding::prefixes,
    "selector": finding::selector,
    "prometheus": reading::prometheus,
    "unchanged": reading::unchanged,
    "churn": reading::under_churn,
    "gzip": reading::gzip,
    "dns": names::names,
    "metrics": tls::metrics,
    "tls": tls::tls,
    "keepalives": intake::keep_alives,
    "signed": intake::signed_keep_alives,
    "changes": intake::changes,
    "size": size::size,
    "memory": memory::memory,
    "strain": strain::strain,
    "stuck": strain::clients_that_do_not_read,
    "rest": rest::at_rest,
    "leases": leases::renewals,
    "spreading": spreading::spreading,
    "following": following::following,
    "returning": following::returning,
    "start": starting::starting,
    "meeting": meeting::meeting,
}
