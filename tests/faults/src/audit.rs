//! Root's books, held against what the replica knows.
//!
//! The fleet is quiet, no fault is left. First the answers that were given must be true, and every canister, cycle and
//! place accounted for. Then everything is asked for once more and every place of the workers' role is filled: a place,
//! key or canister that was lost on the way is missing now.

use crate::world::{Asked, T, World, controller};
use candid::{CandidType, Decode, Principal};
use canic::api::{
    IdentityInfo, ImportAs, ImportError, ImportRequest, Imported, MemberInfo, MemberState,
    MoveError, MoveRequest, Moved, OperationsFilter, ProvisionError, ProvisionRequest, Provisioned,
    RetireError, RetireRequest, Retired,
};
use canic_fleet_tests::{fleet::notebook, user};
use canic_replica::{Ingress, Kind, Outcome};
use ic_management_canister_types::CanisterStatusType;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is wrong after a case.
pub fn audit(world: &mut World) -> Vec<String> {
    world.replica.clear_faults();
    let mut wrong = answered(world);
    wrong.extend(answers(world));
    wrong.extend(audit_books(world));
    wrong
}

/// Everything that is wrong with the books, whatever was asked.
pub fn audit_books(world: &mut World) -> Vec<String> {
    world.all_members("start_canister");
    // Who was stopped has yet to hear what became of it.
    let mut wrong = Vec::from_iter(world.settle(|_| ()).err());
    wrong.extend(books(world, false));
    wrong.extend(asked_again(world));
    wrong.extend(filled(world));
    wrong.extend(books(world, true));
    wrong.extend(directories(world));
    wrong.sort();
    wrong.dedup();
    wrong
}

/// Whether every call was answered.
pub fn answered(world: &mut World) -> Vec<String> {
    let asked = world.asked.iter();
    asked
        .filter(|asked| {
            let message = asked.message.as_ref();
            message.is_some_and(|message| world.answer(message).is_none())
        })
        .map(|asked| format!("{} was never answered", asked.method))
        .collect()
}

/// Whether what root answered is true.
fn answers(world: &mut World) -> Vec<String> {
    let mut wrong = Vec::new();
    let members = world.members();
    let pool: BTreeSet<_> = world.pool().iter().map(|entry| entry.canister).collect();
    let is_member = |canister| members.iter().any(|member| member.canister == canister);
    let asked = world.asked.clone();
    let retired = asked.iter().any(|asked| asked.method == "canic_retire");
    for asked in &asked {
        // A reject says nothing about the operation.
        let answer = asked.message.and_then(|message| world.answer(&message));
        let Some(Ok(bytes)) = answer else { continue };
        match asked.method {
            "canic_provision" => match decode::<Result<Provisioned, ProvisionError>>(&bytes) {
                Ok(new) if !retired && !is_member(new.canister) => {
                    wrong.push(format!("{} was answered, and is no member", new.canister));
                }
                Err(
                    error @ (ProvisionError::CreateFailed { operation, .. }
                    | ProvisionError::InstallFailed { operation, .. }
                    | ProvisionError::Quarantined { operation, .. }),
                ) if members.iter().any(|member| member.operation == operation) => {
                    wrong.push(format!("there is a member, and the answer was {error:?}"));
                }
                _ => {}
            },
            "canic_retire" => {
                let request: RetireRequest = argument(asked);
                if let Ok(Retired { .. }) = decode::<Result<Retired, RetireError>>(&bytes)
                    && is_member(request.canister)
                {
                    wrong.push(format!("{} is retired, and a member", request.canister));
                }
            }
            "canic_move" => {
                let request: MoveRequest = argument(asked);
                let mut stands = members.iter();
                let stands = stands.find(|member| member.canister == request.canister);
                if decode::<Result<Moved, MoveError>>(&bytes).is_ok()
                    && stands.is_some_and(|member| member.parent != request.parent)
                {
                    wrong.push(format!("{} is moved, and is not there", request.canister));
                }
            }
            "canic_import" => {
                let ImportRequest {
                    canister,
                    import_as,
                } = argument(asked);
                let is_there = match import_as {
                    ImportAs::Pool => pool.contains(&canister) || is_member(canister),
                    ImportAs::Member { .. } => is_member(canister),
                };
                if decode::<Result<Imported, ImportError>>(&bytes).is_ok() && !is_there {
                    wrong.push(format!("{canister} is imported, and not there"));
                }
            }
            _ => {}
        }
    }
    wrong
}

