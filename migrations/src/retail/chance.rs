//! Chance that repeats. Only exact arithmetic, so that every machine draws the same.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// A stream of chance for one purpose; streams do not disturb one another.
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    pub(super) fn new(purpose: u64) -> Self {
        /// Change it and every answer of the demo changes.
        const SEED: u64 = 20_261_031;
        let mut stream = ChaCha8Rng::seed_from_u64(SEED);
        stream.set_stream(purpose);
        Self(stream)
    }

    /// From 0 up to, not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        // 53 bits are what a double holds exactly.
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 up to, not including, `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }

    pub(super) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Draws an index as often as its weight says.
pub(super) struct Lottery(Vec<f64>);

impl Lottery {
    pub(super) fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        Self(
            weights
                .into_iter()
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        )
    }

    pub(super) fn draw(&self, chance: &mut Chance) -> usize {
        let total = self.0.last().copied().unwrap_or(0.0);
        let point = chance.unit() * total;
        self.0.partition_point(|sum| *sum <= point).min(self.0.len().saturating_sub(1))
    }
}

/// `total` cut in proportion to `weights`; the parts sum to `total`.
pub(super) fn split(total: usize, weights: &[f64]) -> Vec<usize> {
    let whole: f64 = weights.iter().sum();
    let mut reached = 0.0;
    let mut given = 0;
    weights
        .iter()
        .map(|weight| {
            reached += weight;
            let upto = (total as f64 * reached / whole).round() as usize;
            let part = upto - given;
            given = upto;
            part
        })
        .collect()
}
