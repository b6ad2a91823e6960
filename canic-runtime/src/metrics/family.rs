//! Families: values of one meaning, with name, kind, labels and the function that measures them.

use super::histogram::{BOUNDS, Histogram, Latencies, ROWS};

/// Values of one meaning.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [Label],
    pub(crate) help: &'static str,
    /// Adds the family's present values.
    pub(crate) measure: fn(&mut Rows),
}

/// The kind of a family, as Prometheus defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A label of a family.
pub(crate) struct Label {
    pub(crate) name: &'static str,
    /// All values of the label. Empty: its values are names of endpoints or roles.
    pub(crate) words: &'static [&'static str],
}

/// The values of a family at one moment.
pub(crate) struct Rows {
    labels: &'static [Label],
    rows: Vec<Row>,
}

pub(super) struct Row {
    /// The cursor of a page. It does not change when other rows are added.
    pub(super) number: usize,
    /// The end of a histogram row's name, behind the family's name.
    pub(super) suffix: &'static str,
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: f64,
}

impl Rows {
    /// Measures a family.
    pub(super) fn of(family: &Family) -> Vec<Row> {
        let mut rows = Self {
            labels: family.labels,
            rows: Vec::new(),
        };
        (family.measure)(&mut rows);
        rows.rows
    }

    /// Adds the next value of a family whose rows keep their order: new ones come last.
    pub(crate) fn add(&mut self, labels: &[&str], value: f64) {
        self.push(self.rows.len(), "", labels, value);
    }

    /// Adds the histograms of a family with two labels.
    pub(crate) fn add_histograms(&mut self, latencies: &Latencies) {
        for (words, histogram) in latencies {
            self.add_histogram(*words, histogram);
        }
    }

    /// Adds a histogram whose labels are given by the indexes of their words: the latencies up to
    /// each bound, then their sum and their count.
    fn add_histogram(&mut self, words: [usize; 2], histogram: &Histogram) {
        let [one, other] = [&self.labels[0].words, &self.labels[1].words];
        let labels = [one[words[0]], other[words[1]]];
        let first = (words[0] * other.len() + words[1]) * ROWS;
        let mut count = 0;
        for (index, in_bucket) in histogram.buckets.into_iter().enumerate() {
            count += in_bucket;
            self.push(first + index, "_bucket", &labels, count as f64);
            let bound = BOUNDS.get(index).map_or("+Inf".to_string(), u32::to_string);
            if let Some(row) = self.rows.last_mut() {
                row.labels.push(("le".to_string(), bound));
            }
        }
        self.push(first + ROWS - 2, "_sum", &labels, histogram.seconds());
        self.push(first + ROWS - 1, "_count", &labels, count as f64);
    }

    fn push(&mut self, number: usize, suffix: &'static str, labels: &[&str], value: f64) {
        let names = self.labels.iter().map(|label| label.name.to_string());
        let values = labels.iter().map(|value| value.to_string());
        self.rows.push(Row {
            number,
            suffix,
            labels: names.zip(values).collect(),
            value,
        });
    }
}
