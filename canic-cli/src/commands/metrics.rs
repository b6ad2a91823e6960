//! `canic metrics`: the metrics of root or of a member.

use candid::Principal;
use canic::api::Metric;
use serde::Serialize;

use crate::{
    commands::{find, watch::Watch},
    failure::Failure,
    fleet::Fleet,
    output::{Out, Style, Text},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The member, PRINCIPAL or ROLE/KEY; root without one
    member: Option<String>,
    /// Metrics whose names contain this text
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Metrics with this label, as `role=worker`
    #[arg(long, value_name = "LABEL=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    #[command(flatten)]
    watch: Watch,
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=');
    let pair = pair.ok_or_else(|| format!("`{text}` is no label: write `role=worker`"))?;
    Ok((pair.0.to_string(), pair.1.to_string()))
}

/// Metrics.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) canister: Principal,
    pub(crate) metrics: Vec<Row>,
}

/// A measured value.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) labels: std::collections::BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl From<Metric> for Row {
    fn from(metric: Metric) -> Self {
        Self {
            name: metric.name,
            labels: metric.labels.into_iter().collect(),
            value: metric.value,
        }
    }
}

pub(crate) async fn run(fleet: &Fleet, args: &Args, out: &Out) -> Result<(), Failure> {
    let canister = match &args.member {
        None => fleet.root,
        Some(member) => find::member(fleet, member).await?.canister,
    };
    let ask = async || ask(fleet, canister, args).await;
    args.watch.report(out, ask).await
}

/// Asks a canister for its metrics, and keeps those that were asked for.
async fn ask(fleet: &Fleet, canister: Principal, args: &Args) -> Result<Report, Failure> {
    let rows = fleet.metrics(canister).await?.into_iter();
    let wanted = |metric: &Metric| {
        let name = args.name.as_ref();
        name.is_none_or(|name| metric.name.contains(name.as_str()))
            && args.label.iter().all(|label| metric.labels.contains(label))
    };
    Ok(Report {
        canister,
        metrics: rows.filter(wanted).map(Row::from).collect(),
    })
}

impl Text for Report {
    fn text(&self, _style: &Style) -> String {
        self.metrics.iter().map(line).collect()
    }
}

/// A value in the form of Prometheus.
fn line(row: &Row) -> String {
    let labels: Vec<String> = row
        .labels
        .iter()
        .map(|(label, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{label}=\"{}\"", value.replace('\n', "\\n"))
        })
        .collect();
    match labels.as_slice() {
        [] => format!("{} {}\n", row.name, row.value),
        labels => format!("{}{{{}}} {}\n", row.name, labels.join(","), row.value),
    }
}
