//! The notes of members, and whether those are there that were acknowledged.

use std::collections::BTreeSet;

use candid::{
    CandidType, Decode, Encode, Principal,
    utils::{ArgumentEncoder, encode_args},
};
use canic::api::{MemberInfo, OperationState, OperationsFilter};
use canic_fleet_tests::user;
use canic_replica::{Ingress, Reject};
use serde::de::DeserializeOwned;

use crate::{
    releases::ROLE,
    world::World,
    writer::{NOTE, Note},
};

/// All notes of a member.
pub(crate) fn all(world: &mut World, member: Principal) -> Result<Vec<String>, Reject> {
    ask(world, member, "notes", ())
}

/// The release that a member runs.
pub(crate) fn running_release(world: &mut World, member: Principal) -> Result<String, Reject> {
    ask(world, member, "running_release", ())
}

/// The release of a member, as root told it to a watcher.
pub(super) fn told(
    world: &mut World,
    watcher: Principal,
    member: Principal,
) -> Result<Option<u32>, Reject> {
    ask(world, watcher, "release_of", (member,))
}

fn ask<R: CandidType + DeserializeOwned>(
    world: &mut World,
    member: Principal,
    method: &str,
    args: impl ArgumentEncoder,
) -> Result<R, Reject> {
    let answer = world.replica.query(Ingress {
        sender: user(1),
        canister: member,
        method: method.to_string(),
        payload: encode_args(args).expect("the argument can be encoded"),
        effective: None,
        caller_info: None,
    });
    answer.map(|bytes| Decode!(&bytes, R).expect("the fixture's type"))
}

/// Checks that all members have the notes that they acknowledged, in their order, none twice, and
/// that they take more.
pub(super) fn check(world: &mut World, members: &[MemberInfo]) -> Vec<String> {
    let mut violations = Vec::new();
    for member in members.iter().filter(|member| member.role == ROLE) {
        let canister = member.canister;
        if was_given_up(world, member) {
            continue;
        }
        let found = all(world, canister);
        let Ok(found) = found else {
            violations.push(format!("{canister} does not show its notes: {found:?}"));
            continue;
        };
        violations.extend(missing(world, member, &found));
        let own: Vec<&String> = found.iter().filter(|note| *note != "spoiled").collect();
        let distinct: BTreeSet<&String> = own.iter().copied().collect();
        if distinct.len() < own.len() {
            violations.push(format!("{canister} has notes twice: {found:?}"));
        }
        let text = Encode!(&"after it").expect("a text can be encoded");
        let taken = world.call(user(1), canister, NOTE, text);
        if taken.is_err() {
            violations.push(format!("{canister} takes no notes: {taken:?}"));
        }
    }
    violations
}

/// The first acknowledged note that a member does not have.
fn missing(world: &World, member: &MemberInfo, found: &[String]) -> Option<String> {
    let lossy = world.writer.lossy_since;
    // Root may install its next member on the canister of one that has retired.
    let counts = |note: &&Note| {
        note.member == member.canister
            && note.at >= member.since
            && lossy.is_none_or(|since| note.at < since)
    };
    let mut found_later = found.iter();
    let acknowledged = world.writer.acknowledged();
    let lost = acknowledged
        .iter()
        .filter(counts)
        .find(|note| !found_later.any(|one| *one == note.text));
    lost.map(|note| format!("{note:?} was acknowledged, and is lost: {found:?}"))
}

/// Whether root could once put neither release in place, and said so.
pub(super) fn was_given_up(world: &mut World, member: &MemberInfo) -> bool {
    let closed = world.operations(OperationsFilter::Closed);
    closed.iter().any(|op| {
        op.canister == Some(member.canister) && matches!(op.state, OperationState::Abandoned(_))
    })
}
