//! `chart_sales_trend`: the trend as a picture.

use rowhouse_plugin::{chrono::Datelike as _, prelude::*};

use crate::{
    period::{Unit, month_of},
    trend::{self, Point, Report},
};

mod canvas;

use canvas::{Align, Canvas, Colour, Shape};

/// Wide enough for a year of weeks with readable labels, and still a small file.
const WIDTH: u32 = 960;
const HEIGHT: u32 = 480;

/// Where the bars are: left of it the amounts, below it the days, above it title and legend.
const LEFT: f32 = 84.0;
const RIGHT: f32 = 936.0;
const TOP: f32 = 92.0;
const BOTTOM: f32 = 428.0;

const INK: Colour = [0x1f, 0x29, 0x37];
const MUTED: Colour = [0x4b, 0x55, 0x63];
const GRID: Colour = [0xe5, 0xe7, 0xeb];
const BAR: Colour = [0x3b, 0x82, 0xf6];
const CUT: Colour = [0xbf, 0xd7, 0xfb];
const LINE: Colour = [0xea, 0x58, 0x0c];

/// Draws revenue over time as a PNG picture: bars, and their moving average as a line. Takes what get_sales_trend takes;
/// call that for the numbers, and this where a person wants to see them.
///
/// # Errors
/// Those of [`trend::report`], or a picture that cannot be written.
#[tool(title = "Sales trend, drawn")]
pub(crate) fn chart_sales_trend(asked: trend::Asked) -> Result<Vec<Part>> {
    let report = trend::report(&asked)?;
    let png = draw(&report).or_failed("the picture could not be written: call get_sales_trend for the numbers")?;
    Ok(vec![Image::png(png).into(), report.insights.join("\n").into()])
}

fn draw(report: &Report) -> std::result::Result<Vec<u8>, png::EncodingError> {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    head(&mut canvas, report);
    let points = &report.points;
    let most = points.iter().map(|point| point.revenue.dollars()).fold(0.0, f64::max);
    let step = nice(most / 4.0);
    let top = (most / step).ceil().max(1.0) * step;
    let y = |dollars: f64| BOTTOM - (dollars / top) as f32 * (BOTTOM - TOP);

    let mut at = 0.0;
    while at <= top + step / 2.0 {
        canvas.fill(GRID, &[Shape::Rectangle { left: LEFT, top: y(at) - 0.5, right: RIGHT, bottom: y(at) + 0.5 }]);
        canvas.small(LEFT - 10.0, y(at) - 6.0, &short(at, step), MUTED, Align::Right);
        at += step;
    }

    let wide = (RIGHT - LEFT) / points.len().max(1) as f32;
    let centre = |index: usize| LEFT + (index as f32 + 0.5) * wide;
    let bar = |(index, point): (usize, &Point)| {
        let half = (wide * 0.36).clamp(0.4, 28.0);
        let (left, right) = (centre(index) - half, centre(index) + half);
        Shape::Rectangle { left, top: y(point.revenue.dollars()), right, bottom: BOTTOM }
    };
    for (colour, complete) in [(BAR, true), (CUT, false)] {
        let of_it = points.iter().enumerate().filter(|(_, point)| point.complete == complete);
        canvas.fill(colour, &of_it.map(bar).collect::<Vec<_>>());
    }
    canvas.fill(MUTED, &[Shape::Rectangle { left: LEFT, top: BOTTOM - 0.5, right: RIGHT, bottom: BOTTOM + 1.0 }]);

    let average: Vec<_> = points
        .iter()
        .enumerate()
        .filter_map(|(index, point)| Some((centre(index), y(point.moving_average?.dollars()))))
        .collect();
    let line = average.windows(2).map(|ends| Shape::Line { from: ends[0], to: ends[1], width: 2.6 });
    // Round joints; and an average of one point is a dot.
    let joints = average.iter().map(|&at| Shape::Disc { at, radius: if points.len() <= 40 { 3.2 } else { 1.3 } });
    canvas.fill(LINE, &line.chain(joints).collect::<Vec<_>>());

    days(&mut canvas, report, centre);
    canvas.png()
}

