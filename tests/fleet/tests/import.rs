//! Import of existing canisters: into the pool, or as members with their code and data.

use candid::{Principal, encode_args};
use canic::api::{
    IdentityInfo, ImportAs, ImportError, MembersFilter, ProvisionError, ProvisionRequest, Source,
};
use canic_fleet_tests::{
    Fleet, artifacts,
    fleet::{notebook, owner_argument},
    user,
};

/// A canister with a notebook that was installed without root. The operator and root control it.
fn unmanaged(fleet: &Fleet) -> Principal {
    with_notebook(fleet, fleet.stranger_canister(fleet.controller))
}

fn with_notebook(fleet: &Fleet, canister: Principal) -> Principal {
    let sender = Some(fleet.controller);
    let module = artifacts::module("example-worker");
    fleet
        .pic
        .install_canister(canister, module, owner_argument(user(1)), sender);
    let controllers = vec![fleet.controller, fleet.root];
    fleet
        .pic
        .set_controllers(canister, sender, controllers)
        .expect("root becomes a controller");
    canister
}

fn as_member(key: &str) -> ImportAs {
    ImportAs::Member {
        role: "worker".into(),
        key: Some(key.into()),
        parent: None,
    }
}

#[test]
fn a_canister_imported_into_the_pool_is_emptied() {
    let fleet = Fleet::of_notebooks();
    let canister = unmanaged(&fleet);
    fleet.import(canister, ImportAs::Pool).expect("imported");
    fleet.quiet();
    assert!(fleet.pool().iter().any(|entry| entry.canister == canister));
    let status = fleet
        .pic
        .canister_status(canister, Some(fleet.root))
        .expect("root controls it");
    assert_eq!(status.module_hash, None, "its module is uninstalled");
    assert_eq!(fleet.pic.get_controllers(canister), [fleet.root]);
    fleet.audit().passes();
}

#[test]
fn a_canister_is_adopted_with_its_data() {
    let fleet = Fleet::of_notebooks();
    let canister = unmanaged(&fleet);
    let info: IdentityInfo = fleet
        .query(canister, user(1), "canic_identity", ())
        .expect("it answers");
    assert_eq!(info.identity, None, "it is unmanaged");
    let written: Result<(), String> = fleet
        .update(canister, user(1), "put", ("title", "text"))
        .expect("the owner may write");
    written.expect("written");

    fleet.import(canister, as_member("alice")).expect("adopted");
    fleet.quiet();
    let members = fleet.members(&MembersFilter::Role("worker".into()));
    assert_eq!(
        members.iter().map(|m| m.canister).collect::<Vec<_>>(),
        [canister]
    );
    let info: IdentityInfo = fleet
        .query(canister, user(1), "canic_identity", ())
        .expect("it answers");
    let identity = info.identity.expect("it is a member now");
    assert_eq!(
        (identity.root, identity.key.as_deref()),
        (fleet.root, Some("alice"))
    );
    let read: Option<String> = fleet
        .query(canister, user(1), "get", ("title",))
        .expect("the owner may read");
    assert_eq!(read.as_deref(), Some("text"));
    let again = ProvisionRequest {
        key: Some("alice".into()),
        ..notebook(user(1))
    };
    let found = fleet
        .provision(&again)
        .expect("the key means the adopted member");
    assert_eq!((found.canister, found.source), (canister, Source::Existing));
    fleet.audit().passes();
}

#[test]
fn a_canister_that_ran_other_code_is_upgraded_and_adopted() {
    let fleet = Fleet::start("fixture-hub-root");
    fleet.approve("hooks", &artifacts::module("fixture-hooks"));
    let canister = fleet.stranger_canister(fleet.controller);
    let sender = Some(fleet.controller);
    let nothing = encode_args(()).expect("no argument");
    // The smallest module, which has no stable memory.
    let before = b"\0asm\x01\0\0\0".to_vec();
    fleet
        .pic
        .install_canister(canister, before, nothing.clone(), sender);
    let module = artifacts::module("fixture-hooks");
    fleet
        .pic
        .upgrade_canister(canister, module, nothing, sender)
        .expect("upgraded");
    fleet
        .pic
        .set_controllers(canister, sender, vec![fleet.controller, fleet.root])
        .expect("root becomes a controller");
    let adopted = ImportAs::Member {
        role: "hooks".into(),
        key: None,
        parent: None,
    };
    fleet.import(canister, adopted).expect("adopted");
    fleet.quiet();
    let diary: Vec<String> = fleet
        .query(canister, user(1), "diary", ())
        .expect("it answers");
    // `start` ran once the canister had its identity.
    assert_eq!(diary, ["post_upgrade", "start Some(\"hooks\")"]);
    fleet.audit().passes();
}

#[test]
fn a_canister_that_root_does_not_control_is_refused() {
    let fleet = Fleet::of_notebooks();
    let canister = fleet.stranger_canister(fleet.controller);
    for import_as in [ImportAs::Pool, as_member("alice")] {
        let answer = fleet.import(canister, import_as);
        assert!(
            matches!(answer, Err(ImportError::NotControlled { .. })),
            "{answer:?}"
        );
    }
    assert!(fleet.members(&MembersFilter::All).is_empty());
    assert_eq!(fleet.pool().len(), 2);
    fleet.quiet();
    fleet.audit().passes();
}

