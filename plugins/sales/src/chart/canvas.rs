//! A picture: smooth shapes, crisp letters, and the PNG file it becomes.
//!
//! Letters are the bitmap fonts of `embedded-graphics`, drawn pixel by pixel, so that they stay readable at their size.
//! Shapes are filled by how much of each pixel they cover.

use embedded_graphics::{
    mono_font::{MonoFont, MonoTextStyle, ascii},
    pixelcolor::Rgb888,
    prelude::*,
    text::{Alignment, Baseline, Text, TextStyleBuilder},
};

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// Samples along each side of a pixel: sixteen shades of an edge are more than an eye tells apart.
const SAMPLES: u32 = 4;

const SMALL: &MonoFont<'static> = &ascii::FONT_7X13;
const LARGE: &MonoFont<'static> = &ascii::FONT_10X20;

/// What can be filled, in pixels from the top left corner.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Rectangle { left: f32, top: f32, right: f32, bottom: f32 },
    Line { from: (f32, f32), to: (f32, f32), width: f32 },
    Disc { at: (f32, f32), radius: f32 },
}

impl Shape {
    fn holds(&self, x: f32, y: f32) -> bool {
        match *self {
            Shape::Rectangle { left, top, right, bottom } => (left..right).contains(&x) && (top..bottom).contains(&y),
            Shape::Disc { at, radius } => (x - at.0).powi(2) + (y - at.1).powi(2) <= radius * radius,
            Shape::Line { from, to, width } => {
                let (dx, dy) = (to.0 - from.0, to.1 - from.1);
                let along = ((x - from.0) * dx + (y - from.1) * dy) / (dx * dx + dy * dy).max(f32::EPSILON);
                let along = along.clamp(0.0, 1.0);
                let (px, py) = (from.0 + along * dx, from.1 + along * dy);
                (x - px).powi(2) + (y - py).powi(2) <= (width / 2.0).powi(2)
            }
        }
    }

    /// The pixels it may touch: left, top, right, bottom.
    fn bounds(&self) -> (f32, f32, f32, f32) {
        match *self {
            Shape::Rectangle { left, top, right, bottom } => (left, top, right, bottom),
            Shape::Disc { at: (x, y), radius } => (x - radius, y - radius, x + radius, y + radius),
            Shape::Line { from, to, width } => {
                (from.0.min(to.0) - width, from.1.min(to.1) - width, from.0.max(to.0) + width, from.1.max(to.1) + width)
            }
        }
    }
}

/// Where a text stands relative to the point it is written at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// How wide a small text is.
pub(super) fn small_width(text: &str) -> f32 {
    let letter = SMALL.character_size.width + SMALL.character_spacing;
    letter as f32 * text.chars().count() as f32
}

/// A white picture to draw on.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<Colour>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Canvas {
        Canvas { width, height, pixels: vec![[0xff; 3]; (width * height) as usize] }
    }

    /// Fill shapes of one colour. Where they overlap they are one shape.
    pub(super) fn fill(&mut self, colour: Colour, shapes: &[Shape]) {
        // How many samples of each pixel are covered, and by which: one bit a sample.
        let mut covered = vec![0_u16; self.pixels.len()];
        for shape in shapes {
            let (left, top, right, bottom) = shape.bounds();
            let columns = left.floor().max(0.0) as u32..(right.ceil().max(0.0) as u32).min(self.width);
            for row in top.floor().max(0.0) as u32..(bottom.ceil().max(0.0) as u32).min(self.height) {
                for column in columns.clone() {
                    for sample in 0..SAMPLES * SAMPLES {
                        let inside = |of: u32| (of as f32 + 0.5) / SAMPLES as f32;
                        let (x, y) = (inside(sample % SAMPLES), inside(sample / SAMPLES));
                        if shape.holds(column as f32 + x, row as f32 + y) {
                            covered[(row * self.width + column) as usize] |= 1 << sample;
                        }
                    }
                }
            }
        }
        for (pixel, bits) in self.pixels.iter_mut().zip(covered).filter(|(_, bits)| *bits > 0) {
            let share = bits.count_ones() as f32 / (SAMPLES * SAMPLES) as f32;
            for (old, new) in pixel.iter_mut().zip(colour) {
                *old = (f32::from(*old) + (f32::from(new) - f32::from(*old)) * share).round() as u8;
            }
        }
    }

    /// A text of the small font; `top` is its upper edge.
    pub(super) fn small(&mut self, x: f32, top: f32, text: &str, colour: Colour, align: Align) {
        self.text(SMALL, x, top, text, colour, align);
    }

    /// A text of the large font; `top` is its upper edge.
    pub(super) fn large(&mut self, left: f32, top: f32, text: &str, colour: Colour) {
        self.text(LARGE, left, top, text, colour, Align::Left);
    }

    fn text(&mut self, font: &MonoFont<'static>, x: f32, top: f32, text: &str, [r, g, b]: Colour, align: Align) {
        let alignment = match align {
            Align::Left => Alignment::Left,
            Align::Centre => Alignment::Center,
            Align::Right => Alignment::Right,
        };
        let style = TextStyleBuilder::new().alignment(alignment).baseline(Baseline::Top).build();
        let at = Point::new(x.round() as i32, top.round() as i32);
        let letters = MonoTextStyle::new(font, Rgb888::new(r, g, b));
        // Drawing on this canvas cannot fail: its error has no value.
        let Ok(_) = Text::with_text_style(text, at, letters, style).draw(self);
    }

    /// The file.
    ///
    /// # Errors
    /// None that a picture in memory has; the encoder's type says otherwise.
    pub(super) fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()?;
        Ok(file)
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(at, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else { continue };
            if x < self.width && y < self.height {
                self.pixels[(y * self.width + x) as usize] = [colour.r(), colour.g(), colour.b()];
            }
        }
        Ok(())
    }
}