/// Whether every canister and every cycle is on record, and everything on record is there.
fn books(world: &mut World, strict: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |what: String| wrong.push(what);
    let members = world.members();
    let pool = world.pool();
    let quarantined = world.operations(OperationsFilter::Quarantined);

    // Every canister once.
    let mut known: BTreeMap<Principal, &str> = BTreeMap::new();
    let places = members
        .iter()
        .map(|member| (member.canister, "a member"))
        .chain(pool.iter().map(|entry| (entry.canister, "in the pool")))
        .chain(
            quarantined
                .iter()
                .filter_map(|op| Some((op.canister?, "in quarantine"))),
        );
    for (canister, place) in places {
        if let Some(other) = known.insert(canister, place) {
            say(format!("{canister} is {other} and {place}"));
        }
        if !world.replica.canister_exists(canister) {
            say(format!("{canister} is {place}, and does not exist"));
        }
    }
    let nameless = quarantined
        .iter()
        .filter(|op| op.canister.is_none())
        .count();
    let created: BTreeSet<Principal> = world.controlled().into_iter().collect();
    let strangers = world.controlled_by(controller());
    let lost: Vec<String> = created
        .iter()
        .filter(|canister| !known.contains_key(canister) && !strangers.contains(canister))
        .map(Principal::to_text)
        .collect();
    if lost.len() > if strict { 0 } else { nameless } {
        say(format!("lost canisters: {lost:?}"));
    }

    // Members are what they are said to be, and as many as there may be.
    let mut keys = BTreeSet::new();
    for member in &members {
        let canister = member.canister;
        if member.state != MemberState::Active {
            say(format!(
                "{canister} is {:?}, and nothing is under way",
                member.state
            ));
        }
        if let Some(key) = &member.key
            && !keys.insert((&member.role, key))
        {
            say(format!("two members have the key {key:?}"));
        }
        match world.status(canister) {
            Ok(status) if status.module_hash.as_ref() == Some(&member.module) => {}
            other => say(format!("{canister} does not run its module: {other:?}")),
        }
        match identity_info(world, canister) {
            Some(info)
                if info.role == member.role
                    && info.identity.as_ref().is_some_and(|identity| {
                        identity.key == member.key && identity.parent == member.parent
                    }) => {}
            other => say(format!(
                "{canister} knows itself as {other:?}, not as {member:?}"
            )),
        }
    }
    let workers = members.iter().filter(|member| member.role == "worker");
    if workers.count() > world.capacity {
        say("there are more workers than there may be".to_string());
    }

    // The pool's canisters are free, and as good as new.
    for entry in &pool {
        let canister = entry.canister;
        if let Some(operation) = entry.claimed_by {
            say(format!(
                "{canister} is claimed by operation {operation}, which is not open"
            ));
        }
        match world.status(canister) {
            Ok(status)
                if status.module_hash.is_none()
                    && status.status == CanisterStatusType::Running
                    && status.settings.controllers == [world.root]
                    && status.memory_metrics.snapshots_size == 0u8 => {}
            other => say(format!(
                "{canister} is in the pool, and is not empty: {other:?}"
            )),
        }
    }

    // Cycles.
    let balance = world.replica.cycles(world.root).unwrap_or_default();
    if balance < world.floor {
        let floor = world.floor;
        say(format!("root has {balance} cycles, and keeps {floor}"));
    }
    let accounts = world.replica.accounts();
    if !accounts.balanced() {
        say(format!(
            "the replica's accounts do not balance: {accounts:?}"
        ));
    }
    let from_root = |method: &str| {
        let all = world.replica.trace().iter();
        all.filter(|event| {
            event.kind == Kind::Management
                && event.caller == world.root
                && event.method == method
                && event.outcome == Outcome::Reply
        })
        .map(|event| event.cycles)
        .collect::<Vec<u128>>()
    };
    let deleted = from_root("delete_canister").len() as u128;
    if accounts.destroyed > deleted * DESTROYED {
        let destroyed = accounts.destroyed;
        say(format!(
            "{destroyed} cycles went down with {deleted} canisters"
        ));
    }
    let sent: u128 = [from_root("create_canister"), from_root("deposit_cycles")]
        .concat()
        .iter()
        .sum();
    let sheet = world.sheet();
    let booked: u128 = ["creation_fees", "to_pool", "to_members"]
        .iter()
        .filter_map(|purpose| sheet.get(*purpose))
        .sum();
    if booked != sent && lost.is_empty() {
        say(format!(
            "root sent {sent} cycles, and has booked {booked}: {sheet:?}"
        ));
    }
    wrong
}

