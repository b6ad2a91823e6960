//! The demo's fleet after its end: a live network, and the commands that look at it.

use std::thread;

use crate::fleet::Fleet;

/// Opens a port for the fleet's network, and prints how to look at it.
///
/// # Errors
/// Root's controllers can't be set, or the network has no port.
pub(crate) fn go_live(fleet: &mut Fleet) -> Result<(), String> {
    // Whoever looks needs no key: the network is on this machine, and ends with the demo.
    fleet.let_anybody_control_root()?;
    let url = fleet.network.go_live().ok_or("this network has no port")?;
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
pub(crate) fn until_interrupted() -> ! {
    loop {
        thread::park();
    }
}
