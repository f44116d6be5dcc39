//! Growth as a picture: a panel a task, time above and memory below, both axes logarithmic, so that
//! what is linear is a straight line of slope 1.

use crate::figures::growth::{Growth, Point};
use std::fmt::Write as _;

const PANEL: [f64; 2] = [220.0, 190.0];
const GAP: [f64; 2] = [60.0, 90.0];
const MARGIN: [f64; 2] = [60.0, 50.0];

type Value = fn(&Point, usize) -> f64;

/// The picture, as SVG.
pub fn svg(all: &[Growth]) -> String {
    let width = MARGIN[0] + (PANEL[0] + GAP[0]) * all.len() as f64;
    let height = MARGIN[1] + (PANEL[1] + GAP[1]) * 2.0 + 10.0;
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">
<style>
  text {{ fill: #24292f }} .axis {{ stroke: #8c959f }} .grid {{ stroke: #d8dee4 }}
  .shim {{ stroke: #0969da; fill: #0969da }} .reference {{ stroke: #bf8700; fill: #bf8700 }}
  polyline {{ fill: none !important; stroke-width: 2 }} .title {{ font-size: 13px; font-weight: bold }}
</style>
<rect width="{width}" height="{height}" fill="#ffffff"/>
"##
    );
    let rows: [(&str, Value); 2] = [
        ("seconds", |point, who| point.seconds[who]),
        ("megabytes", |point, who| point.memory[who] as f64 / 1e6),
    ];
    for (row, (unit, value)) in rows.into_iter().enumerate() {
        for (column, growth) in all.iter().enumerate() {
            let x = MARGIN[0] + (PANEL[0] + GAP[0]) * column as f64;
            let y = MARGIN[1] + (PANEL[1] + GAP[1]) * row as f64;
            panel(&mut out, [x, y], growth, unit, value);
        }
    }
    out + "</svg>\n"
}

/// A logarithmic axis of whole powers of ten, drawn over `length`.
struct Axis {
    from: i32,
    to: i32,
    length: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, length: f64) -> Self {
        let from = values.clone().fold(f64::INFINITY, f64::min).log10().floor() as i32;
        let to = values.fold(f64::NEG_INFINITY, f64::max).log10().ceil() as i32;
        Self { from, to: to.max(from + 1), length }
    }

    fn place(&self, value: f64) -> f64 {
        (value.log10() - f64::from(self.from)) / f64::from(self.to - self.from) * self.length
    }

    /// Powers of ten and how they are written.
    fn ticks(&self) -> impl Iterator<Item = (f64, String)> + use<> {
        (self.from..=self.to).map(|power| {
            let digits = usize::try_from(-power).unwrap_or(0);
            (10_f64.powi(power), format!("{:.digits$}", 10_f64.powi(power)))
        })
    }
}

fn panel(out: &mut String, [left, top]: [f64; 2], growth: &Growth, unit: &str, value: Value) {
    let points = &growth.points;
    let values = points.iter().flat_map(|point| [value(point, 0), value(point, 1)]);
    let values = values.map(|value| value.max(1e-4)); // a logarithm has to exist
    let y = Axis::over(values, PANEL[1]);
    let x = Axis::over(points.iter().map(|point| point.modules as f64), PANEL[0]);
    let bottom = top + PANEL[1];
    let _ = writeln!(
        out,
        r#"<text class="title" x="{left}" y="{}">{}</text>"#,
        top - 24.0,
        growth.task
    );
    let reference = growth.reference.replace(['`', '\\'], "");
    for (i, (class, name)) in [("shim", "shim"), ("reference", &*reference)].into_iter().enumerate()
    {
        let x = left + 48.0 * i as f64;
        let _ = writeln!(
            out,
            r#"<circle class="{class}" cx="{}" cy="{}" r="3.5"/>"#,
            x + 4.0,
            top - 11.0
        );
        let _ = writeln!(out, r#"<text x="{}" y="{}">{name}</text>"#, x + 11.0, top - 7.0);
    }
    for (tick, label) in y.ticks() {
        let at = bottom - y.place(tick);
        let right = left + PANEL[0];
        let _ =
            writeln!(out, r#"<line class="grid" x1="{left}" x2="{right}" y1="{at}" y2="{at}"/>"#);
        let _ = writeln!(
            out,
            r#"<text text-anchor="end" x="{}" y="{}">{label}</text>"#,
            left - 5.0,
            at + 4.0
        );
    }
    for (tick, label) in x.ticks() {
        let at = left + x.place(tick);
        let _ =
            writeln!(out, r#"<line class="grid" x1="{at}" x2="{at}" y1="{top}" y2="{bottom}"/>"#);
        let _ = writeln!(
            out,
            r#"<text text-anchor="middle" x="{at}" y="{}">{label}</text>"#,
            bottom + 15.0
        );
    }
    let _ = writeln!(
        out,
        r#"<text text-anchor="middle" x="{}" y="{}">modules; {unit}</text>"#,
        left + PANEL[0] / 2.0,
        bottom + 30.0
    );
    for (who, class) in [(1, "reference"), (0, "shim")] {
        let place = |point: &Point| {
            let value = value(point, who).max(1e-4);
            [left + x.place(point.modules as f64), bottom - y.place(value)]
        };
        let places: Vec<_> = points.iter().map(place).collect();
        let line: Vec<_> = places.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(out, r#"<polyline class="{class}" points="{}"/>"#, line.join(" "));
        for [x, y] in places {
            let _ = writeln!(out, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#);
        }
    }
}