/// Cycles that may go down with a canister that is deleted: what is left by draining it, see the runtime's `drain`.
const DESTROYED: u128 = T / 10;

/// Whether the same requests mean the same members.
fn asked_again(world: &mut World) -> Vec<String> {
    let mut wrong = Vec::new();
    world.replica.add_cycles(world.root, 60 * T);
    let asked = world.asked.clone();
    for asked in asked
        .iter()
        .filter(|asked| asked.method == "canic_provision")
    {
        let request: ProvisionRequest = argument(asked);
        let before = world.members();
        let holder = before.iter().find(|member| {
            member.role == request.role && (member.key == request.key || request.key.is_none())
        });
        let workers = before
            .iter()
            .filter(|member| member.role == "worker")
            .count();
        let answer: Result<Provisioned, ProvisionError> =
            world.ask(controller(), "canic_provision", (&request,));
        if let Err(why) = world.settle(|_| ()) {
            wrong.push(why);
        }
        match (&answer, holder) {
            (Err(ProvisionError::InstallFailed { .. }), None)
                if request == crate::scenario::refused() => {}
            (Err(ProvisionError::RoleFull { .. }), None) if workers == world.capacity => {}
            (Ok(_), None) => {}
            (Ok(now), Some(then)) if now.canister == then.canister => {}
            _ => wrong.push(format!("{:?} was {holder:?}, now: {answer:?}", request.key)),
        }
    }
    wrong
}

/// Whether every place is there to be taken, and none beyond.
fn filled(world: &mut World) -> Vec<String> {
    let mut wrong = Vec::new();
    for number in 100.. {
        let workers = world
            .members()
            .iter()
            .filter(|m| m.role == "worker")
            .count();
        let answer: Result<Provisioned, ProvisionError> =
            world.ask(controller(), "canic_provision", (notebook(user(number)),));
        match answer {
            Ok(_) if workers < world.capacity => {}
            Err(ProvisionError::RoleFull { .. }) if workers == world.capacity => break,
            other => {
                wrong.push(format!("of {workers} workers, the next is: {other:?}"));
                break;
            }
        }
    }
    if let Err(why) = world.settle(|_| ()) {
        wrong.push(why);
    }
    if world.pool().is_empty() {
        wrong.push("the pool is not refilled".to_string());
    }
    wrong
}

/// Compares the directories of members with the truth: parents know their children, watchers all
/// subscribers.
fn directories(world: &mut World) -> Vec<String> {
    let members = world.members();
    let mut wrong = Vec::new();
    let has_directory =
        |member: &&MemberInfo| ["subscriber", "watcher"].contains(&member.role.as_str());
    for told in members.iter().filter(has_directory) {
        for key in KEYS {
            let mut named = members.iter();
            let named = named.find(|m| m.role == "subscriber" && m.key.as_deref() == Some(key));
            let concerned = named.filter(|m| told.role == "watcher" || m.parent == told.canister);
            let truth = concerned.map(|member| member.canister);
            let answer = world.replica.query(Ingress {
                sender: controller(),
                canister: told.canister,
                method: "knows".to_string(),
                payload: candid::encode_args(("subscriber", key)).expect("an argument"),
                effective: None,
                caller_info: None,
            });
            let known = answer.map(|bytes| decode::<Option<Principal>>(&bytes));
            if known.as_ref() != Ok(&truth) {
                let who = told.key.as_deref().unwrap_or_default();
                wrong.push(format!("{who} knows {key} as {known:?}, not as {truth:?}"));
            }
        }
    }
    wrong
}

/// The keys of subscribers in all scenarios.
const KEYS: [&str; 5] = ["old", "new", "a", "aa", "b"];

/// A member's answer about its own identity.
fn identity_info(world: &mut World, canister: Principal) -> Option<IdentityInfo> {
    let answer = world.replica.query(Ingress {
        sender: world.root,
        canister,
        method: "canic_identity".to_string(),
        payload: candid::encode_args(()).ok()?,
        effective: None,
        caller_info: None,
    });
    Decode!(&answer.ok()?, IdentityInfo).ok()
}

fn decode<R: CandidType + DeserializeOwned>(bytes: &[u8]) -> R {
    Decode!(bytes, R).expect("root's own type")
}

fn argument<R: CandidType + DeserializeOwned>(asked: &Asked) -> R {
    decode(&asked.argument)
}
