//! What was measured, for readers and for programs.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::statistics::Ratio;

/// Ours against one peer; times in microseconds a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) database: String,
    pub(crate) scale: String,
    pub(crate) workload: String,
    pub(crate) ours_us: f64,
    /// The same of each repeat.
    #[serde(skip)]
    pub(crate) ours_each_us: Vec<f64>,
    pub(crate) peer: String,
    pub(crate) peer_us: f64,
    #[serde(flatten)]
    pub(crate) ratio: Ratio,
}

impl Comparison {
    /// One object, on a line.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(&self.rounded()).unwrap_or_default()
    }

    /// What a reader sees while the rest is measured.
    pub(crate) fn line(&self) -> String {
        let Self {
            ours_us,
            peer,
            peer_us,
            ratio: Ratio { whole, min, max },
            ..
        } = self;
        format!("{ours_us:.1} µs, {peer} {peer_us:.1} µs: {whole:.3} ({min:.3} to {max:.3})")
    }

    /// Digits that were measured.
    fn rounded(&self) -> Self {
        let to = |number: f64, digits: i32| {
            let factor = 10_f64.powi(digits);
            (number * factor).round() / factor
        };
        Self {
            ours_us: to(self.ours_us, 2),
            peer_us: to(self.peer_us, 2),
            ratio: Ratio {
                whole: to(self.ratio.whole, 4),
                min: to(self.ratio.min, 4),
                max: to(self.ratio.max, 4),
            },
            ..self.clone()
        }
    }
}

/// A table in Markdown.
pub(crate) fn table(comparisons: &[Comparison]) -> String {
    let mut table = "| database | scale | workload | ours, µs | peer | µs | ratio | range |\n\
                     | --- | --- | --- | --: | --- | --: | --: | --: |\n"
        .to_owned();
    for each in comparisons {
        let Comparison {
            database,
            scale,
            workload,
            ours_us,
            ours_each_us: _,
            peer,
            peer_us,
            ratio,
        } = each;
        let Ratio { whole, min, max } = ratio;
        let _ = writeln!(
            table,
            "| {database} | {scale} | {workload} | {ours_us:.1} | {peer} | {peer_us:.1} | {whole:.2} | {min:.2} to {max:.2} |"
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_fields_that_others_read() {
        let comparison = Comparison {
            database: "postgres".to_owned(),
            scale: "one".to_owned(),
            workload: "mixed".to_owned(),
            ours_us: 195.123_456,
            ours_each_us: Vec::new(),
            peer: "chain".to_owned(),
            peer_us: 184.0,
            ratio: Ratio {
                whole: 1.060_01,
                min: 1.0,
                max: 1.1,
            },
        };
        assert_eq!(
            comparison.json(),
            r#"{"database":"postgres","scale":"one","workload":"mixed","ours_us":195.12,"peer":"chain","peer_us":184.0,"ratio":1.06,"ratio_min":1.0,"ratio_max":1.1}"#
        );
    }
}
