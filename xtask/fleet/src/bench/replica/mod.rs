//! `cargo xtask bench replica`: the times of a test suite on this machine, through the ordinary
//! client.

mod heaps;
mod ring;
mod tables;

use std::time::Instant;

use candid::{CandidType, Encode, Principal};
use canic_artifacts as artifacts;
use canic_fleet_tests::user;
use canic_replica::client::Control;
use pocket_ic::{PocketIc, PocketIcBuilder};
use serde::Serialize;

use super::figures::Bound;

pub(super) use tables::tables;

/// The package of the canister that is called: an ordinary one, written with ic-cdk.
const CANISTER: &str = "baseline-worker";

#[derive(CandidType)]
struct Args {
    owner: Principal,
}

/// The most that a message may take with the largest heap, as a ratio to the smallest one.
const GROWTH: f64 = 1.3;

/// All figures. Those are `null` that this server can't show.
#[derive(Serialize)]
pub(super) struct Figures {
    times: Vec<Time>,
    heaps: Vec<heaps::Row>,
    forks: Option<heaps::Forks>,
    ring: Option<ring::Ring>,
}

/// A median time in milliseconds, and what it should be.
#[derive(Serialize)]
struct Time {
    what: &'static str,
    ms: f64,
    goal: f64,
}

/// Measures on the server that the tests use; `POCKET_IC_BIN` names another one.
///
/// # Errors
/// When a canister can't be built, an argument can't be encoded, or a server fails.
pub(super) fn measure() -> Result<Figures, String> {
    Ok(Figures {
        times: times()?,
        heaps: heaps::rows()?,
        forks: heaps::forks()?,
        ring: ring::measure()?,
    })
}

/// The bounds on ratios, which are taken side by side. Times have none: the reader knows what else
/// the machine was doing.
pub(super) fn bounds(figures: &Figures) -> Vec<Bound> {
    let [small, .., large] = heaps::HEAPS.map(|kilobytes| kilobytes / 1_000);
    let bound = |row: &heaps::Row| {
        let what = format!(
            "the replica, {}: ratio of {large} MB to {small} MB",
            row.what
        );
        Bound::new(what, row.ratio(), GROWTH)
    };
    figures.heaps.iter().map(bound).collect()
}

/// The times of a small canister.
fn times() -> Result<Vec<Time>, String> {
    let module = artifacts::module(CANISTER);
    // Starts the server, and lets it compile the module.
    let pic = instance();
    let (canister, owner) = install_notes(&pic, &module);
    let note = Encode!(&"title", &"text").map_err(|e| e.to_string())?;
    let title = Encode!(&"title").map_err(|e| e.to_string())?;
    let time = |what, goal, runs, run: &mut dyn FnMut()| Time {
        what,
        ms: median((0..runs).map(|_| millis(&mut *run)).collect()),
        goal,
    };
    let mut times = vec![
        time("an instance", 5.0, 50, &mut || drop(instance())),
        time("create, fund and install a canister", 5.0, 200, &mut || {
            install_notes(&pic, &module);
        }),
        time("an update call", 0.4, 500, &mut || {
            let answer = pic.update_call(canister, owner, "put", note.clone());
            answer.expect("the canister takes notes");
        }),
        time("a query call", 0.15, 1_000, &mut || {
            let answer = pic.query_call(canister, owner, "get", title.clone());
            answer.expect("the canister shows notes");
        }),
    ];
    if let Some(control) = Control::of(&pic) {
        times.push(time("a fork", 20.0, 50, &mut || {
            drop(control.fork().expect("an instance can be forked"));
        }));
    }
    Ok(times)
}

fn instance() -> PocketIc {
    PocketIcBuilder::new()
        .with_server_binary(artifacts::server())
        .with_application_subnet()
        .build()
}

/// A funded canister with the module installed, and the user whom it serves.
fn install_notes(pic: &PocketIc, module: &[u8]) -> (Principal, Principal) {
    let owner = user(1);
    let canister = pic.create_canister_with_settings(Some(owner), None);
    pic.add_cycles(canister, 10_000_000_000_000);
    let args = Encode!(&Args { owner }).expect("the argument is small");
    pic.install_canister(canister, module.to_vec(), args, Some(owner));
    (canister, owner)
}

/// A funded canister with a module that takes no argument.
fn install(pic: &PocketIc, module: &[u8]) -> Principal {
    let canister = pic.create_canister();
    pic.add_cycles(canister, 1_000_000_000_000_000);
    pic.install_canister(canister, module.to_vec(), Vec::new(), None);
    canister
}

/// The time of a run, in milliseconds.
fn millis(run: impl FnOnce()) -> f64 {
    let started = Instant::now();
    run();
    started.elapsed().as_secs_f64() * 1_000.0
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
