use super::*;
use crate::Plugin;
use rowhouse_plugin::{
    chrono::Days,
    testing::{self, Table, date, numeric},
};

/// That many days' revenue, with a weekly rhythm.
fn days(count: u64) -> Table {
    let first: Date = "2026-01-01".parse().expect("a day");
    let row = |day: u64| {
        let dollars = 40_000 + 900 * (day % 7) * (day % 7) + 25 * day;
        vec![date(&(first + Days::new(day)).to_string()), numeric(&format!("{dollars}.00")), Value::Int(100)]
    };
    Table::new(&["start", "revenue", "orders"], (0..count).map(row).collect())
}

fn months() -> Table {
    let row = |month: i64| {
        let dollars = 300_000 + 40_000 * (month * 5 % 7) + 15_000 * month;
        vec![date(&format!("2026-{month:02}-01")), numeric(&format!("{dollars}.00")), Value::Int(100)]
    };
    Table::new(&["start", "revenue", "orders"], (1..=10).map(row).collect())
}

/// The picture, decoded: its size, and its pixels.
fn picture(rows: Table, asked: serde_json::Value) -> (u32, u32, Vec<u8>) {
    let host = testing::host::<Plugin>().on("FROM retail.orders", rows);
    let answer = host.call("chart_sales_trend", asked).expect("a picture");
    let [Part::Image(image), Part::Text(_)] = answer.parts() else { panic!("{answer:?}") };
    assert_eq!(image.mime_type, "image/png");
    if let Some(directory) = std::env::var_os("ROWHOUSE_PICTURES") {
        let name = format!("trend-{}.png", image.data.len());
        std::fs::write(std::path::Path::new(&directory).join(name), &image.data).expect("written");
    }
    let mut reader = png::Decoder::new(std::io::Cursor::new(&image.data)).read_info().expect("a PNG file");
    let mut pixels = vec![0; reader.output_buffer_size().expect("its size")];
    let info = reader.next_frame(&mut pixels).expect("its pixels");
    assert!(image.data.len() < 64 * 1024, "{} bytes", image.data.len());
    (info.width, info.height, pixels)
}

fn count(pixels: &[u8], colour: Colour) -> usize {
    pixels.chunks(3).filter(|pixel| **pixel == colour).count()
}

#[test]
fn a_picture_has_bars_a_line_and_labels() {
    for (rows, asked) in [
        (months(), json!({ "from": "2026-01-01", "to": "2026-10-20" })),
        (days(365), json!({ "from": "2026-01-01", "to": "2026-12-31", "granularity": "day" })),
        (days(400), json!({ "from": "2026-01-01", "to": "2027-02-04", "granularity": "day" })),
        (days(30), json!({ "from": "2026-01-01", "to": "2026-01-30", "granularity": "day" })),
    ] {
        let (width, height, pixels) = picture(rows, asked.clone());
        assert_eq!((width, height), (WIDTH, HEIGHT));
        for (colour, least) in [(BAR, 5_000), (LINE, 300), (INK, 300), (MUTED, 300)] {
            assert!(count(&pixels, colour) > least, "{} of {colour:?} for {asked}", count(&pixels, colour));
        }
    }
}

#[test]
fn what_is_incomplete_is_paler() {
    let whole = picture(months(), json!({ "from": "2026-01-01", "to": "2026-10-31" }));
    let cut = picture(months(), json!({ "from": "2026-01-01", "to": "2026-10-20" }));
    assert_eq!(count(&whole.2, CUT), 0);
    assert!(count(&cut.2, CUT) > 1_000);
}

#[test]
fn nothing_sold_is_drawn_too() {
    let (.., pixels) = picture(months().without_rows(), json!({ "from": "2026-01-01", "to": "2026-10-31" }));
    assert!(count(&pixels, INK) > 300);
}

#[test]
fn amounts_are_short_and_steps_round() {
    for (dollars, step) in [(0.0, 1.0), (3.0, 5.0), (1_100.0, 2_000.0), (2_400.0, 2_500.0), (60_001.0, 100_000.0)] {
        assert_eq!(nice(dollars), step, "{dollars}");
    }
    for (dollars, step, text) in [
        (0.0, 250.0, "$0"),
        (750.0, 250.0, "$750"),
        (12_500.0, 2_500.0, "$12.5K"),
        (1_250_000.0, 250_000.0, "$1.25M"),
        (3e6, 1e6, "$3M"),
    ] {
        assert_eq!(short(dollars, step), text);
    }
    let day: Date = "2026-08-03".parse().expect("a day");
    for (unit, text) in
        [(Unit::Week, "Aug 3"), (Unit::Month, "Aug 2026"), (Unit::Quarter, "Q3 2026"), (Unit::Year, "2026")]
    {
        assert_eq!(label(unit, day), text);
    }
}
