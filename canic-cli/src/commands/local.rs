//! `canic local`: a local network with the fleet of this workspace on it.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use candid::{CandidType, Nat, Principal, encode_args};
use canic::api::{RolloutControl, RolloutPhase};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    commands::{author, plan::PlanArgs, rollout},
    connection::{self, Connection, Network},
    failure::Failure,
    fleet::Fleet,
    module::Module,
    output::{self, Out, Style, Text, progress},
    project::{
        attributes::Declared,
        build::{self, Built},
        cargo::{self, Workspace},
        replica::LocalNetwork,
    },
    staging,
};

/// Cycles of a new root.
const CYCLES: u128 = 100_000_000_000_000;

/// The pause between two looks at the sources.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The port; 0 for any free one
    #[arg(long, default_value_t = 8000, value_name = "PORT")]
    port: u16,
    /// Goes on with the state of the last time
    #[arg(long)]
    keep: bool,
    /// Builds and rolls out what changes, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// The network, and the fleet on it.
#[derive(Debug, Serialize)]
struct Report {
    url: String,
    /// The public key of the network in hexadecimal digits.
    root_key: String,
    /// The fleet's root.
    root: Principal,
}

/// What a change of the sources led to.
#[derive(Debug, Serialize)]
struct Step<'a> {
    package: Option<&'a str>,
    role: Option<&'a str>,
    /// `upgraded`: root; `released`: a role's module; `up_to_date`: the whole fleet.
    done: &'static str,
}

impl<'a> Step<'a> {
    fn new(package: Option<&'a str>, role: Option<&'a str>, done: &'static str) -> Self {
        Self {
            package,
            role,
            done,
        }
    }
}

impl Text for Report {
    fn text(&self, _style: &Style) -> String {
        format!(
            "network  {}\nroot     {}\n\nIn this project's folder: canic status. Ctrl-C ends it.\n",
            self.url, self.root
        )
    }
}

pub(crate) async fn run(
    options: &connection::Options,
    args: &Args,
    out: &Out,
) -> Result<(), Failure> {
    let workspace = cargo::workspace()?;
    let folder = workspace.target.join("canic/local");
    // It is held until the network has ended.
    let _alone = claim(&folder)?;
    let built = build::build(&workspace, author::profile(&workspace, None))?;
    if !args.keep && folder.exists() {
        let removed = fs::remove_dir_all(&folder);
        removed.map_err(|e| Failure::setup(format!("{}: {e}", folder.display())))?;
    }
    // From here on an interrupt ends the network, too, which then writes its state.
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let network = tokio::select! {
        biased;
        interrupted = &mut interrupted => return interrupted.map_err(|e| no_interrupts(&e)),
        network = async { LocalNetwork::start(args.port, &folder) } => network?,
    };
    let ended = tokio::select! {
        interrupted = interrupted => interrupted.map_err(|e| no_interrupts(&e)),
        ended = serve(options, args, &workspace, &network, built, out) => ended,
    };
    network.end();
    ended
}

/// Claims the folder of the local network: a second one would replace the files of the first.
///
/// # Errors
/// A network of this project runs already, or the folder can't be written.
fn claim(folder: &Path) -> Result<File, Failure> {
    let file = folder.with_extension("lock");
    let failed = |e: io::Error| Failure::setup(format!("{}: {e}", file.display()));
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let lock = File::create(&file).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Failure::setup(
            "a local network of this project runs already",
        )
        .with_advice("`canic status` shows its fleet; Ctrl-C where it runs ends it.")),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}

fn no_interrupts(e: &io::Error) -> Failure {
    Failure::setup(format!("Ctrl-C can't be awaited: {e}"))
}

/// Deploys the fleet, and watches its sources if that is asked for.
///
/// # Errors
/// The fleet can't be deployed.
async fn serve(
    options: &connection::Options,
    args: &Args,
    workspace: &Workspace,
    network: &LocalNetwork,
    built: Vec<Built>,
    out: &Out,
) -> Result<(), Failure> {
    let folder = workspace.target.join("canic/local");
    let url = format!("http://localhost:{}", network.port);
    let fleet = deploy(options, network, &url, &folder, &built).await?;
    out.report(&Report {
        url,
        root_key: network.root_key.clone(),
        root: fleet.root,
    })?;
    let fleet = Arc::new(fleet);
    if let Err(failure) = catch_up(workspace, &fleet, &built, out).await {
        output::failure(&failure, out.json);
    }
    match args.watch {
        true => watch(workspace, fleet, built, out).await,
        false => std::future::pending().await,
    }
}

