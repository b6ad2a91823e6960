//! Instances, their subnets and their time, through the ordinary client.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use candid::Principal;
use pocket_ic::{
    PocketIc, PocketIcState, SubnetBlockmakers, TickConfigs, Time,
    common::rest::{CanisterCyclesCostSchedule, ExtendedSubnetConfigSet, SubnetKind, SubnetSpec},
};

use crate::common::{builder, builder_of, counter, counter_wasm, instance, number, query, update};

/// 2021-05-06T19:17:10Z.
const DEFAULT_TIME: u64 = 1_620_328_630_000_000_000;

#[test]
fn the_topology_lists_every_requested_subnet() {
    let pic = builder()
        .with_nns_subnet()
        .with_sns_subnet()
        .with_ii_subnet()
        .with_fiduciary_subnet()
        .with_bitcoin_subnet()
        .with_test_threshold_keys_subnet()
        .with_system_subnet()
        .with_application_subnet()
        .with_application_subnet()
        .with_verified_application_subnet()
        .build();
    let topology = pic.topology();
    let mut kinds: Vec<_> = topology
        .subnet_configs
        .values()
        .map(|config| config.subnet_kind)
        .collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            SubnetKind::Application,
            SubnetKind::Application,
            SubnetKind::Bitcoin,
            SubnetKind::Fiduciary,
            SubnetKind::II,
            SubnetKind::NNS,
            SubnetKind::SNS,
            SubnetKind::System,
            SubnetKind::TestThresholdKeys,
            SubnetKind::VerifiedApplication,
        ]
    );
    assert_eq!(topology.get_app_subnets().len(), 2);
    // Each range belongs to one subnet, and its start is not after its end.
    let mut ranges: Vec<_> = topology
        .subnet_configs
        .values()
        .flat_map(|config| &config.canister_ranges)
        .map(|range| {
            (
                Principal::from(range.start.clone()),
                Principal::from(range.end.clone()),
            )
        })
        .collect();
    ranges.sort();
    assert!(ranges.iter().all(|(start, end)| start <= end));
    assert!(
        ranges.windows(2).all(|pair| pair[0].1 < pair[1].0),
        "{ranges:?}"
    );
    // The default effective canister id is one of an application subnet.
    let default = topology.default_effective_canister_id.clone().into();
    let subnet = topology.get_subnet(default).unwrap();
    assert!(topology.get_app_subnets().contains(&subnet));
}

#[test]
fn a_cloud_engine_charges_nothing() {
    let engine = SubnetSpec::default().with_cost_schedule(CanisterCyclesCostSchedule::Free);
    let pic = builder_of(ExtendedSubnetConfigSet {
        cloud_engine: vec![engine],
        ..Default::default()
    })
    .build();
    let topology = pic.topology();
    let engines = topology.get_cloud_engines();
    assert_eq!(engines.len(), 1);
    assert_eq!(
        topology.subnet_configs[&engines[0]].cost_schedule,
        CanisterCyclesCostSchedule::Free
    );
    let canister = pic.create_canister_on_subnet(None, None, engines[0]);
    pic.install_canister(canister, counter_wasm(), vec![], None);
    let before = pic.cycle_balance(canister);
    assert_eq!(update(&pic, canister, "inc"), Ok(1));
    assert_eq!(pic.cycle_balance(canister), before);
}

#[test]
fn canisters_are_on_the_subnet_they_were_created_on() {
    let pic = builder()
        .with_nns_subnet()
        .with_system_subnet()
        .with_application_subnet()
        .with_application_subnet()
        .build();
    let topology = pic.topology();
    for &subnet in topology.subnet_configs.keys() {
        let canister = pic.create_canister_on_subnet(None, None, subnet);
        assert_eq!(pic.get_subnet(canister), Some(subnet));
        assert_eq!(topology.get_subnet(canister), Some(subnet));
        assert!(pic.canister_exists(canister));
    }
    // By default a canister is created on an application subnet.
    let subnet = pic.get_subnet(pic.create_canister()).unwrap();
    assert!(topology.get_app_subnets().contains(&subnet));
}

#[test]
fn a_subnet_can_be_deleted() {
    let pic = builder()
        .with_nns_subnet()
        .with_application_subnet()
        .with_application_subnet()
        .build();
    let topology = pic.topology();
    let [kept, deleted] = [0, 1].map(|index| {
        let canister = pic.create_canister_on_subnet(None, None, topology.get_app_subnets()[index]);
        pic.install_canister(canister, counter_wasm(), vec![], None);
        canister
    });
    pic.delete_subnet(topology.get_app_subnets()[1]);
    assert_eq!(pic.topology().get_app_subnets().len(), 1);
    assert!(!pic.canister_exists(deleted));
    assert_eq!(update(&pic, kept, "inc"), Ok(1));
    let nns = topology.get_nns().unwrap();
    let refused = catch_unwind(AssertUnwindSafe(|| pic.delete_subnet(nns)));
    assert!(refused.is_err());
}