#[test]
fn a_canister_of_the_fleet_is_not_imported_twice() {
    let fleet = Fleet::of_notebooks();
    let member = fleet
        .provision(&notebook(user(1)))
        .expect("a member")
        .canister;
    fleet.quiet();
    let pooled = fleet.pool()[0].canister;
    for canister in [member, pooled, fleet.root] {
        let answer = fleet.import(canister, ImportAs::Pool);
        assert_eq!(answer, Err(ImportError::AlreadyKnown { canister }));
    }
    assert_eq!(
        fleet.members(&MembersFilter::All).len(),
        1,
        "the member is untouched"
    );
    fleet.audit().passes();
}

#[test]
fn a_canister_with_another_module_is_not_adopted() {
    let fleet = Fleet::of_notebooks();
    let canister = fleet.stranger_canister(fleet.controller);
    let sender = Some(fleet.controller);
    let nothing = encode_args(()).expect("encoded");
    fleet.pic.install_canister(
        canister,
        artifacts::module("fixture-foreign"),
        nothing,
        sender,
    );
    let controllers = vec![fleet.controller, fleet.root];
    fleet
        .pic
        .set_controllers(canister, sender, controllers)
        .expect("root becomes a controller");
    let answer = fleet.import(canister, as_member("alice"));
    assert!(
        matches!(answer, Err(ImportError::WrongModule { .. })),
        "{answer:?}"
    );
    fleet.quiet();
    let alive: bool = fleet
        .query(canister, user(1), "alive", ())
        .expect("it is untouched");
    assert!(alive && fleet.members(&MembersFilter::All).is_empty());
    // Root refused the import, and is still one of the canister's controllers.
    fleet.audit().passes_except(&[canister]);
}

#[test]
fn limits_hold_for_imports() {
    let fleet = Fleet::start("fixture-tight-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet.until("the pool holds its canister", |fleet| {
        fleet.pool().len() == 1
    });
    fleet.quiet();
    fleet
        .import(unmanaged(&fleet), ImportAs::Pool)
        .expect("the pool has room for one more");
    fleet.quiet();
    let other = unmanaged(&fleet);
    assert_eq!(
        fleet.import(other, ImportAs::Pool),
        Err(ImportError::PoolFull { max: 2 })
    );

    let taken: Vec<_> = [1, 2, 3]
        .map(|n| fleet.provision(&notebook(user(n))))
        .into();
    assert!(taken.iter().all(Result::is_ok), "{taken:?}");
    fleet.quiet();
    let answer = fleet.import(other, as_member("alice"));
    let full = ProvisionError::RoleFull {
        role: "worker".into(),
        max: 3,
    };
    assert_eq!(answer, Err(ImportError::Refused(full)));
    fleet.audit().passes_except(&[other]);
}

#[test]
fn a_canister_of_another_subnet_is_refused_and_nothing_is_changed_there() {
    let fleet = Fleet::start_on_one_of_two_subnets("example-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet.until("the pool holds two canisters", |fleet| {
        fleet.pool().len() == 2
    });
    fleet.quiet();
    let far = with_notebook(&fleet, fleet.canister_of_another_subnet(fleet.controller));
    let status = || {
        let status = fleet.pic.canister_status(far, Some(fleet.controller));
        let status = status.expect("it is controlled");
        (status.status, status.settings, status.module_hash)
    };
    let (before, pool) = (status(), fleet.pool());
    let own = fleet.pic.get_subnet(fleet.root).expect("root's subnet");
    let from = fleet.observer.as_ref().map(|observer| observer.now());
    for import_as in [ImportAs::Pool, as_member("alice")] {
        let answer = fleet.import(far, import_as);
        let Err(ImportError::NotOnSubnet { subnet, reason, .. }) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(subnet, own);
        assert!(reason.contains("not found"), "{reason}");
    }
    fleet.quiet();
    if let (Some(observer), Some(from)) = (&fleet.observer, from) {
        let calls = observer.management_calls(fleet.root, from);
        assert_eq!(calls, ["canister_info", "canister_info"]);
    }
    assert_eq!((status(), fleet.pool()), (before, pool));
    assert!(fleet.members(&MembersFilter::All).is_empty());
    // Neither name nor place are taken, and provisions take canisters of the pool as before.
    let alice = ProvisionRequest {
        key: Some("alice".into()),
        ..notebook(user(1))
    };
    let made = fleet.provision(&alice).expect("a member");
    assert_eq!(made.source, Source::Pool);
    fleet.quiet();
    fleet.audit().passes_except(&[far]);
}

#[test]
fn root_creates_canisters_on_its_own_subnet() {
    let fleet = Fleet::start_on_one_of_two_subnets("example-root");
    fleet.approve("worker", &artifacts::module("example-worker"));
    let own = fleet.pic.get_subnet(fleet.root);
    let made = fleet.provision(&notebook(user(1))).expect("a member");
    fleet.quiet();
    let pool = fleet.pool().into_iter().map(|entry| entry.canister);
    for canister in pool.chain([made.canister]) {
        assert_eq!(fleet.pic.get_subnet(canister), own);
    }
    fleet.audit().passes();
}

#[test]
fn a_canister_that_does_not_exist_is_refused() {
    let fleet = Fleet::of_notebooks();
    let gone = fleet.stranger_canister(fleet.controller);
    let sender = Some(fleet.controller);
    fleet.pic.stop_canister(gone, sender).expect("stopped");
    fleet.pic.delete_canister(gone, sender).expect("deleted");
    for import_as in [ImportAs::Pool, as_member("alice")] {
        let answer = fleet.import(gone, import_as);
        assert!(
            matches!(answer, Err(ImportError::NotOnSubnet { .. })),
            "{answer:?}"
        );
    }
    fleet.quiet();
    fleet.audit().passes();
}
