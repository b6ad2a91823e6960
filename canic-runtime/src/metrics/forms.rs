//! The two forms in which metrics are told: rows of Candid, in pages, and the text that Prometheus reads.

use super::{
    BOUNDS, Histogram,
    vocabulary::{Family, Kind, Label},
};
use crate::api::{Metric, MetricsPage, PageRequest};
use ic_metrics_encoder::{LabeledHistogramBuilder, LabeledMetricsBuilder, MetricsEncoder};
use std::io;

/// The values of a family at one moment.
pub(super) struct Rows {
    labels: &'static [Label],
    rows: Vec<Row>,
}

struct Row {
    /// Stays the same while others come: pages go on after it.
    number: usize,
    /// What a histogram's lines have behind the family's name.
    suffix: &'static str,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Rows {
    fn of(family: &Family) -> Vec<Row> {
        let mut rows = Self {
            labels: family.labels,
            rows: Vec::new(),
        };
        (family.measure)(&mut rows);
        rows.rows
    }

    /// The next value of a family that always tells the same ones, or more of them behind these.
    pub(super) fn add(&mut self, labels: &[&str], value: f64) {
        self.push(self.rows.len(), "", labels, value);
    }

    /// A histogram of a family with two labels, given by the numbers of their words: how many lie below each bound, then
    /// their sum and their count.
    pub(super) fn add_histogram(&mut self, words: [usize; 2], histogram: &Histogram) {
        let [one, other] = [&self.labels[0].words, &self.labels[1].words];
        let labels = [one[words[0]], other[words[1]]];
        let first = (words[0] * other.len() + words[1]) * LINES;
        let mut count = 0;
        for (at, counted) in histogram.buckets.into_iter().enumerate() {
            count += counted;
            self.push(first + at, "_bucket", &labels, count as f64);
            let bound = BOUNDS.get(at).map_or("+Inf".to_string(), u32::to_string);
            if let Some(row) = self.rows.last_mut() {
                row.labels.push(("le".to_string(), bound));
            }
        }
        self.push(first + LINES - 2, "_sum", &labels, histogram.seconds());
        self.push(first + LINES - 1, "_count", &labels, count as f64);
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

/// The lines of a histogram: one for each bucket, sum, count.
const LINES: usize = BOUNDS.len() + 3;

// Candid

/// A page of all values. Its cursor is a place that a value keeps until the next upgrade, whatever else is counted.
pub(crate) fn page(
    families: impl Iterator<Item = &'static Family>,
    request: PageRequest,
) -> MetricsPage {
    let limit = crate::codec::paging::rows(request.limit);
    let (mut metrics, mut last) = (Vec::new(), None);
    for (number, family) in families.enumerate() {
        for row in Rows::of(family) {
            let place = (number as u64) << 32 | row.number as u64;
            if request.after.is_some_and(|after| place <= after) {
                continue;
            }
            if metrics.len() == limit {
                let next = last;
                return MetricsPage { metrics, next };
            }
            last = Some(place);
            metrics.push(Metric {
                name: [family.name, row.suffix].concat(),
                labels: row.labels,
                value: row.value,
            });
        }
    }
    let next = None;
    MetricsPage { metrics, next }
}

// Prometheus

/// All values as Prometheus reads them; those of `now`, in nanoseconds since the epoch.
pub(crate) fn prometheus(
    families: impl Iterator<Item = &'static Family>,
    now: u64,
) -> io::Result<Vec<u8>> {
    let mut encoder = MetricsEncoder::new(Vec::new(), (now / 1_000_000) as i64);
    for family in families {
        let Family { name, help, .. } = family;
        let rows = Rows::of(family);
        match family.kind {
            Kind::Counter => numbers(encoder.counter_vec(name, help)?, &rows)?,
            Kind::Gauge => numbers(encoder.gauge_vec(name, help)?, &rows)?,
            Kind::Histogram => histograms(encoder.histogram_vec(name, help)?, &rows)?,
        }
    }
    Ok(encoder.into_inner())
}

fn numbers(mut builder: LabeledMetricsBuilder<'_, Vec<u8>>, rows: &[Row]) -> io::Result<()> {
    for row in rows {
        builder = builder.value(&borrowed(&row.labels), row.value)?;
    }
    Ok(())
}

/// The encoder adds up by itself: it wants to know how many lie between the bounds.
fn histograms(mut builder: LabeledHistogramBuilder<'_, Vec<u8>>, rows: &[Row]) -> io::Result<()> {
    for lines in rows.chunks_exact(LINES) {
        let labels = borrowed(&lines[LINES - 1].labels);
        let bounds = BOUNDS.map(f64::from).into_iter().chain([f64::INFINITY]);
        let mut below = 0.0;
        let between = lines
            .iter()
            .map(|line| line.value - std::mem::replace(&mut below, line.value));
        builder = builder.histogram(&labels, bounds.zip(between), lines[LINES - 2].value)?;
    }
    Ok(())
}

fn borrowed(labels: &[(String, String)]) -> Vec<(&str, &str)> {
    let pairs = labels.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{ROOT, operation};
    use super::*;
    use crate::{api::OperationKind, operation::End};

    /// Families that only count what the tests count.
    fn latencies() -> impl Iterator<Item = &'static Family> {
        ROOT.iter().filter(|family| family.kind == Kind::Histogram)
    }

    fn next_page(after: Option<u64>) -> MetricsPage {
        page(latencies(), PageRequest { after, limit: 4 })
    }

    #[test]
    fn a_page_goes_on_where_the_last_one_ended_whatever_is_counted_meanwhile() {
        operation(OperationKind::Refill, End::Done, 4_500_000_000);
        let whole = page(
            latencies(),
            PageRequest {
                after: None,
                limit: 100,
            },
        );
        assert_eq!((whole.metrics.len(), whole.next), (LINES, None));

        let first = next_page(None);
        // These come before and behind it.
        operation(OperationKind::Provision, End::Done, 1);
        operation(OperationKind::Retire, End::Done, 1);
        let second = next_page(first.next);
        let third = next_page(second.next);
        let told = [first.metrics, second.metrics, third.metrics].concat();
        assert_eq!(told[..LINES], whole.metrics);
        assert_eq!(told[LINES].labels[0].1, "retire");
    }

    #[test]
    fn prometheus_reads_what_candid_tells() {
        operation(OperationKind::Refill, End::Done, 1_500_000_000);
        operation(OperationKind::Refill, End::Done, 7_200_000_000_000);
        let text = prometheus(latencies(), 12_000_000).expect("memory takes it");
        let text = String::from_utf8(text).expect("it is text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..5],
            [
                "# HELP canic_operation_duration_seconds How long operations that ended took since they were accepted.",
                "# TYPE canic_operation_duration_seconds histogram",
                "canic_operation_duration_seconds_bucket{kind=\"refill\",outcome=\"done\",le=\"1\"} 0 12",
                "canic_operation_duration_seconds_bucket{kind=\"refill\",outcome=\"done\",le=\"2\"} 1 12",
                "canic_operation_duration_seconds_bucket{kind=\"refill\",outcome=\"done\",le=\"5\"} 1 12",
            ]
        );
        let told = page(
            latencies(),
            PageRequest {
                after: None,
                limit: 100,
            },
        )
        .metrics;
        let same: Vec<String> = told
            .iter()
            .map(|metric| {
                let label = |(name, value): &(String, String)| format!("{name}=\"{value}\"");
                let labels: Vec<String> = metric.labels.iter().map(label).collect();
                format!(
                    "{}{{{}}} {} 12",
                    metric.name,
                    labels.join(","),
                    metric.value
                )
            })
            .collect();
        let read: Vec<&str> = lines
            .into_iter()
            .filter(|line| !line.starts_with('#'))
            .collect();
        assert_eq!(read, same);
    }
}
