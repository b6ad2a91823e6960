//! A fleet of 10,000 members. It takes minutes to provision, so the test is run on purpose.

use std::time::{Duration, Instant};

use canic::api::{BatchError, OperationId, ProvisionError, ProvisionRequest};
use canic_fleet_tests::{Fleet, rollouts};

use crate::common::Live;

const MEMBERS: usize = 10_000;

/// Members of one batch.
const BATCH: usize = 1_000;

fn ten_thousand(fleet: &Fleet) {
    fleet.pic.add_cycles(fleet.root, 20_000_000_000_000_000);
    fleet.approve("releases", &rollouts::module("good", 1));
    for batch in 0..MEMBERS / BATCH {
        let requests: Vec<ProvisionRequest> = (0..BATCH)
            .map(|number| ProvisionRequest {
                role: "releases".to_string(),
                key: Some(format!("member {:05}", batch * BATCH + number)),
                parent: None,
                arg: Vec::new(),
            })
            .collect();
        let begun = Instant::now();
        let accepted: Result<Vec<Result<OperationId, ProvisionError>>, BatchError> =
            fleet.command("canic_provision_batch", (requests,));
        accepted.expect("root accepts the batch");
        // Root runs 16 of them at a time.
        while !fleet.open().is_empty() {
            for _ in 0..50 {
                fleet.pic.advance_time(Duration::from_millis(100));
                fleet.pic.tick();
            }
        }
        println!(
            "{} members after {:?}",
            (batch + 1) * BATCH,
            begun.elapsed()
        );
    }
}

#[test]
#[ignore = "it provisions 10,000 members, which takes minutes"]
fn a_status_of_ten_thousand_members_takes_seconds() {
    // Provisioning takes time on the network, too.
    let ago = Duration::from_secs(24 * 3_600);
    let live = Live::start_ago("fixture-bare-root", ago, ten_thousand);
    let time = |line: &str| {
        let begun = Instant::now();
        let ran = live.canic(&format!("{line} --verbose"));
        println!("{line}: {:?}, {}", begun.elapsed(), ran.stderr.trim());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        (ran.stderr, begun.elapsed())
    };
    let (calls, took) = time("status");
    assert_eq!(calls, "7 calls\n");
    // Ten pages of records, and 112 of live states, of which eight are asked for at once.
    for (line, calls) in [
        ("members", "12 calls\n"),
        ("members --limit 0 --on-record", "10 calls\n"),
        ("status --live", "129 calls\n"),
        ("members --sort days", "122 calls\n"),
    ] {
        assert_eq!(time(line).0, calls, "{line}");
    }
    assert!(took < Duration::from_secs(2), "{took:?}");
}
