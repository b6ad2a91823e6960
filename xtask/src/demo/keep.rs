//! The demo's fleet after its end: a live network, and the commands that look at it.

use std::thread;

use candid::Principal;
use canic_fleet_tests::Fleet;

/// Opens a port for the fleet's network, and prints how to look at it.
///
/// # Errors
/// Root's controllers can't be set.
pub(super) fn go_live(fleet: &mut Fleet) -> Result<(), String> {
    // Whoever looks needs no key: the network is on this machine, and ends with the demo.
    let owners = vec![fleet.controller, fleet.root, Principal::anonymous()];
    let set = fleet
        .pic
        .set_controllers(fleet.root, Some(fleet.controller), owners);
    set.map_err(|reject| format!("root's controllers: {reject}"))?;
    let url = fleet.pic.make_live(None);
    let canic = format!(
        "cargo run -p canic-cli -- --network {url} --root {} --identity anonymous",
        fleet.root
    );
    println!("\nlook at this fleet from another terminal:");
    for command in ["status", "tree", "costs", "dashboard"] {
        println!("  {canic} {command}");
    }
    println!("Ctrl-C ends it.");
    Ok(())
}

/// Waits for the interrupt, which ends the program.
pub(super) fn until_interrupted() -> ! {
    loop {
        thread::park();
    }
}
