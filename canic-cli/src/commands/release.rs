//! `canic release`: a new module for a role, from the file to the end of its rollout.

use std::{path::PathBuf, sync::Arc};

use canic::api::{MAX_CHUNK, MembersFilter, ModuleInfo};
use serde::Serialize;

use crate::{
    commands::{plan::PlanArgs, rollout},
    failure::{Failure, Kind},
    fleet::Fleet,
    gate::{self, Judgement},
    module::Module,
    output::{Out, Style, Text, Tone, format, progress},
    staging,
    views::ReleaseRow,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The role
    role: String,
    /// The module: Wasm or gzipped Wasm
    wasm: PathBuf,
    /// The module's Candid interface, if its metadata lacks it
    #[arg(long, value_name = "FILE")]
    did: Option<PathBuf>,
    /// Releases the module although its interface breaks callers
    #[arg(long)]
    force: bool,
    /// Only looks at the interface: changes nothing
    #[arg(long)]
    check: bool,
    /// Begins no rollout: `canic rollout start` does
    #[arg(long, conflicts_with = "plan")]
    manual: bool,
    /// Returns once the rollout has begun
    #[arg(long)]
    detach: bool,
    /// Bytes of a chunk: 1 MiB at most
    #[arg(long, default_value_t = MAX_CHUNK, value_name = "BYTES")]
    chunk: usize,
    /// Chunks under way at once
    #[arg(long, default_value_t = 4, value_name = "CHUNKS")]
    at_once: usize,
    #[command(flatten)]
    plan: PlanArgs,
}

/// A release that was approved.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    role: String,
    /// The SHA-256 of the module in hexadecimal digits.
    module: String,
    /// Bytes of the module.
    size: u64,
    /// The judgements about the releases in use.
    gate: Vec<Judgement>,
    chunks: usize,
    /// Chunks that were sent; root had the others.
    sent: usize,
    /// None after `--check`.
    release: Option<u32>,
    current: bool,
    /// The rollout that brings it to the members.
    rollout: Option<u32>,
}

pub(crate) async fn run(fleet: Arc<Fleet>, args: &Args, out: &Out) -> Result<(), Failure> {
    let mut module = Module::read(&args.wasm)?;
    if let Some(file) = &args.did {
        let text = std::fs::read_to_string(file);
        let failed = |e| Failure::setup(format!("{}: {e}", file.display()));
        module.interface = Some(text.map_err(failed)?);
    }
    let releases = fleet.releases(&args.role).await?;
    let releases: Vec<ReleaseRow> = releases
        .into_iter()
        .map(|row| ReleaseRow::new(&args.role, row))
        .collect();
    let gate = judge(&fleet, &args.role, &module, &releases).await?;
    let mut report = Report {
        role: args.role.clone(),
        module: hex::encode(&module.hash),
        size: module.bytes.len() as u64,
        gate,
        chunks: 0,
        sent: 0,
        release: None,
        current: false,
        rollout: None,
    };
    pass(&report.gate, args.force)?;
    if args.check {
        return out.report(&report);
    }
    upload(&fleet, args, &module, &mut report).await?;
    begin(&fleet, args, &mut report).await?;
    out.report(&report)?;
    match report.rollout {
        Some(id) if !args.detach => rollout::watch(&fleet, id, out).await,
        _ => Ok(()),
    }
}

/// Judges the module by each release that members have: by the interface of one of them, and by the
/// layout of their stable memory.
///
/// # Errors
/// Root or the network does not answer.
pub(crate) async fn judge(
    fleet: &Fleet,
    role: &str,
    module: &Module,
    releases: &[ReleaseRow],
) -> Result<Vec<Judgement>, Failure> {
    let in_use: Vec<&ReleaseRow> = releases.iter().filter(|row| row.members > 0).collect();
    if in_use.is_empty() {
        return Ok(Vec::new());
    }
    let members = fleet
        .members(&MembersFilter::Role(role.to_string()), |_, _| {})
        .await?;
    let mut judgements = Vec::new();
    for row in in_use {
        let member = members.iter().find(|member| member.release == row.release);
        let interface = match member {
            None => None,
            Some(member) => fleet.metadata(member.canister, "candid:service").await?,
        };
        let candidate = module.interface.as_deref();
        let interface = interface.as_deref();
        let mut judgement = gate::judge(row.release, row.members, candidate, interface);
        judgement
            .breaks
            .extend(gate::layout_breaks(module.layout, row.layout));
        judgements.push(judgement);
    }
    Ok(judgements)
}