/// Rolls out the modules that the fleet lacks: those that root does not embed, and in a fleet that
/// was kept those that the sources make now.
async fn catch_up(
    workspace: &Workspace,
    fleet: &Arc<Fleet>,
    built: &[Built],
    out: &Out,
) -> Result<(), Failure> {
    let root = fleet.module_hash(fleet.root).await?;
    let modules = fleet.modules().await?;
    let embedded = embedded(workspace);
    let (mut same, mut lacks) = (Vec::new(), false);
    for one in built {
        let hash = Module::read(&one.gzipped)?.hash;
        let is_deployed = match &one.role {
            None => root.as_ref() == Some(&hash),
            Some(role) => modules
                .iter()
                .any(|module| module.role == *role && module.hash == hash),
        };
        if is_deployed {
            same.push((one.module.clone(), Module::read(&one.module)?.hash));
        } else if !one
            .role
            .as_ref()
            .is_some_and(|role| embedded.contains(role))
        {
            lacks = true;
        }
    }
    match lacks {
        true => roll_out(workspace, fleet, built, &same, out).await,
        false => Ok(()),
    }
}

/// The fleet of the last time, or a new root with the built module. Other commands find it by a
/// file.
async fn deploy(
    options: &connection::Options,
    network: &LocalNetwork,
    url: &str,
    folder: &Path,
    built: &[Built],
) -> Result<Fleet, Failure> {
    let key = hex::decode(&network.root_key);
    let key = key.map_err(|e| Failure::setup(format!("the network's key: {e}")))?;
    let known = Network::of(url, key);
    let (agent, caller) = options.agent(&known).await?;
    let fleet = |root| {
        Fleet::new(Connection {
            agent: agent.clone(),
            network: known.clone(),
            root,
            caller,
        })
    };
    let file = folder.join("fleet.json");
    let fleet = match recorded(&file) {
        Some(root) => fleet(root),
        None => create(fleet, network.near, built).await?,
    };
    let text = json!({ "url": url, "root-key": network.root_key, "root": fleet.root });
    let written = fs::write(&file, format!("{text}\n"));
    written.map_err(|e| Failure::setup(format!("{}: {e}", file.display())))?;
    Ok(fleet)
}

/// A new root with the built module. `near` is an id of the subnet that it is created on.
async fn create(
    fleet: impl Fn(Principal) -> Fleet,
    near: Principal,
    built: &[Built],
) -> Result<Fleet, Failure> {
    let Some(module) = built.iter().find(|one| one.role.is_none()) else {
        return Err(Failure::setup(
            "no crate of this workspace has `#[canic::root(..)]`",
        ));
    };
    let create = Create {
        amount: Some(Nat::from(CYCLES)),
    };
    let method = "provisional_create_canister_with_cycles";
    let created: Created = fleet(near)
        .management(near, method, false, (create,))
        .await?;
    let fleet = fleet(created.canister_id);
    install(&fleet, Mode::Install, &module.gzipped).await?;
    Ok(fleet)
}

/// The root that an earlier run deployed.
fn recorded(file: &Path) -> Option<Principal> {
    let text = fs::read_to_string(file).ok()?;
    let fleet: serde_json::Value = serde_json::from_str(&text).ok()?;
    Principal::from_text(fleet["root"].as_str()?).ok()
}

#[derive(CandidType)]
struct Create {
    amount: Option<Nat>,
}

#[derive(CandidType, Deserialize)]
struct Created {
    canister_id: Principal,
}

#[derive(Clone, Copy, CandidType, Deserialize)]
enum Mode {
    #[serde(rename = "install")]
    Install,
    #[serde(rename = "upgrade")]
    Upgrade,
}

#[derive(CandidType, Deserialize)]
struct Install {
    mode: Mode,
    canister_id: Principal,
    #[serde(with = "serde_bytes")]
    wasm_module: Vec<u8>,
    #[serde(with = "serde_bytes")]
    arg: Vec<u8>,
}

#[derive(CandidType)]
struct Named {
    canister_id: Principal,
}

/// Installs root, or upgrades it as an operator does: stop, upgrade, start.
async fn install(fleet: &Fleet, mode: Mode, module: &Path) -> Result<(), Failure> {
    let root = fleet.root;
    let wasm_module =
        fs::read(module).map_err(|e| Failure::setup(format!("{}: {e}", module.display())))?;
    let arg = encode_args(()).map_err(|e| Failure::refused(e.to_string()))?;
    let request = Install {
        mode,
        canister_id: root,
        wasm_module,
        arg,
    };
    let named = || Named { canister_id: root };
    if matches!(mode, Mode::Upgrade) {
        let () = fleet.order(root, "stop_canister", (named(),)).await?;
    }
    let installed = fleet.order(root, "install_code", (request,)).await;
    if matches!(mode, Mode::Upgrade) {
        // Also after a refused upgrade: the old code runs on.
        let () = fleet.order(root, "start_canister", (named(),)).await?;
    }
    installed
}

