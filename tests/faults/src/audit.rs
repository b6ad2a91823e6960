//! The audit after a case: root's records and ledger, compared with the replica's facts.
//!
//! The audit starts when the fleet is quiet and no fault is left. First it checks root's answers,
//! every canister, every cycle and every position. Then it repeats all requests and fills the
//! workers' role up to its maximum: a position, key or canister that was lost on the way is missing
//! now.

pub(crate) mod rollouts;

use std::collections::BTreeSet;

use candid::{CandidType, Decode, Principal};
use canic::api::{
    ImportAs, ImportError, ImportRequest, Imported, MemberInfo, MoveError, MoveRequest, Moved,
    ProvisionError, ProvisionRequest, Provisioned, RetireError, RetireRequest, Retired, Retirement,
};
use canic_fleet_tests::{fleet::notebook, user};
use canic_replica::{Ingress, Kind, Outcome, Reject};
use canic_testing::audit::Allowances;
use serde::de::DeserializeOwned;

use crate::{
    funding, refuel,
    scenario::refused,
    world::{Request, T, World, controller},
};

/// All violations after a case.
pub fn audit(world: &mut World) -> Vec<String> {
    world.disarm();
    let mut violations = check_answered(world);
    violations.extend(check_callbacks(world));
    violations.extend(check_answers(world));
    violations.extend(audit_records(world));
    if funding::is_funded(world) {
        violations.extend(funding::check(world));
    }
    violations
}

/// All violations in root's records and ledger, whatever the requests were.
pub fn audit_records(world: &mut World) -> Vec<String> {
    world.thaw_all();
    let mut violations = rollouts::check_running(world);
    world.all_members("start_canister");
    // A member that was stopped has yet to receive root's announcements.
    violations.extend(world.settle(|_| ()).err());
    violations.extend(rollouts::check_rollouts(world));
    violations.extend(check_state(world, true));
    violations.extend(check_repeated_requests(world));
    violations.extend(check_capacity(world));
    violations.extend(check_state(world, false));
    violations.extend(check_directories(world));
    violations.extend(check_hubs(world));
    violations.sort();
    violations.dedup();
    violations
}

/// Checks that every call was answered.
pub fn check_answered(world: &mut World) -> Vec<String> {
    let requests = world.requests.iter();
    requests
        .filter(|request| {
            let message = request.message.as_ref();
            message.is_some_and(|message| world.answer(message).is_none())
        })
        .map(|request| format!("{} was never answered", request.method))
        .collect()
}

/// Checks that no answer met code that does not know the call, as after an upgrade of a canister
/// that waited: the callback would read memory that was never written, or run another function. No
/// callback of a fleet traps by itself, unless an injected trap has ended its task before.
fn check_callbacks(world: &World) -> Vec<String> {
    let callbacks = world
        .replica
        .trace()
        .iter()
        .filter(|event| matches!(event.kind, Kind::Reply | Kind::Reject | Kind::Cleanup));
    callbacks
        .filter_map(|event| match &event.outcome {
            Outcome::Trap { message } if !EXPECTED.iter().any(|text| message.contains(text)) => {
                Some(format!(
                    "{} trapped at the answer to {}: {message}",
                    event.canister, event.method
                ))
            }
            _ => None,
        })
        .collect()
}

/// Texts of the traps of callbacks that cases provoke: the injected one, and ic-cdk's for an answer
/// to a task that ended by it.
const EXPECTED: [&str; 2] = ["injected fault", "Call already trapped"];

/// Members and canisters of the pool, as root lists them.
struct Registered {
    members: Vec<MemberInfo>,
    pool: BTreeSet<Principal>,
    /// Whether a request of the case retires members.
    is_retiring: bool,
}

impl Registered {
    fn is_member(&self, canister: Principal) -> bool {
        self.member(canister).is_some()
    }

