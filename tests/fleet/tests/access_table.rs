//! The tables of `docs/access.md`, checked line by line against running canisters.

use std::{collections::BTreeMap, fs};

use candid::{CandidType, Deserialize, Encode, Principal, Reserved};
use canic::api::{
    Announcement, ApproveRequest, CatchUpRequest, Denied, GrantRequest, Identity, ImportAs,
    ImportRequest, MemberRequest, MembersFilter, MembersRequest, MoveRequest, OperationsFilter,
    OperationsRequest, PageRequest, ProvisionError, ProvisionRequest, Provisioned, PruneRequest,
    RefuelRequest, ReleasesRequest, RetireError, RetireRequest, Retired, Retirement,
    RolloutControl, RolloutQuery, RolloutRequest, StageRequest, StatusRequest,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::owner_argument, user};

/// A table of the page: its lines by name, each with a cell for every kind of caller.
struct Table {
    callers: Vec<String>,
    lines: Vec<(String, Vec<String>)>,
}

impl Table {
    /// The table whose first column has this heading.
    fn read(first_column: &str) -> Self {
        let page = artifacts::workspace().join("docs/access.md");
        let page = fs::read_to_string(page).expect("the page can be read");
        let cells = |line: &str| -> Vec<String> {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_string()).collect()
        };
        let mut rows = page
            .lines()
            .skip_while(|line| !line.starts_with(&format!("| {first_column} |")))
            .take_while(|line| line.starts_with('|'))
            .map(cells);
        let mut callers = rows.next().expect("the page has the table");
        callers.remove(0);
        let lines: Vec<_> = rows
            .skip(1)
            .map(|mut cells| (cells.remove(0).replace('`', ""), cells))
            .collect();
        assert!(lines.iter().all(|(_, cells)| cells.len() == callers.len()));
        Self { callers, lines }
    }

    /// Every cell, with its line and column.
    fn cells(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.lines.iter().flat_map(|(line, cells)| {
            let cells = self.callers.iter().zip(cells);
            cells.map(move |(caller, cell)| (line.as_str(), caller.as_str(), cell.as_str()))
        })
    }
}

/// A caller: a principal. If it is a canister with the fixtures' `forward`, it can make real calls.
#[derive(Clone, Copy)]
struct Caller {
    principal: Principal,
    forwards: bool,
}

impl Caller {
    fn person(principal: Principal) -> Self {
        Self {
            principal,
            forwards: false,
        }
    }

    fn canister(principal: Principal) -> Self {
        Self {
            principal,
            forwards: true,
        }
    }
}

/// A fleet with a caller for every column.
struct World {
    fleet: Fleet,
    /// A member whose parent is a member, with a child.
    target: Principal,
    /// Callers by their relation to `target`.
    to_target: BTreeMap<&'static str, Vec<Caller>>,
}

fn world() -> World {
    let fleet = Fleet::start("fixture-hub-root");
    fleet.approve("hub", &artifacts::module("fixture-hub"));
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet.approve("doors", &artifacts::module("fixture-doors"));
    let provision = |role: &str, arg: Vec<u8>| {
        let request = ProvisionRequest {
            role: role.into(),
            key: None,
            parent: None,
            arg,
        };
        fleet.provision(&request).expect("a member").canister
    };
    let hire = |parent: Principal| {
        let hired: Result<Provisioned, ProvisionError> = fleet
            .update(parent, user(1), "hire", ())
            .expect("the parent answers");
        hired.expect("a child").canister
    };
    let parent = provision("doors", Vec::new());
    let target = hire(parent);
    let child = hire(target);
    let hub = provision("hub", Vec::new());
    let member = provision("worker", owner_argument(user(1)));
    let retired = hire(target);
    let dismissed: Result<Retired, RetireError> = fleet
        .update(target, user(1), "dismiss", (retired,))
        .expect("the parent answers");
    dismissed.expect("retired");
    fleet.quiet();

    let unmanaged = unmanaged(&fleet);
    let (person, canister) = (Caller::person, Caller::canister);
    let to_target = BTreeMap::from([
        (
            "stranger",
            vec![
                person(Principal::anonymous()),
                person(user(9)),
                canister(unmanaged),
            ],
        ),
        ("controller", vec![person(user(201))]),
        ("root", vec![canister(fleet.root)]),
        ("parent", vec![canister(parent)]),
        ("child", vec![canister(child)]),
        ("hub", vec![canister(hub)]),
        ("member", vec![person(member)]),
        ("retired", vec![person(retired)]),
    ]);
    World {
        fleet,
        target,
        to_target,
    }
}

