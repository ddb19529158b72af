//! The table as pictures.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::figures::{Row, Unit};

const FONT: &str = "sans-serif";
const MET: RGBColor = RGBColor(0x2e, 0x8b, 0x57);
const MISSED: RGBColor = RGBColor(0xc0, 0x39, 0x2b);
/// A bar of this length, twice as good as the goal or better, fills the picture.
const FULL: f64 = 2.0;
const LEFT: i32 = 480;
const WIDTH: i32 = 1000;
const LINE: i32 = 22;
const TOP: i32 = 44;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A bar for each goal, and a line where it is just reached.
pub(super) fn goals(rows: &[Row], path: &Path) -> Result<()> {
    let rows: Vec<_> = rows.iter().filter(|row| row.goal.is_some()).collect();
    let bottom = TOP + LINE * i32::try_from(rows.len())?;
    let size = (u32::try_from(WIDTH)?, u32::try_from(bottom + 20)?);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE).map_err(undrawn)?;
    for (place, row) in (0..).zip(&rows) {
        bar(&area, TOP + LINE * place, row)?;
    }
    let goal = x_of(1.0);
    area.draw(&PathElement::new([(goal, TOP - 8), (goal, bottom)], BLACK)).map_err(undrawn)?;
    write(&area, "goal", (goal, TOP - 16), HPos::Center)?;
    area.present().map_err(undrawn)
}

fn bar(area: &Area<'_>, y: i32, row: &Row) -> Result<()> {
    let hosts = row.hosts.map(|hosts| format!(" [{hosts}]")).unwrap_or_default();
    write(area, &format!("{}{hosts}", row.what), (LEFT - 10, y + LINE / 2), HPos::Right)?;
    let Some(attainment) = row.attainment() else {
        return write(area, "not measured", (LEFT + 4, y + LINE / 2), HPos::Left);
    };
    let colour = if row.met() == Some(true) { MET } else { MISSED };
    let corners = [(LEFT, y + 3), (x_of(attainment), y + LINE - 3)];
    area.draw(&Rectangle::new(corners, colour.filled())).map_err(undrawn)?;
    write(area, &format!("{attainment:.2}"), (x_of(attainment) + 4, y + LINE / 2), HPos::Left)
}

fn x_of(attainment: f64) -> i32 {
    let room = f64::from(WIDTH - LEFT - 50);
    LEFT + (room * attainment.clamp(0.0, FULL) / FULL) as i32
}

fn write(area: &Area<'_>, text: &str, place: (i32, i32), side: HPos) -> Result<()> {
    let style = (FONT, 13).into_font().color(&BLACK).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), place, style)).map_err(undrawn)
}

/// What happens to rates as fleets grow: a line for each, beside its limit.
pub(super) fn growth(rows: &[Row], path: &Path) -> Result<()> {
    let lines = lines(rows);
    let area = SVGBackend::new(path, (1000, 640)).into_drawing_area();
    area.fill(&WHITE).map_err(undrawn)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("per second, over hosts (dashed: limit)", (FONT, 18))
        .margin(20)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d((80.0..150_000.0_f64).log_scale(), (1.0..2_000_000.0_f64).log_scale())
        .map_err(undrawn)?;
    chart.configure_mesh().x_desc("hosts").y_desc("per second").draw().map_err(undrawn)?;
    for (number, (name, points)) in lines.into_iter().enumerate() {
        let colour = Palette99::pick(number).to_rgba();
        let figures = points.iter().map(|(hosts, figure, _)| (*hosts, *figure));
        let drawn =
            chart.draw_series(LineSeries::new(figures, colour.stroke_width(2))).map_err(undrawn)?;
        drawn
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
        let limits = points.iter().map(|(hosts, _, limit)| (*hosts, *limit));
        chart
            .draw_series(DashedLineSeries::new(limits, 6, 4, colour.stroke_width(1)))
            .map_err(undrawn)?;
    }
    let labels = chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .border_style(BLACK)
        .draw();
    labels.map_err(undrawn)?;
    area.present().map_err(undrawn)
}

/// Rows that were measured for several sizes: name, and size, figure and limit of each.
fn lines(rows: &[Row]) -> BTreeMap<&str, Vec<(f64, f64, f64)>> {
    let mut lines = BTreeMap::<_, Vec<_>>::new();
    for row in rows.iter().filter(|row| row.unit == Unit::Rate && row.figure.median().is_finite()) {
        let point = |hosts| (hosts as f64, row.figure.median(), row.limit.median());
        lines.entry(row.what.as_str()).or_default().extend(row.hosts.map(point));
    }
    lines.retain(|_, points| points.len() > 2);
    lines
}

fn undrawn(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}
