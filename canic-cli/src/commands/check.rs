//! `canic check`: the attributes of a workspace against each other, what its plan costs a day, and,
//! if asked for, its modules against what is deployed.

use std::path::Path;

use serde::Serialize;

use crate::{
    commands::release,
    connection,
    failure::{Failure, Kind},
    fleet::Fleet,
    gate::{self, Judgement},
    module::Module,
    output::{Out, Style, Text, Tone, format, table::Table},
    project::{
        cargo::{self, Canister, Workspace},
        check::{self, Remark},
        prices::{self, PlanRow},
        roots,
    },
    views::ReleaseRow,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Compares the modules that `canic build` has built with the fleet on the network
    #[arg(long)]
    deployed: bool,
}

/// The remarks about a workspace.
#[derive(Debug, Serialize)]
struct Report {
    canisters: usize,
    remarks: Vec<Remark>,
    /// The parts of the roots' plans, with their prices.
    plan: Vec<Planned>,
    /// Only with `--deployed`.
    deployed: Vec<Deployed>,
}

/// A part of a root's plan.
#[derive(Debug, Serialize)]
struct Planned {
    /// The package of the root.
    root: String,
    #[serde(flatten)]
    row: PlanRow,
}

/// A built module against what is deployed.
#[derive(Debug, Serialize)]
struct Deployed {
    package: String,
    /// The role of a member; none of a root.
    role: Option<String>,
    /// Why the module is compared with nothing.
    skipped: Option<String>,
    /// The judgements about the releases in use; about release 0 of a root.
    releases: Vec<Judgement>,
}

pub(crate) async fn run(
    options: &connection::Options,
    args: &Args,
    out: &Out,
) -> Result<(), Failure> {
    let workspace = cargo::workspace()?;
    let deployed = match args.deployed {
        true => compare(&Fleet::new(options.connect().await?), &workspace).await?,
        false => Vec::new(),
    };
    let report = Report {
        canisters: workspace.canisters.len(),
        remarks: check::check(&workspace.canisters),
        plan: plan(&workspace),
        deployed,
    };
    out.report(&report)?;
    let errors = report.remarks.iter().filter(|remark| remark.is_error);
    let errors = errors.count() as u64;
    let releases = report.deployed.iter().flat_map(|one| &one.releases);
    let breaks: usize = releases.map(|one| one.breaks.len()).sum();
    match (errors, breaks) {
        (0, 0) => Ok(()),
        (0, breaks) => Err(Failure::new(
            Kind::Breaks,
            format!(
                "{} of what is deployed",
                format::count(breaks as u64, "break")
            ),
        )
        .with_advice("Keep what is called, or release it with `canic release --force`.")),
        (errors, _) => Err(Failure::refused(format::count(errors, "contradiction"))),
    }
}

/// The prices of the roots' plans.
fn plan(workspace: &Workspace) -> Vec<Planned> {
    let members = roots::members(&workspace.canisters);
    let mut planned = Vec::new();
    for root in roots::roots(&workspace.canisters) {
        let module = |role: &str| {
            let role = root.roles.iter().find(|one| one.name == role)?;
            let (canister, _) = root.members(role, &members).into_iter().next()?;
            let metadata = canister.module(&workspace.target).metadata();
            metadata.ok().map(|metadata| metadata.len())
        };
        let plan = root.canister.plan.as_ref();
        let rows = plan.map_or(Vec::new(), |plan| prices::prices(plan, module));
        planned.extend(rows.into_iter().map(|row| Planned {
            root: root.canister.package.clone(),
            row,
        }));
    }
    planned
}

/// The canisters that are meant for the fleet that is deployed: those of the root whose package its
/// module names, or all.
async fn meant<'a>(fleet: &Fleet, canisters: &'a [Canister]) -> Result<Vec<&'a Canister>, Failure> {
    let built = fleet.metadata(fleet.root, "canic:crate").await?;
    // A name and a version.
    let package = built.as_deref().and_then(|text| text.split(' ').next());
    let mut roots = roots::roots(canisters).into_iter();
    let root = roots.find(|root| Some(root.canister.package.as_str()) == package);
    let members = roots::members(canisters);
    let is_meant = |one: &&Canister| root.is_none_or(|root| root.concerns(one, &members));
    Ok(canisters.iter().filter(is_meant).collect())
}

/// Compares the built module of each canister with the releases that members have, and with root.
async fn compare(fleet: &Fleet, workspace: &Workspace) -> Result<Vec<Deployed>, Failure> {
    let mut compared = Vec::new();
    for canister in meant(fleet, &workspace.canisters).await? {
        let file = canister.module(&workspace.target);
        let mut one = Deployed {
            package: canister.package.clone(),
            role: canister.role().map(str::to_string),
            skipped: None,
            releases: Vec::new(),
        };
        if file.is_file() {
            one.releases = judge(fleet, canister, &file).await?;
            if one.releases.is_empty() {
                one.skipped = Some("no member has the role".to_string());
            }
        } else {
            one.skipped = Some("it is not built: `canic build` does that".to_string());
        }
        compared.push(one);
    }
    Ok(compared)
}