/// A canister outside the fleet, installed without root.
fn unmanaged(fleet: &Fleet) -> Principal {
    let unmanaged = fleet.stranger_canister(user(3));
    let module = artifacts::module("fixture-doors");
    let nothing = Encode!().expect("no argument");
    fleet
        .pic
        .install_canister(unmanaged, module, nothing, Some(user(3)));
    unmanaged
}

impl World {
    /// The reply to a call from a canister; `None` if the callee rejects the call.
    fn forward(
        &self,
        from: Principal,
        forward: &str,
        (canister, method, argument): (Principal, &str, &[u8]),
    ) -> Option<Vec<u8>> {
        let (fleet, arguments) = (&self.fleet, (canister, method, argument));
        let answer = match forward {
            "forward" => fleet.update(from, fleet.controller, forward, arguments),
            _ => fleet.query(from, fleet.controller, forward, arguments),
        };
        answer.expect("the fixture forwards")
    }

    /// Whether an endpoint accepts a caller: as the sender of ingress, and as a canister that
    /// calls, if it is one.
    fn accepted(&self, caller: Caller, kind: &str, method: &str) -> Vec<(&'static str, bool)> {
        let Fleet { pic, .. } = &self.fleet;
        let (sender, nothing) = (caller.principal, Encode!().expect("no argument"));
        let call = (self.target, method, &nothing[..]);
        let ingress = match kind {
            "update" => pic.update_call(self.target, sender, method, nothing.clone()),
            _ => pic.query_call(self.target, sender, method, nothing.clone()),
        };
        let mut outcomes = vec![("ingress", ingress.is_ok())];
        if caller.forwards && kind != "composite" {
            let passed = self.forward(sender, "forward", call);
            outcomes.push(("an update", passed.is_some()));
        }
        if caller.forwards && kind != "update" {
            let passed = self.forward(sender, "forward_query", call);
            outcomes.push(("a composite query", passed.is_some()));
        }
        outcomes
    }
}

#[test]
fn every_word_of_allow_admits_the_documented_callers() {
    let world = world();
    let table = Table::read("`allow(..)`");
    // Twice: the second time, what root answered about the callers is cached.
    for _ in 0..2 {
        for (line, column, cell) in table.cells() {
            let word = line.split(' ').next().unwrap_or(line);
            for caller in &world.to_target[column] {
                for kind in ["update", "query", "composite"] {
                    let expected = match cell {
                        // The update comes first and looks the caller up; the queries use the
                        // cached answer.
                        "yes" | "asks" => true,
                        "no" => false,
                        "guard" => caller.principal == Principal::anonymous(),
                        other => panic!("`{other}` in the line of `{line}`"),
                    };
                    let method = format!("{kind}_{word}");
                    for (origin, accepted) in world.accepted(*caller, kind, &method) {
                        assert_eq!(accepted, expected, "{method} by {column}, from {origin}");
                    }
                }
            }
        }
    }
    world.fleet.quiet();
    world.fleet.audit().passes();
}

#[test]
fn system_endpoints_serve_the_documented_callers() {
    let world = world();
    let (fleet, target) = (&world.fleet, world.target);
    for (table, canister) in [
        (Table::read("a member's endpoint"), target),
        (Table::read("root's endpoint"), fleet.root),
    ] {
        for (method, column, cell) in table.cells() {
            let expected = match cell {
                "yes" => true,
                "no" => false,
                // Root has no parent.
                "–" => continue,
                other => panic!("`{other}` in the line of `{method}`"),
            };
            let callers = match (canister == target, column) {
                (true, _) => &world.to_target[column],
                (false, "controller") => &vec![Caller::person(fleet.controller)],
                // Root's children are the members directly below it. `retired` was a member of the
                // fleet.
                (false, "child") => &world.to_target["parent"],
                (false, _) => &world.to_target[column],
            };
            for caller in callers {
                let served = serves(&world, canister, *caller, method);
                let principal = caller.principal;
                assert_eq!(served, expected, "{method} by {column} ({principal})");
            }
        }
    }
    fleet.quiet();
}

/// Whether an endpoint of canic serves a caller. Any other answer than a denial counts.
fn serves(world: &World, canister: Principal, caller: Caller, method: &str) -> bool {
    let (argument, is_query) = argument(world, method);
    let (pic, sender) = (&world.fleet.pic, caller.principal);
    let answer = if caller.forwards {
        // Only a composite query can call a composite query.
        let forward = match method {
            "canic_status" => "forward_query",
            _ => "forward",
        };
        world.forward(sender, forward, (canister, method, &argument))
    } else if is_query {
        pic.query_call(canister, sender, method, argument).ok()
    } else {
        pic.update_call(canister, sender, method, argument).ok()
    };
    answer.is_some_and(|bytes| !is_denied(&bytes))
}