/// Fails if the interface breaks callers, unless that is what the operator wants.
fn pass(judgements: &[Judgement], force: bool) -> Result<(), Failure> {
    let broken = judgements.iter().filter(|one| !one.breaks.is_empty());
    let lines: Vec<String> = broken
        .flat_map(|one| {
            let release = one.release;
            let line = move |what: &String| format!("\n  release {release}: {what}");
            one.breaks.iter().map(line)
        })
        .collect();
    if lines.is_empty() || force {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Breaks,
        format!(
            "the module's interface breaks callers of releases in use; nothing was changed:{}",
            lines.concat()
        ),
    )
    .with_advice("Keep what is called, or release it with `--force`."))
}

async fn upload(
    fleet: &Arc<Fleet>,
    args: &Args,
    module: &Module,
    report: &mut Report,
) -> Result<(), Failure> {
    let chunks = module.chunks(args.chunk);
    let bar = progress::bar(report.size, "upload");
    let upload = staging::stage(fleet, &args.role, &chunks, args.at_once, &bar).await?;
    bar.finish_and_clear();
    // With a plan of their own, operators begin the rollout.
    let manual = args.manual || args.plan.is_given();
    let approved: ModuleInfo = staging::approve(fleet, &args.role, module, &chunks, manual).await?;
    (report.chunks, report.sent) = (chunks.len(), upload.sent);
    debug_assert_eq!(approved.hash, module.hash);
    Ok(())
}

/// Finds the number of the release, and its rollout; begins that if the operator has a plan.
async fn begin(fleet: &Fleet, args: &Args, report: &mut Report) -> Result<(), Failure> {
    let releases = fleet.releases(&args.role).await?;
    let release = releases
        .iter()
        .rev()
        .find(|release| hex::encode(&release.hash) == report.module);
    let Some(release) = release else {
        return Err(Failure::refused(
            "root has forgotten the release that it approved",
        ));
    };
    report.release = Some(release.number);
    report.current = release.current;
    if release.current || args.manual {
        return Ok(());
    }
    if args.plan.is_given() {
        let id = rollout::begin(fleet, &args.role, Some(release.number), &args.plan).await?;
        report.rollout = Some(id);
        return Ok(());
    }
    let rollouts = fleet.rollouts().await?;
    let begun = rollouts
        .iter()
        .rev()
        .find(|one| one.role == args.role && one.to == release.number);
    report.rollout = begun.map(|one| one.id);
    Ok(())
}

/// A judgement in a few words.
pub(crate) fn judgement_word(judgement: &Judgement, style: &Style) -> String {
    let (tone, word) = match (judgement.breaks.len() as u64, &judgement.unknown) {
        (0, Some(why)) => (Tone::Warn, format!("not compared: {why}")),
        (0, None) => (Tone::Good, "no caller breaks".to_string()),
        (breaks, _) => (
            Tone::Bad,
            format!("{} broken", format::count(breaks, "thing")),
        ),
    };
    style.paint(tone, &word)
}

impl Text for Report {
    fn text(&self, style: &Style) -> String {
        let mut text = String::new();
        for one in &self.gate {
            let word = judgement_word(one, style);
            let members = format::count(one.members.into(), "member");
            text += &format!("interface  release {} ({members}): {word}\n", one.release);
        }
        let hash = format::short_hash(&self.module);
        text += &format!("module     {hash}, {}\n", format::bytes(self.size));
        if let Some(release) = self.release {
            text += &format!("upload     {} of {} chunks sent\n", self.sent, self.chunks);
            let state = match (self.current, self.rollout) {
                (true, _) => "current: new members get it".to_string(),
                (false, Some(rollout)) => format!("rollout {rollout} brings it to the members"),
                (false, None) => format!(
                    "a candidate; `canic rollout start {}` brings it to the members",
                    self.role
                ),
            };
            text += &format!("release    {} of {}, {state}\n", release, self.role);
        }
        text
    }
}