async fn judge(fleet: &Fleet, canister: &Canister, file: &Path) -> Result<Vec<Judgement>, Failure> {
    let module = Module::read(file)?;
    let Some(role) = canister.role() else {
        let deployed = fleet.metadata(fleet.root, "candid:service").await?;
        let layout = fleet.metadata(fleet.root, "canic:layout").await?;
        let layout = layout.and_then(|digits| digits.parse().ok());
        let candidate = module.interface.as_deref();
        let mut judgement = gate::judge(0, 1, candidate, deployed.as_deref());
        judgement
            .breaks
            .extend(gate::layout_breaks(module.layout, layout));
        return Ok(vec![judgement]);
    };
    let releases = fleet.releases(role).await?.into_iter();
    let releases: Vec<ReleaseRow> = releases.map(|row| ReleaseRow::new(role, row)).collect();
    release::judge(fleet, role, &module, &releases).await
}

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        let mut text = String::new();
        for remark in &self.remarks {
            let (tone, word) = match remark.is_error {
                true => (Tone::Bad, "error"),
                false => (Tone::Warn, "warning"),
            };
            let word = style.paint(tone, word);
            text += &match remark.package.as_str() {
                "" => format!("{word}: {}\n", remark.what),
                package => format!("{word}: {package}: {}\n", remark.what),
            };
        }
        let canisters = format::count(self.canisters as u64, "canister");
        let remarks = format::count(self.remarks.len() as u64, "remark");
        text += &format!("{canisters}, {remarks}\n");
        let plans: Vec<&[Planned]> = self.plan.chunk_by(|a, b| a.root == b.root).collect();
        for plan in &plans {
            text += "\n";
            if plans.len() > 1 {
                text += &format!("root {}\n", plan[0].root);
            }
            text += &plan_table(plan, style);
        }
        if !self.deployed.is_empty() {
            text += "\n";
            let lines = self.deployed.iter().map(|one| deployed_lines(one, style));
            text += &lines.collect::<String>();
        }
        text
    }
}

fn plan_table(plan: &[Planned], style: &Style) -> String {
    let rows: Vec<PlanRow> = plan.iter().map(|planned| planned.row.clone()).collect();
    let names = [
        "PLAN",
        "#AT LEAST",
        "#AT MOST",
        "#ONE A DAY",
        "#A DAY AT LEAST",
        "#A DAY AT MOST",
        "#A NEW ONE",
    ];
    let mut table = Table::new(&names);
    let cycles = |cycles: Option<u128>| cycles.map_or("-".to_string(), format::cycles);
    for row in &rows {
        let is_canister = row.once.is_some();
        let count = |count: Option<u64>| match count {
            _ if !is_canister => "-".to_string(),
            Some(count) => count.to_string(),
            None => "no limit".to_string(),
        };
        let name = match &row.role {
            Some(role) => format!("{} {role}", row.part),
            None => row.part.to_string(),
        };
        let cells = [
            name,
            count(Some(row.least)),
            count(row.most),
            cycles(is_canister.then_some(row.per_day.0)),
            cycles(is_canister.then_some(row.least_per_day())),
            row.most_per_day()
                .map_or("no limit".to_string(), format::cycles),
            cycles(row.once.map(|once| once.0)),
        ];
        table.row(Tone::Plain, &cells);
    }
    let most = match prices::most_per_day(&rows) {
        Some(most) => format!("{} a day at most", format::cycles(most)),
        None => "no limit: a role has no `max`, or its grants have none".to_string(),
    };
    let prices = "at 13 nodes' prices, for canisters at rest";
    format!("{}in all: {most}; {prices}\n", table.text(style))
}

fn deployed_lines(one: &Deployed, style: &Style) -> String {
    let name = match &one.role {
        Some(role) => format!("role {role}"),
        None => format!("root {}", one.package),
    };
    if let Some(why) = &one.skipped {
        return format!("{name}: not compared: {why}\n");
    }
    let mut text = String::new();
    for judgement in &one.releases {
        let of = match one.role {
            Some(_) => {
                let members = format::count(judgement.members.into(), "member");
                format!("{name}, release {} ({members})", judgement.release)
            }
            None => name.clone(),
        };
        text += &format!("{of}: {}\n", release::judgement_word(judgement, style));
        for line in &judgement.breaks {
            text += &format!("  {line}\n");
        }
    }
    text
}