#[test]
fn a_canister_can_be_created_with_a_chosen_id() {
    let pic = builder()
        .with_nns_subnet()
        .with_application_subnet()
        .build();
    let id = Principal::from_text("rrkah-fqaaa-aaaaa-aaaaq-cai").unwrap();
    assert!(!pic.canister_exists(id));
    assert_eq!(pic.get_subnet(id), None);
    assert_eq!(pic.create_canister_with_id(None, None, id), Ok(id));
    assert_eq!(pic.get_subnet(id), pic.topology().get_nns());
    let twice = pic.create_canister_with_id(None, None, id).unwrap_err();
    assert!(
        twice.contains("CanisterIdAlreadyExists") || twice.contains("already"),
        "{twice}"
    );
}

#[test]
fn the_root_key_belongs_to_the_nns_subnet() {
    let key = builder()
        .with_nns_subnet()
        .with_application_subnet()
        .build()
        .root_key()
        .unwrap();
    assert!(!key.is_empty());
    assert_eq!(instance().root_key(), None);
}

#[test]
fn time_stands_still_between_rounds_and_is_set_forwards() {
    let pic = instance();
    let start = pic.get_time();
    assert!(start.as_nanos_since_unix_epoch() >= DEFAULT_TIME);
    assert_eq!(pic.get_time(), start);

    pic.advance_time(Duration::from_secs(86_400));
    assert_eq!(pic.get_time(), start + Duration::from_secs(86_400));
    pic.tick();
    assert!(pic.get_time() >= start + Duration::from_secs(86_400));

    let later = start + Duration::from_secs(200_000);
    pic.set_time(later);
    assert_eq!(pic.get_time(), later);
    let certified = start + Duration::from_secs(300_000);
    pic.set_certified_time(certified);
    assert!(pic.get_time() >= certified);
}

#[test]
fn an_instance_starts_at_the_time_it_is_given() {
    let nanos = 1_700_000_000_000_000_000;
    let pic = builder()
        .with_application_subnet()
        .with_initial_time(Time::from_nanos_since_unix_epoch(nanos))
        .build();
    let time = pic.get_time().as_nanos_since_unix_epoch();
    // The creation of the instance may have executed rounds of one nanosecond each.
    assert!((nanos..nanos + 1_000_000).contains(&time), "{time}");
}

#[test]
fn time_is_not_set_backwards() {
    let pic = instance();
    let time = pic.get_time();
    // The client panics with the status and the message of the server.
    let refused = catch_unwind(AssertUnwindSafe(|| {
        pic.set_time(Time::from_nanos_since_unix_epoch(DEFAULT_TIME - 1));
    }));
    let panic = refused.unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("400"), "{message}");
    assert_eq!(pic.get_time(), time);
}

#[test]
fn a_tick_with_blockmakers_of_an_unknown_subnet_is_refused() {
    let pic = instance();
    pic.tick_with_configs(TickConfigs {
        blockmakers: Some(vec![]),
    });
    let nobody = SubnetBlockmakers {
        subnet: Principal::from_slice(&[7; 29]),
        blockmaker: Principal::anonymous(),
        failed_blockmakers: vec![],
    };
    let result = catch_unwind(AssertUnwindSafe(|| {
        pic.tick_with_configs(TickConfigs {
            blockmakers: Some(vec![nobody]),
        });
    }));
    assert!(result.is_err());
    // The instance goes on.
    pic.tick();
}

#[test]
fn auto_progress_answers_without_ticks() {
    let pic = instance();
    let canister = counter(&pic);
    assert!(!pic.auto_progress_enabled());
    pic.auto_progress();
    assert!(pic.auto_progress_enabled());
    // 2024-01-01: the instance has left its default time for that of the wall clock.
    assert!(pic.get_time().as_nanos_since_unix_epoch() > 1_704_067_200_000_000_000);
    let id = pic
        .submit_call(canister, Principal::anonymous(), "inc", vec![])
        .unwrap();
    assert_eq!(pic.await_call_no_ticks(id).map(number), Ok(1));

    pic.stop_progress();
    assert!(!pic.auto_progress_enabled());
    let time = pic.get_time();
    let id = pic
        .submit_call(canister, Principal::anonymous(), "inc", vec![])
        .unwrap();
    assert_eq!(pic.ingress_status(id.clone()), None);
    assert_eq!(pic.get_time(), time);
    pic.tick();
    pic.tick();
    assert_eq!(pic.ingress_status(id).unwrap().map(number), Ok(2));
}