/// Builds when a source changes, and rolls out what has changed.
async fn watch(
    workspace: &Workspace,
    fleet: Arc<Fleet>,
    mut built: Vec<Built>,
    out: &Out,
) -> Result<(), Failure> {
    let mut seen = newest(&workspace.root, &workspace.target);
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = newest(&workspace.root, &workspace.target);
        if now == seen {
            continue;
        }
        seen = now;
        let before = hashes(&built);
        let ended = async {
            // The attributes may have changed as well.
            let workspace = cargo::workspace()?;
            built = build::build(&workspace, author::profile(&workspace, None))?;
            roll_out(&workspace, &fleet, &built, &before, out).await
        };
        // A mistake in the source ends nothing: the next change may mend it.
        if let Err(failure) = ended.await {
            output::failure(&failure, out.json);
        }
    }
}

/// The number of sources and the time of the newest one.
fn newest(folder: &Path, target: &Path) -> (usize, Option<SystemTime>) {
    let (mut count, mut newest) = (0, None);
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() && !name.starts_with('.') && path != target {
                folders.push(path);
            } else if name.ends_with(".rs") || name.ends_with(".toml") {
                count += 1;
                newest = newest.max(metadata.modified().ok());
            }
        }
    }
    (count, newest)
}

/// The hashes of built modules by their files.
fn hashes(built: &[Built]) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |one: &Built| Some((one.module.clone(), Module::read(&one.module).ok()?.hash));
    built.iter().filter_map(read).collect()
}

/// Upgrades root if its module is another one, then releases changed modules that it does not
/// embed, and sees all rollouts to their ends.
async fn roll_out(
    workspace: &Workspace,
    fleet: &Arc<Fleet>,
    built: &[Built],
    before: &[(PathBuf, Vec<u8>)],
    out: &Out,
) -> Result<(), Failure> {
    let embedded = embedded(workspace);
    for one in built {
        let module = Module::read(&one.module)?;
        if before.contains(&(one.module.clone(), module.hash.clone())) {
            continue;
        }
        match &one.role {
            None => {
                let step = Step::new(Some(&one.package), None, "upgraded");
                out.step(&step, &format!("{}: root is upgraded", one.package))?;
                install(fleet, Mode::Upgrade, &one.gzipped).await?;
            }
            Some(role) if embedded.contains(role) => {}
            Some(role) => {
                let step = Step::new(Some(&one.package), Some(role), "released");
                out.step(&step, &format!("{}: role {role} is released", one.package))?;
                release(fleet, role, &one.gzipped).await?;
            }
        }
    }
    finish_rollouts(fleet, out).await
}

/// The roles whose modules a root of the workspace embeds.
fn embedded(workspace: &Workspace) -> Vec<String> {
    let roles = workspace
        .canisters
        .iter()
        .filter_map(|one| match &one.declared {
            Declared::Root(roles) => Some(roles),
            Declared::Role(_) => None,
        });
    let embedded = roles.flatten().filter(|role| role.wasm.is_some());
    embedded.map(|role| role.name.clone()).collect()
}

async fn release(fleet: &Arc<Fleet>, role: &str, file: &Path) -> Result<(), Failure> {
    let module = Module::read(file)?;
    let chunks = module.chunks(canic::api::MAX_CHUNK);
    let bar = progress::bar(module.bytes.len() as u64, "upload");
    staging::stage(fleet, role, &chunks, 4, &bar).await?;
    bar.finish_and_clear();
    staging::approve(fleet, role, &module, &chunks, true).await?;
    let releases = fleet.releases(role).await?;
    match releases.iter().find(|release| release.candidate) {
        Some(candidate) => {
            let plan = PlanArgs::without_bake();
            rollout::begin(fleet, role, Some(candidate.number), &plan).await?;
            Ok(())
        }
        None => Ok(()),
    }
}

/// Waits until no rollout is under way. On a local network nobody waits for a bake.
async fn finish_rollouts(fleet: &Fleet, out: &Out) -> Result<(), Failure> {
    loop {
        let rollouts = fleet.rollouts().await?;
        let active = rollouts
            .iter()
            .find(|one| !matches!(one.phase, RolloutPhase::Settle | RolloutPhase::Ended));
        let Some(active) = active else {
            return out.step(&Step::new(None, None, "up_to_date"), "up to date");
        };
        if let Some(why) = &active.paused {
            let what = format!("rollout {} is paused: {why}", active.id);
            return Err(Failure::refused(what).with_advice(
                "`canic rollout undo` brings the old release back, `canic rollout abort` ends it; \
                 a newer module is released after that.",
            ));
        }
        if active.phase == RolloutPhase::Bake {
            rollout::control(fleet, active.id, RolloutControl::Promote).await?;
        }
        tokio::time::sleep(PAUSE / 4).await;
    }
}
