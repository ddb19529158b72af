//! The table and the picture of large fleets.

use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::measure::{DAEMONS, Figures};
use crate::figures::{Unit, grouped};
use crate::machine::Machine;
use crate::report::table::aligned;

const FONT: &str = "sans-serif";

/// The rate at which intervals stretch by default.
pub const STRETCHED: u32 = 200;

/// The size that most goals are about.
const LARGE: usize = 10_000;

/// What is shown of each fleet: its name, its figure, and its goal.
type Line = (&'static str, fn(&Figures) -> Option<(f64, String)>, fn(&Figures) -> Option<f64>);

const LINES: [Line; 10] = [
    ("packets to each subscriber", |f| shown(f.packets, Unit::Rate), |f| of_large(f, 220.0)),
    (
        "bytes to each subscriber",
        |f| Some((f.bytes, format!("{} kB/s", grouped(f.bytes / 1e3)))),
        none,
    ),
    (
        "processor time of a daemon, of one core",
        |f| shown(f.cpu, Unit::Percent),
        |f| of_large(f, 0.5),
    ),
    ("memory of a daemon", |f| shown(f.memory / 1e6, Unit::Megabytes), none),
    ("label → everywhere", |f| shown(f.label, Unit::Milliseconds), |f| Some(f.hop + 20.0)),
    ("start → knows everybody", |f| shown(f.join, Unit::Milliseconds), joins),
    (
        "the same, without sync",
        |f| shown(f.greeted?, Unit::Milliseconds),
        |f| of_thousand(f, 3000.0),
    ),
    ("kill -9 → gone", |f| shown(f.crash, Unit::Milliseconds), |_| Some(4000.0)),
    (
        "processor time of the three brokers, of one core",
        |f| shown(f.broker_cpu, Unit::Percent),
        none,
    ),
    ("the same for each packet delivered", |f| shown(f.delivery, Unit::Microseconds), none),
];

fn shown(value: f64, unit: Unit) -> Option<(f64, String)> {
    Some((value, unit.show(value)))
}

fn none(_: &Figures) -> Option<f64> {
    None
}

fn of_large(figures: &Figures, goal: f64) -> Option<f64> {
    (figures.hosts == LARGE && figures.rate == STRETCHED).then_some(goal)
}

fn of_thousand(figures: &Figures, goal: f64) -> Option<f64> {
    (figures.hosts == 1_000).then_some(goal)
}

fn joins(figures: &Figures) -> Option<f64> {
    of_large(figures, 1000.0).or_else(|| of_thousand(figures, 3000.0))
}

/// The table and what it was measured on, for a terminal and for a Markdown page.
pub fn text(machine: &Machine, all: &[Figures], failures: &[String], seconds: u64) -> String {
    let Machine { processor, cores, kernel, brokers, load, .. } = machine;
    let broker = brokers.first().map_or("", String::as_str);
    let headings = ["what", "hosts", "MAX_PACKET_RATE", "measured", "goal", "met"];
    let mut lines = vec![headings.map(str::to_owned), headings.map(|_| String::new())];
    for (what, figure, goal) in LINES {
        lines.extend(all.iter().filter_map(|figures| {
            let (value, shown) = figure(figures)?;
            Some(cells(what, figures, value, &shown, goal(figures)))
        }));
    }
    let failures: String = failures.iter().map(|failure| format!("\nFAILED {failure}\n")).collect();
    format!(
        "Measured on {cores} cores of {processor}, Linux {kernel}, three of {broker}, {DAEMONS} daemons among the simulated hosts; load \
         average before the run: {load}; the run took {seconds} s.\n\n{}{failures}",
        aligned(&lines)
    )
}

fn cells(what: &str, figures: &Figures, value: f64, shown: &str, goal: Option<f64>) -> [String; 6] {
    let unit = shown.split(' ').nth(1).unwrap_or_default();
    let met = goal.map(|goal| if value <= goal { "yes" } else { "**no**" });
    [
        what.to_owned(),
        grouped(figures.hosts as f64),
        figures.rate.to_string(),
        shown.to_owned(),
        goal.map(|goal| format!("≤ {} {unit}", rounded(goal))).unwrap_or_default(),
        met.unwrap_or_default().to_owned(),
    ]
}

fn rounded(goal: f64) -> String {
    if goal.fract() == 0.0 { grouped(goal) } else { format!("{goal:.1}") }
}

/// Packets a second at each subscriber over hosts, with and without stretched intervals.
///
/// # Errors
/// When the file cannot be written.
pub fn plot(all: &[Figures], path: &Path) -> Result<()> {
    let area = SVGBackend::new(path, (800, 480)).into_drawing_area();
    area.fill(&WHITE).map_err(undrawn)?;
    let most = all.iter().map(|figures| figures.packets).fold(100.0, f64::max);
    let hosts = all.iter().map(|figures| figures.hosts as f64);
    let (least, greatest) = hosts.fold((1e9, 0.0), |(a, b), c| (f64::min(a, c), f64::max(b, c)));
    let mut chart = ChartBuilder::on(&area)
        .caption("packets a second at each subscriber", (FONT, 18))
        .margin(20)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (least * 0.8..greatest * 1.25).log_scale(),
            (10.0..most * 2.0).log_scale(),
        )
        .map_err(undrawn)?;
    chart.configure_mesh().x_desc("hosts").draw().map_err(undrawn)?;
    for (number, (rate, name)) in
        [(STRETCHED, "MAX_PACKET_RATE=200"), (0, "MAX_PACKET_RATE=0")].into_iter().enumerate()
    {
        let colour = Palette99::pick(number).to_rgba();
        let of_rate = all.iter().filter(|figures| figures.rate == rate);
        let points: Vec<_> =
            of_rate.map(|figures| (figures.hosts as f64, figures.packets)).collect();
        let line = LineSeries::new(points, colour.stroke_width(2)).point_size(4);
        let drawn = chart.draw_series(line).map_err(undrawn)?;
        drawn
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    let labels = chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .border_style(BLACK)
        .draw();
    labels.map_err(undrawn)?;
    area.present().map_err(undrawn)
}

/// Writes `fleet.json` and `fleet.svg` into a directory.
///
/// # Errors
/// When a file cannot be written.
pub fn save(all: &[Figures], directory: &Path) -> Result<()> {
    fs::write(directory.join("fleet.json"), serde_json::to_vec_pretty(all)?)?;
    plot(all, &directory.join("fleet.svg"))
}

fn undrawn(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(hosts: usize, packets: f64) -> Figures {
        Figures {
            hosts,
            rate: STRETCHED,
            packets,
            bytes: 120_000.0,
            cpu: 0.4,
            memory: 2e7,
            broker_cpu: 3.0,
            broker_memory: 3e7,
            delivery: 2.0,
            hop: 0.5,
            label: 3.0,
            join: 300.0,
            greeted: None,
            crash: 3020.0,
        }
    }

    fn row(all: &[Figures], what: &str) -> String {
        let table = text(&Machine::look(), all, &[], 1);
        let row = table.lines().find(|line| line.contains(what)).unwrap_or_default();
        row.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_figure_stands_beside_its_goal_and_a_miss_is_told() {
        let expected = "| packets to each subscriber | 10,000 | 200 | 210 /s | ≤ 220 /s | yes |";
        assert_eq!(row(&[figures(10_000, 210.0)], "packets to each"), expected);
        let missed = "| packets to each subscriber | 10,000 | 200 | 221 /s | ≤ 220 /s | **no** |";
        assert_eq!(row(&[figures(10_000, 221.0)], "packets to each"), missed);
        let label = "| label → everywhere | 3,000 | 200 | 3.00 ms | ≤ 20.5 ms | yes |";
        assert_eq!(row(&[figures(3_000, 200.0)], "label"), label);
    }

    #[test]
    fn what_was_not_measured_has_no_row() {
        assert_eq!(row(&[figures(3_000, 200.0)], "without sync"), "");
    }

    #[test]
    fn a_picture_is_drawn_of_one_size_too() {
        let directory = tempfile::tempdir().unwrap();
        save(&[figures(1_000, 200.0)], directory.path()).unwrap();
        let picture = fs::read_to_string(directory.path().join("fleet.svg")).unwrap();
        assert!(picture.contains("MAX_PACKET_RATE=200"));
    }
}