    fn member(&self, canister: Principal) -> Option<&MemberInfo> {
        let mut members = self.members.iter();
        members.find(|member| member.canister == canister)
    }
}

/// Checks root's answers against its records.
fn check_answers(world: &mut World) -> Vec<String> {
    let registered = Registered {
        members: world.members(),
        pool: world.pool().iter().map(|entry| entry.canister).collect(),
        is_retiring: world.requests.iter().any(|r| r.method == "canic_retire"),
    };
    let requests = world.requests.clone();
    let violations = requests.iter().filter_map(|request| {
        // A reject says nothing about the operation.
        let answer = request.message.and_then(|message| world.answer(&message));
        let Some(Ok(bytes)) = answer else { return None };
        match request.method {
            "canic_provision" => check_provisioned(&registered, &bytes),
            "canic_retire" => check_retired(&registered, &argument(request), &bytes),
            "canic_move" => check_moved(&registered, &argument(request), &bytes),
            "canic_import" => check_imported(&registered, argument(request), &bytes),
            _ => None,
        }
    });
    violations.collect()
}

fn check_provisioned(registered: &Registered, answer: &[u8]) -> Option<String> {
    let members = &registered.members;
    match decode::<Result<Provisioned, ProvisionError>>(answer) {
        Ok(new) if !registered.is_retiring && !registered.is_member(new.canister) => Some(format!(
            "{} is the answer to a provision, and no member",
            new.canister
        )),
        Err(
            error @ (ProvisionError::CreateFailed { operation, .. }
            | ProvisionError::InstallFailed { operation, .. }
            | ProvisionError::Quarantined { operation, .. }),
        ) if members.iter().any(|member| member.operation == operation) => {
            Some(format!("there is a member, and the answer was {error:?}"))
        }
        _ => None,
    }
}

fn check_retired(
    registered: &Registered,
    request: &RetireRequest,
    answer: &[u8],
) -> Option<String> {
    let retired = decode::<Result<Retired, RetireError>>(answer).is_ok();
    (retired && registered.is_member(request.canister))
        .then(|| format!("{} is retired, and a member", request.canister))
}

fn check_moved(registered: &Registered, request: &MoveRequest, answer: &[u8]) -> Option<String> {
    let moved = decode::<Result<Moved, MoveError>>(answer).is_ok();
    let member = registered.member(request.canister);
    (moved && member.is_some_and(|member| member.parent != request.parent)).then(|| {
        format!(
            "{} is moved, and not below its new parent",
            request.canister
        )
    })
}

fn check_imported(
    registered: &Registered,
    request: ImportRequest,
    answer: &[u8],
) -> Option<String> {
    let canister = request.canister;
    let is_member = registered.is_member(canister);
    let is_registered = match request.import_as {
        ImportAs::Pool => registered.pool.contains(&canister) || is_member,
        ImportAs::Member { .. } => is_member,
    };
    match decode::<Result<Imported, ImportError>>(answer) {
        Ok(_) if !is_registered => Some(format!("{canister} is imported, and not on record")),
        Err(error @ ImportError::NotOnSubnet { .. }) if is_registered => Some(format!(
            "{canister} is on record, and the answer was {error:?}"
        )),
        _ => None,
    }
}

/// Checks registry, pool, ledger and the canisters of others. With `creations_may_be_lost`, one
/// canister may be on no record for each quarantined operation that does not know its canister's
/// id.
fn check_state(world: &mut World, creations_may_be_lost: bool) -> Vec<String> {
    let allowances = Allowances {
        lost_creations: creations_may_be_lost,
        destruction: may_destroy(world),
    };
    let mut violations = canic_testing::audit::audit(world, allowances).violations;
    check_strangers(world, &mut violations);
    check_limits(world, &mut violations);
    refuel::check(world, &mut violations);
    violations
}

