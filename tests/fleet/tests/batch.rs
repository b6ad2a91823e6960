//! Batches: many requests in one call, provisioned in the background while root serves others.

use std::ops::Range;

use canic::api::{
    BatchError, MembersFilter, OperationId, Progress, ProvisionError, ProvisionRequest, Source,
};
use canic_fleet_tests::{Fleet, artifacts, fleet::notebook, user};

/// Queued requests at most.
const MAX_QUEUED: usize = 5_000;

fn fleet() -> Fleet {
    let fleet = Fleet::start_with("fixture-bare-root", 20_000_000_000_000_000);
    fleet.approve("worker", &artifacts::module("example-worker"));
    fleet
}

fn named(n: usize) -> ProvisionRequest {
    ProvisionRequest {
        key: Some(format!("member {n}")),
        ..notebook(user(1))
    }
}

fn batch(fleet: &Fleet, numbers: Range<usize>) -> Vec<Result<OperationId, ProvisionError>> {
    let batch: Vec<_> = numbers.map(named).collect();
    let answer: Result<Vec<_>, BatchError> = fleet.command("canic_provision_batch", (batch,));
    answer.expect("the batch is accepted")
}

fn accepted(fleet: &Fleet, numbers: Range<usize>) -> Vec<OperationId> {
    let ids: Result<Vec<_>, _> = batch(fleet, numbers).into_iter().collect();
    ids.expect("every request is accepted")
}

fn progress(fleet: &Fleet, operations: &[OperationId]) -> Progress {
    let answer: Result<Progress, BatchError> = fleet.ask("canic_progress", (operations,));
    answer.expect("a controller may ask")
}

fn done(count: usize) -> Progress {
    Progress {
        done: count as u32,
        ..Progress::default()
    }
}

#[test]
fn a_batch_runs_beside_single_requests_and_reports_its_progress() {
    const MANY: usize = 120;
    let fleet = fleet();
    let operations = accepted(&fleet, 0..MANY);
    let first = progress(&fleet, &operations);
    assert_eq!((first.queued + first.running) as usize, MANY);
    assert!(first.queued > 0 && first.running > 0, "{first:?}");

    // A caller that waits for an answer gets it long before the batch is done.
    let single = fleet.provision(&named(MANY)).expect("a member");
    assert_eq!(single.source, Source::Fresh);
    let then = progress(&fleet, &operations);
    assert!(then.queued > 0, "{then:?}");

    fleet.until("the batch is done", |fleet| fleet.open().is_empty());
    assert_eq!(progress(&fleet, &operations), done(MANY));
    assert_eq!(fleet.members(&MembersFilter::All).len(), MANY + 1);
    let unknown = progress(&fleet, &[9_999, operations[0]]);
    assert_eq!((unknown.unknown, unknown.done), (1, 1));
    fleet.audit().passes();
}

#[test]
fn a_batch_limits_its_concurrent_operations() {
    let fleet = fleet();
    let operations = accepted(&fleet, 0..60);
    let mut most = 0;
    for _ in 0..400 {
        let now = progress(&fleet, &operations);
        most = most.max(now.running);
        if now == done(60) {
            break;
        }
        fleet.pic.tick();
    }
    assert_eq!(progress(&fleet, &operations), done(60));
    assert!((2..=16).contains(&most), "{most} at once");
    fleet.audit().passes();
}

#[test]
fn a_batch_survives_upgrades_of_root() {
    let fleet = fleet();
    let operations = accepted(&fleet, 0..40);
    for _ in 0..3 {
        fleet.upgrade_root("fixture-bare-root").expect("upgraded");
        for _ in 0..10 {
            fleet.pic.tick();
        }
    }
    fleet.until("the batch is done", |fleet| fleet.open().is_empty());
    assert_eq!(progress(&fleet, &operations), done(40));
    fleet.audit().passes();
}

#[test]
fn a_key_in_two_batches_is_one_member_and_a_failure_does_not_stop_the_others() {
    let fleet = fleet();
    let first = accepted(&fleet, 0..20);
    let again = batch(&fleet, 10..30);
    for (n, answer) in again[..10].iter().enumerate() {
        let operation = first[10 + n];
        assert_eq!(answer, &Err(ProvisionError::Pending { operation }));
    }
    // `init` refuses the anonymous principal as an owner.
    let refused = ProvisionRequest {
        key: Some("nobody".into()),
        ..notebook(candid::Principal::anonymous())
    };
    let mixed: Result<Vec<Result<OperationId, ProvisionError>>, BatchError> =
        fleet.command("canic_provision_batch", (vec![refused, named(30)],));
    let mixed: Vec<OperationId> = mixed.expect("accepted").into_iter().flatten().collect();
    fleet.until("all are done", |fleet| fleet.open().is_empty());
    let ended = progress(&fleet, &mixed);
    assert_eq!((ended.done, ended.rolled_back), (1, 1));
    assert_eq!(fleet.members(&MembersFilter::All).len(), 31);
    fleet.audit().passes();
}

#[test]
fn requests_beyond_the_queue_are_refused_before_root_pays() {
    let fleet = fleet();
    for thousand in 0..5 {
        accepted(&fleet, thousand * 1_000..(thousand + 1) * 1_000);
    }
    // A few have left the queue meanwhile, and as many new ones are accepted.
    let more = batch(&fleet, MAX_QUEUED..MAX_QUEUED + 1_000);
    let refused = more.iter().filter(|answer| {
        matches!(answer, Err(ProvisionError::Busy { open, retry_after })
            if *open as usize == MAX_QUEUED && *retry_after > 0)
    });
    let (refused, accepted) = (refused.count(), more.iter().filter(|a| a.is_ok()).count());
    assert_eq!(refused + accepted, 1_000);
    assert!(refused > 500, "{refused} were refused");
    // A batch itself is limited, too.
    let too_many: Vec<_> = (0..1_001).map(named).collect();
    let answer: Result<Vec<Result<OperationId, ProvisionError>>, BatchError> =
        fleet.command("canic_provision_batch", (too_many,));
    let (requests, max) = (1_001, 1_000);
    assert_eq!(answer, Err(BatchError::TooMany { requests, max }));
}

#[test]
fn a_batch_is_accepted_as_far_as_roots_cycles_last() {
    // Creation and first cycles of a member are 1.5 T, and root's reserve is 1 T.
    let fleet = Fleet::start_with("fixture-bare-root", 12_000_000_000_000);
    fleet.approve("worker", &artifacts::module("example-worker"));
    let answers = batch(&fleet, 0..20);
    let poor = answers
        .iter()
        .filter(|answer| matches!(answer, Err(ProvisionError::InsufficientCycles { .. })));
    let poor = poor.count();
    assert!((13..=15).contains(&poor), "{poor} were refused");
    fleet.until("the others are done", |fleet| fleet.open().is_empty());
    assert_eq!(fleet.members(&MembersFilter::All).len(), 20 - poor);
    fleet.audit().passes();
}
