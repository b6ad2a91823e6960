//! Releases of one build: other bytes over the name of the release in its module.

use canic_fleet_tests::artifacts;

/// The name in the module that was built (`tests/fleet/fixtures/releases`).
const BUILT: &[u8] = b"canic-release:good:0001;";

/// The role of the members with releases.
pub(crate) const ROLE: &str = "releases";

/// The module of a release: what it does, in four letters, and its number.
pub(crate) fn release(does: &str, number: u32) -> Vec<u8> {
    renamed(artifacts::module("fixture-releases"), does, number)
}

/// A build of root that embeds a release.
pub(crate) fn root_with(does: &str, number: u32) -> Vec<u8> {
    renamed(artifacts::module("fixture-releases-root"), does, number)
}

fn renamed(mut module: Vec<u8>, does: &str, number: u32) -> Vec<u8> {
    let name = format!("canic-release:{does}:{number:04};");
    let mut windows = module.windows(BUILT.len());
    let at = windows.position(|bytes| bytes == BUILT);
    let at = at.expect("the module has the name of its release in its data");
    assert_eq!(name.len(), BUILT.len(), "{does} has four letters");
    module[at..at + name.len()].copy_from_slice(name.as_bytes());
    module
}