/// Title, what the bars and the line are, and over which days.
fn head(canvas: &mut Canvas, report: &Report) {
    let unit = report.granularity.name();
    let of = report.category.as_deref().map_or_else(String::new, |category| format!(", {category}"));
    canvas.large(24.0, 18.0, &format!("Revenue by {unit}{of}"), INK);
    let days = format!("{} to {}, US dollars", report.span.first, report.span.last);
    canvas.small(24.0, 44.0, &days, MUTED, Align::Left);

    let mut left = 24.0;
    let mut entry = |canvas: &mut Canvas, shape: Shape, colour: Colour, text: &str| {
        canvas.fill(colour, &[shape]);
        canvas.small(left + 22.0, 64.0, text, INK, Align::Left);
        left += 22.0 + canvas::small_width(text) + 28.0;
        left
    };
    let square = |left: f32| Shape::Rectangle { left, top: 65.0, right: left + 14.0, bottom: 76.0 };
    let mut next = entry(canvas, square(24.0), BAR, "Revenue");
    if report.points.iter().any(|point| !point.complete) {
        next = entry(canvas, square(next), CUT, &format!("Incomplete {unit}"));
    }
    if report.points.iter().any(|point| point.moving_average.is_some()) {
        let line = Shape::Line { from: (next, 70.5), to: (next + 14.0, 70.5), width: 2.6 };
        entry(canvas, line, LINE, &format!("Average of {} {unit}s", report.moving_average_points));
    }
}

/// The first day of as many points as there is room for; the last one always.
fn days(canvas: &mut Canvas, report: &Report, centre: impl Fn(usize) -> f32) {
    let labels: Vec<String> = report.points.iter().map(|point| label(report.granularity, point.start)).collect();
    let widest = labels.iter().map(|label| canvas::small_width(label)).fold(0.0, f32::max) + 14.0;
    let room = ((RIGHT - LEFT) / widest).max(1.0) as usize;
    let every = labels.len().div_ceil(room).max(1);
    let shown = || (0..labels.len()).rev().step_by(every);
    let tick = |at: f32| Shape::Rectangle { left: at - 0.5, top: BOTTOM, right: at + 0.5, bottom: BOTTOM + 5.0 };
    canvas.fill(MUTED, &shown().map(|index| tick(centre(index))).collect::<Vec<_>>());
    for index in shown() {
        let half = canvas::small_width(&labels[index]) / 2.0;
        let at = centre(index).clamp(half + 2.0, WIDTH as f32 - half - 2.0);
        canvas.small(at, BOTTOM + 11.0, &labels[index], MUTED, Align::Centre);
    }
}

/// A point of the axis, as short as its kind allows.
fn label(unit: Unit, start: Date) -> String {
    let month = &month_of(start)[..3]; // as it is abbreviated in English
    match unit {
        Unit::Day | Unit::Week => format!("{month} {}", start.day()),
        Unit::Month => format!("{month} {}", start.year()),
        Unit::Quarter => format!("Q{} {}", start.month0() / 3 + 1, start.year()),
        Unit::Year => start.year().to_string(),
    }
}

/// The next larger of 1, 2, 2.5, 5 times a power of ten: the distance of two grid lines. At least a dollar.
fn nice(dollars: f64) -> f64 {
    let power = 10_f64.powf(dollars.max(1.0).log10().floor());
    let fits = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|times| times * power >= dollars);
    fits.unwrap_or(10.0) * power
}

/// An amount on the axis: `$0`, `$250`, `$12.5K`, `$3M`, with the decimals that the distance of the lines needs.
fn short(dollars: f64, step: f64) -> String {
    let (unit, name) = match dollars {
        d if d >= 1e9 => (1e9, "B"),
        d if d >= 1e6 => (1e6, "M"),
        d if d >= 1e3 => (1e3, "K"),
        _ => (1.0, ""),
    };
    let exact = |decimals: i32| {
        let scaled = step / unit * 10_f64.powi(decimals);
        (scaled - scaled.round()).abs() < 1e-6
    };
    let decimals = (0..3).find(|&decimals| exact(decimals)).unwrap_or(3);
    format!("${:.*}{name}", decimals as usize, dollars / unit)
}

#[cfg(test)]
mod tests;