/// Whether an answer is `Denied`: as its error, or as a variant of its error.
fn is_denied(answer: &[u8]) -> bool {
    #[derive(CandidType, Deserialize)]
    enum Refusal {
        Denied(Denied),
    }
    let alone = candid::decode_one::<Result<Reserved, Denied>>(answer);
    let variant = candid::decode_one::<Result<Reserved, Refusal>>(answer);
    matches!(alone, Ok(Err(_))) || matches!(variant, Ok(Err(_)))
}

/// An argument that changes nothing for any caller, and whether the endpoint is a query.
fn argument(world: &World, method: &str) -> (Vec<u8>, bool) {
    let fleet = &world.fleet;
    let page = PageRequest {
        after: None,
        limit: 1,
    };
    let nowhere = Principal::from_slice(&[9, 9, 1]);
    let unknown = ProvisionRequest {
        role: "unknown".into(),
        key: None,
        parent: None,
        arg: Vec::new(),
    };
    let encoded = match method {
        "canic_provision" => Encode!(&unknown),
        "canic_provision_batch" => Encode!(&vec![unknown]),
        "canic_retire" => Encode!(&RetireRequest {
            // Root's child with a child of its own: root refuses to retire it without its subtree.
            canister: world.to_target["parent"][0].principal,
            how: Retirement::Delete,
            subtree: None,
        }),
        "canic_import" => Encode!(&ImportRequest {
            canister: fleet.root,
            import_as: ImportAs::Pool,
        }),
        "canic_module_stage" => Encode!(&StageRequest { chunk: Vec::new() }),
        "canic_module_approve" => Encode!(&ApproveRequest {
            role: "worker".into(),
            hash: vec![0; 32],
            chunks: Vec::new(),
            manual: None,
        }),
        "canic_rollout_start" => Encode!(&RolloutRequest {
            role: "unknown".into(),
            release: None,
            plan: None,
            canaries: None,
        }),
        "canic_rollout_control" => Encode!(&0_u32, &RolloutControl::Pause),
        "canic_releases" => Encode!(&ReleasesRequest {
            role: "unknown".into(),
            after: None,
            limit: 1,
        }),
        "canic_rollout" => Encode!(&RolloutQuery {
            rollout: 0,
            after: None,
            limit: 1,
        }),
        "canic_prune" => Encode!(&PruneRequest { before: 0 }),
        "canic_refuel" => Encode!(&RefuelRequest {
            source: None,
            cycles: Some(1),
        }),
        "canic_status" => Encode!(&StatusRequest {
            filter: MembersFilter::All,
            after: None,
            limit: 1,
            canisters: None,
        }),
        "canic_funding" => Encode!(),
        "canic_drive" => Encode!(&None::<u64>),
        "canic_move" => Encode!(&MoveRequest {
            canister: world.to_target["parent"][0].principal,
            parent: nowhere,
        }),
        "canic_grant" => Encode!(&GrantRequest {
            canister: world.to_target["child"][0].principal,
            cycles: 0,
        }),
        "canic_lookup" => Encode!(&nowhere),
        "canic_progress" => Encode!(&vec![1_u64]),
        "canic_catch_up" => Encode!(&CatchUpRequest { after: None }),
        "canic_announce" => Encode!(&Announcement {
            after: 0,
            upto: 0,
            changes: Vec::new(),
        }),
        "canic_sync" => Encode!(&Identity {
            root: fleet.root,
            role: "doors".into(),
            parent: fleet.root,
            key: None,
        }),
        "canic_members" => Encode!(&MembersRequest {
            filter: MembersFilter::All,
            after: None,
            limit: 1,
        }),
        "canic_member" => Encode!(&MemberRequest::Canister(nowhere)),
        "canic_operations" => Encode!(&OperationsRequest {
            filter: OperationsFilter::Open,
            after: None,
            limit: 1,
        }),
        "canic_operation" => Encode!(&1_u64),
        "canic_identity" | "canic_health" | "canic_accept" => Encode!(),
        "canic_modules" | "canic_pool" | "canic_rollouts" | "canic_metrics" => Encode!(&page),
        other => panic!("the test knows no argument for {other}"),
    };
    let queries = [
        "canic_progress",
        "canic_catch_up",
        "canic_members",
        "canic_member",
        "canic_modules",
        "canic_releases",
        "canic_rollouts",
        "canic_rollout",
        "canic_pool",
        "canic_operations",
        "canic_operation",
        "canic_metrics",
        "canic_status",
        "canic_funding",
        "canic_identity",
    ];
    (
        encoded.expect("the argument can be encoded"),
        queries.contains(&method),
    )
}