/// Checks that root changed no canister of another subnet.
fn check_strangers(world: &World, violations: &mut Vec<String>) {
    let own = world.replica.subnet_of(world.root);
    let strangers = world.controlled_by(controller()).into_iter();
    let far = strangers.filter(|canister| world.replica.subnet_of(*canister) != own);
    let changed = far.filter(|canister| {
        let controllers = world.replica.controllers(*canister);
        !controllers.is_some_and(|all| all.contains(&world.root) && all.len() == 2)
    });
    violations.extend(changed.map(|canister| format!("root changed {canister}, which it refused")));
}

/// Checks that there are no more workers than their role allows, and that root names the reserve
/// that it was built with.
fn check_limits(world: &mut World, violations: &mut Vec<String>) {
    let members = world.members();
    let workers = members.iter().filter(|member| member.role == "worker");
    if workers.count() > world.capacity {
        violations.push("there are more workers than their role allows".to_string());
    }
    let reserve = world.funding().root.reserve;
    if reserve < world.reserve {
        violations.push(format!(
            "root's reserve is {reserve}, and not {}",
            world.reserve
        ));
    }
}

/// Whether root was told to delete a canister, whatever it holds.
fn may_destroy(world: &World) -> bool {
    let mut retirements = world.requests.iter();
    retirements.any(|request| {
        request.method == "canic_retire"
            && argument::<RetireRequest>(request).how == Retirement::Destroy
    })
}

/// Repeats the requests for members, and checks that they mean the same members as before.
fn check_repeated_requests(world: &mut World) -> Vec<String> {
    let mut violations = Vec::new();
    let root = world.root;
    world.replica.add_cycles(root, 60 * T);
    let mut requests: Vec<ProvisionRequest> = Vec::new();
    for request in &world.requests {
        if request.method == "canic_provision" {
            let request = argument(request);
            if !requests.contains(&request) {
                requests.push(request);
            }
        }
    }
    for request in &requests {
        let before = world.members();
        let answer: Result<Provisioned, ProvisionError> =
            world.ask(controller(), "canic_provision", (request,));
        violations.extend(world.settle(|_| ()).err());
        if !is_expected(world, request, &before, &answer) {
            let holder = holder(&before, request);
            violations.push(format!("{:?} was {holder:?}, now: {answer:?}", request.key));
        }
    }
    violations
}

/// The member that has the role and the key of a request already.
fn holder<'a>(members: &'a [MemberInfo], request: &ProvisionRequest) -> Option<&'a MemberInfo> {
    let mut members = members.iter();
    members.find(|member| {
        member.role == request.role && (member.key == request.key || request.key.is_none())
    })
}

/// Whether an answer fits the members that there were before the request.
fn is_expected(
    world: &World,
    request: &ProvisionRequest,
    before: &[MemberInfo],
    answer: &Result<Provisioned, ProvisionError>,
) -> bool {
    let of_role = before.iter().filter(|member| member.role == request.role);
    let asked_parent = request.parent.unwrap_or(world.root);
    let siblings = of_role.clone().filter(|m| m.parent == asked_parent);
    match (answer, holder(before, request)) {
        (Ok(now), Some(then)) => now.canister == then.canister,
        (Ok(_), None) => true,
        (Err(ProvisionError::UnknownRole { .. } | ProvisionError::NoModule { .. }), None) => true,
        (Err(ProvisionError::ParentNotAllowed { parent_role, .. }), _) => {
            let mut members = before.iter();
            let parent = members.find(|member| Some(member.canister) == request.parent);
            request.parent.is_some() && *parent_role == parent.map(|parent| parent.role.clone())
        }
        (Err(ProvisionError::ParentFull { max, .. }), None) => siblings.count() == *max as usize,
        (Err(ProvisionError::RoleFull { max, .. }), None) => of_role.count() == *max as usize,
        (Err(ProvisionError::InstallFailed { .. }), None) => request.arg == refused().arg,
        (Err(_), _) => false,
    }
}

