//! Bar charts as SVG: medians with the range over all rounds, on a logarithmic scale.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::error::BenchError;
use crate::rounds::Spread;

const WIDTH: u32 = 900;
const ROW_HEIGHT: u32 = 30;
const HEAD_HEIGHT: u32 = 60;
const LABEL_WIDTH: i32 = 240;
/// Room for a bar's figure on its right.
const FIGURE_WIDTH: i32 = 150;
const BAR_HEIGHT: i32 = 18;
const RAW_COLOUR: RGBColor = RGBColor(150, 150, 150);
const GUIRA_COLOUR: RGBColor = RGBColor(200, 80, 40);
const PEER_COLOUR: RGBColor = RGBColor(90, 130, 180);

/// One subject's figure.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    name: &'static str,
    figure: Spread,
}

impl Bar {
    pub(crate) fn new(name: &'static str, figure: Spread) -> Self {
        Self { name, figure }
    }

    fn colour(&self) -> RGBColor {
        match self.name.split([' ', ',']).next() {
            Some("raw") => RAW_COLOUR,
            Some("guira") => GUIRA_COLOUR,
            _ => PEER_COLOUR,
        }
    }
}

/// What the bars of a chart are, and what they mean.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What a figure is, such as "times the raw loop".
    pub(crate) unit: &'static str,
    pub(crate) bars: Vec<Bar>,
}

/// Draws `chart` into the file `path`.
pub(crate) fn draw_bars(path: &Path, chart: &Chart) -> Result<(), BenchError> {
    let Chart { title, unit, bars } = chart;
    let height = HEAD_HEIGHT + ROW_HEIGHT * bars.len() as u32;
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    draw(&area, title, unit, bars).map_err(|error| BenchError::Chart {
        path: path.display().to_string(),
        problem: error.to_string(),
    })
}

fn draw(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    unit: &str,
    bars: &[Bar],
) -> Result<(), Box<dyn Error>> {
    area.fill(&WHITE)?;
    let text = |size: u32| TextStyle::from(("sans-serif", size).into_font());
    let centred = Pos::new(HPos::Left, VPos::Center);
    area.draw(&Text::new(title.to_owned(), (10, 12), text(18)))?;
    area.draw(&Text::new(
        format!("{unit}: median, and the range of all rounds; shorter is better; the scale is logarithmic"),
        (10, 36),
        text(12),
    ))?;
    let scale = Scale::of(bars);
    let mut top = HEAD_HEIGHT as i32;
    for bar in bars {
        let middle = top + BAR_HEIGHT / 2;
        area.draw(&Text::new(bar.name, (10, middle), text(13).pos(centred)))?;
        let end = scale.x(bar.figure.median);
        area.draw(&Rectangle::new(
            [(LABEL_WIDTH, top), (end, top + BAR_HEIGHT)],
            bar.colour().filled(),
        ))?;
        let (lowest, highest) = (scale.x(bar.figure.lowest), scale.x(bar.figure.highest));
        area.draw(&PathElement::new(
            vec![(lowest, middle), (highest, middle)],
            BLACK,
        ))?;
        area.draw(&Text::new(
            format!("{:.2}", bar.figure.median),
            (end.max(highest) + 6, middle),
            text(13).pos(centred),
        ))?;
        top += ROW_HEIGHT as i32;
    }
    area.present()?;
    Ok(())
}

/// From figures to places, by their logarithms.
struct Scale {
    smallest: f64,
    pixels_per_unit: f64,
}

impl Scale {
    fn of(bars: &[Bar]) -> Self {
        let positive = |figure: f64| figure.max(f64::MIN_POSITIVE);
        let lowest = bars.iter().map(|bar| positive(bar.figure.lowest));
        // The shortest bar is still seen.
        let smallest = lowest.fold(f64::INFINITY, f64::min).ln() - 0.5;
        let highest = bars.iter().map(|bar| positive(bar.figure.highest));
        let largest = highest.fold(0.0, f64::max).max(f64::MIN_POSITIVE).ln();
        let width = WIDTH as i32 - LABEL_WIDTH - FIGURE_WIDTH;
        Self {
            smallest,
            pixels_per_unit: f64::from(width) / (largest - smallest).max(0.1),
        }
    }

    fn x(&self, figure: f64) -> i32 {
        let units = figure.max(f64::MIN_POSITIVE).ln() - self.smallest;
        LABEL_WIDTH + (units * self.pixels_per_unit) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_names_every_subject_with_its_figure_and_longer_bars_are_slower() {
        let spread = |median: f64| Spread {
            median,
            lowest: median * 0.9,
            highest: median * 1.1,
        };
        let bars = [
            Bar::new("raw loop, 4 KiB pages", spread(1.0)),
            Bar::new("guira, 4 KiB pages", spread(1.85)),
            Bar::new("memcached, unix socket", spread(168.0)),
        ];
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("chart.svg");
        let scale = Scale::of(&bars);
        let chart = Chart {
            title: "GET".to_owned(),
            unit: "times the raw loop",
            bars: bars.to_vec(),
        };
        draw_bars(&path, &chart).unwrap();
        let svg = std::fs::read_to_string(&path).unwrap();
        for text in ["GET", "raw loop", "1.85", "memcached, unix socket", "168.00"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        assert!(scale.x(1.0) < scale.x(1.85) && scale.x(1.85) < scale.x(168.0));
        assert!(scale.x(168.0 * 1.1) <= WIDTH as i32 - FIGURE_WIDTH);
    }
}
