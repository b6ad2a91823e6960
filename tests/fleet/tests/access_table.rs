//! `docs/access.md`, line by line, against running canisters.

use candid::{CandidType, Deserialize, Encode, Principal, Reserved};
use canic::api::{
    Announcement, ApproveRequest, CatchUpRequest, Denied, Identity, ImportAs, ImportRequest,
    MemberRequest, MembersFilter, MembersRequest, MoveRequest, OperationsFilter, OperationsRequest,
    PageRequest, ProvisionError, ProvisionRequest, Provisioned, PruneRequest, RetireError,
    RetireRequest, Retired, Retirement, StageRequest,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::owner_argument, user};
use std::{collections::BTreeMap, fs};

/// One table of the page: its lines by name, each with a cell for every kind of caller.
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

/// A caller: a principal, and the canister that can really call if there is one with the fixtures' `forward`.
#[derive(Clone, Copy)]
struct Caller {
    principal: Principal,
    forwards: bool,
}

/// A fleet in which somebody stands in every column.
struct World {
    fleet: Fleet,
    /// A member whose parent is a member, with a child.
    target: Principal,
    /// Who is what to `target`.
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

    // Nobody's: installed by hand, and never adopted.
    let unmanaged = fleet.stranger_canister(user(3));
    let module = artifacts::module("fixture-doors");
    let nothing = Encode!().expect("no argument");
    fleet
        .pic
        .install_canister(unmanaged, module, nothing, Some(user(3)));

    let person = |principal| Caller {
        principal,
        forwards: false,
    };
    let canister = |principal| Caller {
        principal,
        forwards: true,
    };
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

impl World {
    /// What a call from a canister answers, if it is let in.
    fn forward(
        &self,
        from: Principal,
        way: &str,
        (canister, method, argument): (Principal, &str, &[u8]),
    ) -> Option<Vec<u8>> {
        let (fleet, arguments) = (&self.fleet, (canister, method, argument));
        let answer = match way {
            "forward" => fleet.update(from, fleet.controller, way, arguments),
            _ => fleet.query(from, fleet.controller, way, arguments),
        };
        answer.expect("the fixture forwards")
    }

    /// Whether a door opens: to ingress, and to the canister itself where it can call.
    fn opens(&self, caller: Caller, kind: &str, method: &str) -> Vec<(&'static str, bool)> {
        let Fleet { pic, .. } = &self.fleet;
        let (who, nothing) = (caller.principal, Encode!().expect("no argument"));
        let call = (self.target, method, &nothing[..]);
        let ingress = match kind {
            "update" => pic.update_call(self.target, who, method, nothing.clone()),
            _ => pic.query_call(self.target, who, method, nothing.clone()),
        };
        let mut seen = vec![("ingress", ingress.is_ok())];
        if caller.forwards && kind != "composite" {
            let passed = self.forward(who, "forward", call);
            seen.push(("an update", passed.is_some()));
        }
        if caller.forwards && kind != "update" {
            let passed = self.forward(who, "forward_query", call);
            seen.push(("a composite query", passed.is_some()));
        }
        seen
    }
}

#[test]
fn every_word_of_allow_lets_in_whom_the_page_says() {
    let world = world();
    let table = Table::read("`allow(..)`");
    // Twice: after the first time, inspection knows the endpoints.
    for _ in 0..2 {
        for (line, column, cell) in table.cells() {
            let word = line.split(' ').next().unwrap_or(line);
            for caller in &world.to_target[column] {
                for kind in ["update", "query", "composite"] {
                    let expected = match cell {
                        // Queries come after the update, which has asked.
                        "yes" | "asks" => true,
                        "no" => false,
                        "guard" => caller.principal == Principal::anonymous(),
                        other => panic!("`{other}` in the line of `{line}`"),
                    };
                    let method = format!("{kind}_{word}");
                    for (way, open) in world.opens(*caller, kind, &method) {
                        assert_eq!(open, expected, "{method} by {column}, from {way}");
                    }
                }
            }
        }
    }
    world.fleet.quiet();
    world.fleet.audit().passes();
}

#[test]
fn canics_own_endpoints_serve_whom_the_page_says() {
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
                (false, "controller") => &vec![Caller {
                    principal: fleet.controller,
                    forwards: false,
                }],
                // To root, its children are the members below it; `retired` was one of the fleet all the same.
                (false, "child") => &world.to_target["parent"],
                (false, _) => &world.to_target[column],
            };
            for caller in callers {
                let served = serves(&world, canister, *caller, method);
                let who = caller.principal;
                assert_eq!(served, expected, "{method} by {column} ({who})");
            }
        }
    }
    fleet.quiet();
}

/// Whether an endpoint of canic's does not turn the caller away. What it answers besides is not asked here.
fn serves(world: &World, canister: Principal, caller: Caller, method: &str) -> bool {
    let (argument, is_query) = argument(world, method);
    let (pic, who) = (&world.fleet.pic, caller.principal);
    let answer = if caller.forwards {
        world.forward(who, "forward", (canister, method, &argument))
    } else if is_query {
        pic.query_call(canister, who, method, argument).ok()
    } else {
        pic.update_call(canister, who, method, argument).ok()
    };
    answer.is_some_and(|bytes| !is_denied(&bytes))
}

/// Whether an answer says `Denied`: as its error, or as a variant of it.
fn is_denied(answer: &[u8]) -> bool {
    #[derive(CandidType, Deserialize)]
    enum Refusal {
        Denied(Denied),
    }
    let alone = candid::decode_one::<Result<Reserved, Denied>>(answer);
    let variant = candid::decode_one::<Result<Reserved, Refusal>>(answer);
    matches!(alone, Ok(Err(_))) || matches!(variant, Ok(Err(_)))
}

/// An argument that changes nothing, whoever sends it, and whether the endpoint is a query.
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
            // Root's child, and a parent itself: it stays unless its subtree is asked for.
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
        }),
        "canic_prune" => Encode!(&PruneRequest { before: 0 }),
        "canic_drive" => Encode!(&None::<u64>),
        "canic_move" => Encode!(&MoveRequest {
            canister: world.to_target["parent"][0].principal,
            parent: nowhere,
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
        "canic_identity" => Encode!(),
        "canic_modules" | "canic_pool" | "canic_metrics" => Encode!(&page),
        other => panic!("the test knows no argument for {other}"),
    };
    let queries = [
        "canic_progress",
        "canic_catch_up",
        "canic_members",
        "canic_member",
        "canic_modules",
        "canic_pool",
        "canic_operations",
        "canic_operation",
        "canic_metrics",
        "canic_identity",
    ];
    (
        encoded.expect("it can be encoded"),
        queries.contains(&method),
    )
}