/// Fills the workers' role, and checks that it takes as many members as its maximum, and that the
/// pool is refilled.
fn check_capacity(world: &mut World) -> Vec<String> {
    let mut violations = Vec::new();
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
            // A fleet without the role.
            Err(ProvisionError::UnknownRole { .. }) if world.capacity == 0 => break,
            other => {
                violations.push(format!(
                    "after {workers} workers the next provision answers: {other:?}"
                ));
                break;
            }
        }
    }
    if let Err(why) = world.settle(|_| ()) {
        violations.push(why);
    }
    if world.pool().is_empty() {
        violations.push("the pool is not refilled".to_string());
    }
    violations
}

/// Checks the directories of members: parents know their children, watchers all members of the
/// roles that they watch. Of other members a directory may know the truth or nothing.
fn check_directories(world: &mut World) -> Vec<String> {
    let members = world.members();
    let positions = positions(world, &members);
    let mut violations = Vec::new();
    let is_subscriber =
        |member: &&MemberInfo| ["subscriber", "watcher"].contains(&member.role.as_str());
    for subscriber in members.iter().filter(is_subscriber) {
        for (role, key) in &positions {
            let mut named = members.iter();
            let named = named.find(|m| m.role == *role && m.key.as_ref() == Some(key));
            let is_watched = subscriber.role == "watcher" && world.watched.contains(&role.as_str());
            let is_child = named.is_some_and(|named| named.parent == subscriber.canister);
            let must_know = (is_watched || is_child) && !world.deaf.contains(&subscriber.canister);
            let expected = named.map(|member| member.canister);
            let known = knows(world, subscriber.canister, role, key);
            if known != Ok(expected) && (must_know || known != Ok(None)) {
                violations.push(format!(
                    "{} of role {} finds {known:?} under {role} {key}, not {expected:?}",
                    subscriber.key.as_deref().unwrap_or_default(),
                    subscriber.role,
                ));
            }
        }
    }
    violations
}

/// The roles and keys of all members, and of all that root was asked for.
fn positions(world: &World, members: &[MemberInfo]) -> BTreeSet<(String, String)> {
    let now = members.iter();
    let now = now.filter_map(|member| Some((member.role.clone(), member.key.clone()?)));
    let asked = world.requests.iter();
    let asked = asked.filter(|request| request.method == "canic_provision");
    let asked = asked.filter_map(|request| {
        let request: ProvisionRequest = argument(request);
        Some((request.role, request.key?))
    });
    now.chain(asked).collect()
}

/// The canister that a subscriber finds in its directory.
fn knows(
    world: &mut World,
    subscriber: Principal,
    role: &str,
    key: &str,
) -> Result<Option<Principal>, Reject> {
    let answer = world.replica.query(Ingress {
        sender: controller(),
        canister: subscriber,
        method: "knows".to_string(),
        payload: candid::encode_args((role, key)).expect("an argument"),
        effective: None,
        caller_info: None,
    });
    answer.map(|bytes| decode(&bytes))
}

/// Checks that hubs admit their children, and nobody else.
fn check_hubs(world: &mut World) -> Vec<String> {
    let members = world.members();
    let mut violations = Vec::new();
    for hub in members.iter().filter(|member| member.role == "hub") {
        for member in &members {
            let nothing = candid::encode_args(()).expect("no argument");
            let answer = world.call(member.canister, hub.canister, "for_children", nothing);
            if answer.is_ok() != (member.parent == hub.canister) {
                let key = member.key.as_deref().unwrap_or_default();
                violations.push(format!("the hub answers {} {key}: {answer:?}", member.role));
            }
        }
    }
    violations
}

fn decode<R: CandidType + DeserializeOwned>(bytes: &[u8]) -> R {
    Decode!(bytes, R).expect("root answers its own type")
}

fn argument<R: CandidType + DeserializeOwned>(request: &Request) -> R {
    decode(&request.argument)
}
