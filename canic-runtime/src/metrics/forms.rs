//! The two forms of metrics: Candid rows in pages, and the text that Prometheus reads.

use std::{io, mem};

use ic_metrics_encoder::{LabeledHistogramBuilder, LabeledMetricsBuilder, MetricsEncoder};

use super::{
    family::{Family, Kind, Row, Rows},
    histogram::{BOUNDS, ROWS},
};
use crate::{
    api::{Metric, MetricsPage, PageRequest},
    codec::paging,
};

// Candid

/// A page of all values. Its cursor is the position of a value. A value keeps its position until
/// the next upgrade, also when other values are counted for the first time.
pub(crate) fn page(
    families: impl Iterator<Item = &'static Family>,
    request: PageRequest,
) -> MetricsPage {
    let limit = paging::rows(request.limit);
    let (mut metrics, mut last) = (Vec::new(), None);
    for (number, family) in families.enumerate() {
        for row in Rows::of(family) {
            let position = (number as u64) << 32 | row.number as u64;
            if request.after.is_some_and(|after| position <= after) {
                continue;
            }
            if metrics.len() == limit {
                let next = last;
                return MetricsPage { metrics, next };
            }
            last = Some(position);
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

/// All values as Prometheus reads them, with the time `now` in nanoseconds since the epoch.
///
/// # Errors
///
/// If the encoder can't write into memory, which does not happen.
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

/// The encoder adds up the buckets itself, so it gets the number of latencies between two bounds.
fn histograms(mut builder: LabeledHistogramBuilder<'_, Vec<u8>>, rows: &[Row]) -> io::Result<()> {
    for rows in rows.chunks_exact(ROWS) {
        let labels = borrowed(&rows[ROWS - 1].labels);
        let bounds = BOUNDS.map(f64::from).into_iter().chain([f64::INFINITY]);
        let mut below = 0.0;
        let between = rows
            .iter()
            .map(|row| row.value - mem::replace(&mut below, row.value));
        builder = builder.histogram(&labels, bounds.zip(between), rows[ROWS - 2].value)?;
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
    use std::cell::RefCell;

    use super::*;
    use crate::metrics::{family::Label, histogram::Latencies};

    thread_local! {
        static TRIPS: RefCell<Latencies> = const { RefCell::new(Latencies::new()) };
    }

    static FAMILIES: [Family; 1] = [Family {
        name: "canic_trip_seconds",
        kind: Kind::Histogram,
        labels: &[
            Label {
                name: "by",
                words: &["air", "land", "sea"],
            },
            Label {
                name: "outcome",
                words: &["arrived", "lost"],
            },
        ],
        help: "How long trips took.",
        measure: |rows| TRIPS.with_borrow(|trips| rows.add_histograms(trips)),
    }];

    /// Counts a trip by the index of its label's word. All trips arrive.
    fn observe(by: usize, nanoseconds: u64) {
        TRIPS.with_borrow_mut(|trips| trips.entry([by, 0]).or_default().observe(nanoseconds));
    }

    fn page_after(after: Option<u64>, limit: u32) -> MetricsPage {
        page(FAMILIES.iter(), PageRequest { after, limit })
    }

    #[test]
    fn a_page_goes_on_where_the_last_one_ended_whatever_is_counted_meanwhile() {
        observe(1, 4_500_000_000);
        let whole = page_after(None, 100);
        assert_eq!((whole.metrics.len(), whole.next), (ROWS, None));

        let first = page_after(None, 4);
        // The rows of these come before and behind the cursor.
        observe(0, 1);
        observe(2, 1);
        let second = page_after(first.next, 4);
        let third = page_after(second.next, 4);
        let pages = [first.metrics, second.metrics, third.metrics].concat();
        assert_eq!(pages[..ROWS], whole.metrics);
        assert_eq!(pages[ROWS].labels[0].1, "sea");
    }

    #[test]
    fn prometheus_text_and_candid_have_the_same_values() {
        observe(1, 1_500_000_000);
        observe(1, 7_200_000_000_000);
        let text = prometheus(FAMILIES.iter(), 12_000_000).expect("memory takes it");
        let text = String::from_utf8(text).expect("it is text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..5],
            [
                "# HELP canic_trip_seconds How long trips took.",
                "# TYPE canic_trip_seconds histogram",
                "canic_trip_seconds_bucket{by=\"land\",outcome=\"arrived\",le=\"1\"} 0 12",
                "canic_trip_seconds_bucket{by=\"land\",outcome=\"arrived\",le=\"2\"} 1 12",
                "canic_trip_seconds_bucket{by=\"land\",outcome=\"arrived\",le=\"5\"} 1 12",
            ]
        );
        let metrics = page_after(None, 100).metrics;
        let expected: Vec<String> = metrics.iter().map(prometheus_line).collect();
        let values: Vec<&str> = lines
            .into_iter()
            .filter(|line| !line.starts_with('#'))
            .collect();
        assert_eq!(values, expected);
    }

    fn prometheus_line(metric: &Metric) -> String {
        let label = |(name, value): &(String, String)| format!("{name}=\"{value}\"");
        let labels: Vec<String> = metric.labels.iter().map(label).collect();
        let Metric { name, value, .. } = metric;
        format!("{name}{{{}}} {value} 12", labels.join(","))
    }
}