#[test]
fn an_instance_can_be_created_with_auto_progress() {
    let pic = builder()
        .with_application_subnet()
        .with_auto_progress()
        .build();
    assert!(pic.auto_progress_enabled());
    assert!(pic.get_time().as_nanos_since_unix_epoch() > 1_704_067_200_000_000_000);
}

#[test]
fn instances_do_not_affect_each_other() {
    let work = |rounds: u64| {
        move || {
            let pic = instance();
            let canister = counter(&pic);
            for n in 1..=rounds {
                assert_eq!(update(&pic, canister, "inc"), Ok(n));
            }
            (canister, query(&pic, canister, "get").unwrap())
        }
    };
    let threads = [20, 30, 40].map(|rounds| std::thread::spawn(work(rounds)));
    let counted = threads.map(|thread| thread.join().unwrap());
    assert_eq!(counted.map(|(_, count)| count), [20, 30, 40]);
    // The inputs and their order are the same, and so are the ids.
    assert_eq!(counted[0].0, counted[1].0);
}

#[test]
fn a_deleted_instance_leaves_the_others_running() {
    let kept = instance();
    let deleted = instance();
    let url = deleted.get_server_url();
    let id = deleted.instance_id();
    assert_ne!(kept.instance_id(), id);
    let canister = counter(&kept);
    drop(deleted);
    assert_eq!(update(&kept, canister, "inc"), Ok(1));
    let again = PocketIc::new_from_existing_instance(url, id, None);
    let time = catch_unwind(AssertUnwindSafe(|| again.get_time()));
    assert!(time.is_err());
}

#[test]
fn a_second_client_can_use_an_instance() {
    let pic = instance();
    let canister = counter(&pic);
    let other = PocketIc::new_from_existing_instance(pic.get_server_url(), pic.instance_id(), None);
    assert_eq!(update(&other, canister, "inc"), Ok(1));
    drop(other);
    assert_eq!(query(&pic, canister, "get"), Ok(1));
}

#[test]
fn the_client_reads_the_metrics_of_a_subnet() {
    let pic = builder().with_application_subnet().build();
    let subnet = pic.topology().get_app_subnets()[0];
    let canister = pic.create_canister();
    pic.add_cycles(canister, 10_000_000_000_000);
    pic.install_canister(canister, counter_wasm(), vec![], None);
    pic.tick();
    let before = pic.get_subnet_metrics(subnet).unwrap();
    assert_eq!(before.num_canisters, 1);
    assert_eq!(update(&pic, canister, "inc"), Ok(1));
    pic.tick();
    let after = pic.get_subnet_metrics(subnet).unwrap();
    assert!(after.consumed_cycles_total > before.consumed_cycles_total);
    assert_eq!(
        after.update_transactions_total,
        before.update_transactions_total + 1
    );
    let unknown = Principal::from_slice(&[1]);
    assert!(pic.get_subnet_metrics(unknown).is_none());
}

#[test]
fn a_state_directory_keeps_an_instance() {
    let pic = builder()
        .with_application_subnet()
        .with_state(PocketIcState::new())
        .build();
    let canister = counter(&pic);
    assert_eq!(update(&pic, canister, "inc").unwrap(), 1);
    let (time, key) = (pic.get_time(), pic.root_key());
    let state = pic.drop_and_take_state().unwrap();

    // Two instances go on from a copy of it, and know its subnets.
    for _ in 0..2 {
        let pic = builder().with_read_only_state(&state).build();
        assert_eq!(query(&pic, canister, "get").unwrap(), 1);
        assert_eq!(update(&pic, canister, "inc").unwrap(), 2);
        assert!(pic.get_time() >= time);
        assert_eq!(
            (pic.root_key(), pic.topology().get_app_subnets().len()),
            (key.clone(), 1)
        );
    }
    // One goes on in its place.
    let pic = builder().with_state(state).build();
    assert_eq!(update(&pic, canister, "inc").unwrap(), 2);
    let state = pic.drop_and_take_state().unwrap();
    let pic = builder().with_read_only_state(&state).build();
    assert_eq!(query(&pic, canister, "get").unwrap(), 2);
}
