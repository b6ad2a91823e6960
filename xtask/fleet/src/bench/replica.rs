//! `cargo xtask bench replica`: the times of a test suite on this machine, through the ordinary
//! client.

use std::time::Instant;

use candid::{CandidType, Encode, Principal};
use canic_artifacts as artifacts;
use canic_fleet_tests::user;
use canic_replica::client::Control;
use pocket_ic::{PocketIc, PocketIcBuilder};
use serde::Serialize;

/// The package of the canister that is called: an ordinary one, written with ic-cdk.
const CANISTER: &str = "baseline-worker";

#[derive(CandidType)]
struct Args {
    owner: Principal,
}

/// Median times in milliseconds. A figure is `null` if this server lacks the feature.
#[derive(Serialize)]
struct Figures {
    instance_ms: f64,
    create_fund_install_ms: f64,
    update_ms: f64,
    query_ms: f64,
    fork_ms: Option<f64>,
}

/// The goals of the medians in milliseconds, in the order of [`Figures`].
const GOALS: [(&str, f64); 5] = [
    ("an instance", 10.0),
    ("create, fund and install a canister", 7.0),
    ("an update call", 2.0),
    ("a query call", 1.0),
    ("a fork", 10.0),
];

/// Measures and prints; with `json`, the figures once more as the last line. A missed goal is no
/// error: the reader knows what else the machine was doing.
///
/// # Errors
/// When the canister can't be built, or an argument can't be encoded.
pub(crate) fn run(json: bool) -> Result<(), String> {
    artifacts::ensure_wasm_target()?;
    let module = artifacts::module(CANISTER);
    // Starts the server, and lets it compile the module.
    let pic = instance();
    let (canister, owner) = install(&pic, &module);

    let note = Encode!(&"title", &"text").map_err(|e| e.to_string())?;
    let title = Encode!(&"title").map_err(|e| e.to_string())?;
    let control = Control::of(&pic);
    let figures = Figures {
        instance_ms: median(50, || drop(instance())),
        create_fund_install_ms: median(200, || {
            install(&pic, &module);
        }),
        update_ms: median(500, || {
            let answer = pic.update_call(canister, owner, "put", note.clone());
            answer.expect("the canister takes notes");
        }),
        query_ms: median(1_000, || {
            let answer = pic.query_call(canister, owner, "get", title.clone());
            answer.expect("the canister shows notes");
        }),
        fork_ms: control.map(|control| {
            median(50, || {
                drop(control.fork().expect("an instance can be forked"));
            })
        }),
    };
    let medians = [
        Some(figures.instance_ms),
        Some(figures.create_fund_install_ms),
        Some(figures.update_ms),
        Some(figures.query_ms),
        figures.fork_ms,
    ];
    println!("{:<38} {:>9} {:>9}", "median", "ms", "goal");
    for ((what, goal), median) in GOALS.into_iter().zip(medians) {
        match median {
            Some(median) => println!("{what:<38} {median:>9.3} {goal:>9}"),
            None => println!("{what:<38} {:>9} {goal:>9}", "can't"),
        }
    }
    if json {
        let line = serde_json::to_string(&figures).map_err(|e| e.to_string())?;
        println!("{line}");
    }
    Ok(())
}

fn instance() -> PocketIc {
    PocketIcBuilder::new()
        .with_server_binary(artifacts::server())
        .with_application_subnet()
        .build()
}

/// A funded canister with the module installed, and the user whom it serves.
fn install(pic: &PocketIc, module: &[u8]) -> (Principal, Principal) {
    let owner = user(1);
    let canister = pic.create_canister_with_settings(Some(owner), None);
    pic.add_cycles(canister, 10_000_000_000_000);
    let args = Encode!(&Args { owner }).expect("the argument is small");
    pic.install_canister(canister, module.to_vec(), args, Some(owner));
    (canister, owner)
}

/// The median time of so many runs, in milliseconds.
fn median(runs: usize, mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}
