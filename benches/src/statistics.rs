//! The least of many rounds, and ratios of them.
//!
//! On a machine that does other things too, a median is a measure of those. What disturbs only adds: the least time of a short
//! piece of work is near its true one, and a piece of four records finds a quiet moment in some round.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one contender took, for each slice the least of all rounds; one for each time that the whole was repeated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leasts {
    repeats: Vec<Vec<f64>>,
}

impl Leasts {
    /// Notes seconds of a slice. Repeats and slices count from 0.
    pub(crate) fn note(&mut self, repeat: usize, slice: usize, took: Duration) {
        let slices = at(&mut self.repeats, repeat);
        let least = match slices.get(slice) {
            Some(least) => least.min(took.as_secs_f64()),
            None => took.as_secs_f64(),
        };
        *at(slices, slice) = least;
    }

    /// Seconds for all slices, each at its best.
    pub(crate) fn total(&self) -> f64 {
        let slices = self.repeats.first().map_or(0, Vec::len);
        let least = |slice: usize| {
            let each = self.repeats.iter().filter_map(|slices| slices.get(slice));
            each.copied().fold(f64::INFINITY, f64::min)
        };
        (0..slices).map(least).sum()
    }

    /// The same of each repeat.
    pub(crate) fn totals(&self) -> Vec<f64> {
        self.repeats
            .iter()
            .map(|slices| slices.iter().sum())
            .collect()
    }
}

/// The element, after as many defaults as are missing.
fn at<T: Default + Clone>(list: &mut Vec<T>, index: usize) -> &mut T {
    if list.len() <= index {
        list.resize(index + 1, T::default());
    }
    &mut list[index]
}

/// Ours divided by the peer's, and how far that moves from repeat to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ratio {
    #[serde(rename = "ratio")]
    pub(crate) whole: f64,
    #[serde(rename = "ratio_min")]
    pub(crate) min: f64,
    #[serde(rename = "ratio_max")]
    pub(crate) max: f64,
}

impl Ratio {
    /// Below 1 ours is faster.
    pub(crate) fn new(ours: &Leasts, peer: &Leasts) -> Self {
        let whole = ours.total() / peer.total();
        let pairs = ours.totals().into_iter().zip(peer.totals());
        let ratios = pairs.map(|(ours, peer)| ours / peer);
        // The whole may lie outside of its parts: its leasts come from several of them.
        let (min, max) = ratios.fold((whole, whole), |(min, max), each| {
            (min.min(each), max.max(each))
        });
        Self { whole, min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By repeat, round and slice.
    fn leasts(repeats: &[&[&[u64]]]) -> Leasts {
        let mut leasts = Leasts::default();
        for (repeat, rounds) in repeats.iter().enumerate() {
            for slices in *rounds {
                for (slice, seconds) in slices.iter().enumerate() {
                    leasts.note(repeat, slice, Duration::from_secs(*seconds));
                }
            }
        }
        leasts
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn each_slice_counts_with_its_best_round() {
        let measured = leasts(&[&[&[9, 2, 5], &[3, 8, 5], &[4, 4, 6]]]);
        assert!(close(measured.total(), 10.0), "{measured:?}");
    }

    #[test]
    fn each_slice_counts_with_its_best_repeat() {
        let measured = leasts(&[&[&[3, 9]], &[&[8, 2]]]);
        assert!(close(measured.total(), 5.0), "{measured:?}");
    }

    #[test]
    fn the_range_is_that_of_the_repeats() {
        let ours = leasts(&[&[&[1, 1]], &[&[2, 4]], &[&[3, 1]]]);
        let peer = leasts(&[&[&[4, 4]], &[&[4, 4]], &[&[4, 4]]]);
        let ratio = Ratio::new(&ours, &peer);
        assert!(
            close(ratio.whole, 0.25) && close(ratio.min, 0.25) && close(ratio.max, 0.75),
            "{ratio:?}"
        );
    }

    #[test]
    fn the_range_holds_the_ratio() {
        let ours = leasts(&[&[&[1, 9]], &[&[9, 1]]]);
        let peer = leasts(&[&[&[5, 5]], &[&[5, 5]]]);
        let ratio = Ratio::new(&ours, &peer);
        assert!(
            close(ratio.whole, 0.2) && close(ratio.min, 0.2) && close(ratio.max, 1.0),
            "{ratio:?}"
        );
    }
}
