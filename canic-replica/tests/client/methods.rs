//! One test for each method of the client that no other module here calls.

use candid::{Principal, decode_one, encode_one};
use ic_management_canister_types::{
    CanisterIdRecord, CanisterInstallMode, CanisterSettings,
    ProvisionalCreateCanisterWithCyclesArgs,
};
use pocket_ic::{
    RejectResponse,
    common::rest::{BlobCompression, RawEffectivePrincipal},
};
use sha2::{Digest, Sha256};

use crate::common::{builder, counter, counter_wasm, instance, query, update};

const ANYONE: Principal = Principal::anonymous();

#[test]
fn a_module_is_installed_from_chunks() {
    let pic = instance();
    let canister = pic.create_canister();
    let module = counter_wasm();
    let (one, two) = module.split_at(module.len() / 2);
    let chunks = [one, two]
        .map(|chunk| pic.upload_chunk(canister, None, chunk.to_vec()).unwrap())
        .to_vec();
    let hash = Sha256::digest(&module).to_vec();
    let install = |hash| {
        pic.install_chunked_canister(
            canister,
            None,
            CanisterInstallMode::Install,
            canister,
            chunks.clone(),
            hash,
            vec![],
        )
    };
    let error = install(vec![0; 32]).unwrap_err();
    assert!(error.reject_message.contains("does not match"), "{error:?}");
    install(hash.clone()).unwrap();
    let status = pic.canister_status(canister, None).unwrap();
    assert_eq!(status.module_hash, Some(hash));
}

#[test]
fn a_snapshot_is_loaded_and_deleted() {
    let pic = instance();
    let canister = counter(&pic);
    update(&pic, canister, "inc").unwrap();
    pic.stop_canister(canister, None).unwrap();
    let snapshot = pic.take_canister_snapshot(canister, None, None).unwrap().id;
    pic.start_canister(canister, None).unwrap();
    update(&pic, canister, "inc").unwrap();
    assert_eq!(query(&pic, canister, "get"), Ok(2));
    pic.stop_canister(canister, None).unwrap();
    pic.load_canister_snapshot(canister, None, snapshot.clone())
        .unwrap();
    pic.start_canister(canister, None).unwrap();
    assert_eq!(query(&pic, canister, "get"), Ok(1));
    pic.delete_canister_snapshot(canister, None, snapshot)
        .unwrap();
    assert_eq!(pic.list_canister_snapshots(canister, None), Ok(vec![]));
}

#[test]
fn settings_are_updated_by_controllers_and_not_by_strangers() {
    let pic = instance();
    let canister = counter(&pic);
    let settings = CanisterSettings {
        freezing_threshold: Some(1_000_000_u64.into()),
        ..CanisterSettings::default()
    };
    let stranger = Some(Principal::self_authenticating("stranger"));
    let change = |sender| pic.update_canister_settings(canister, sender, settings.clone());
    change(stranger).unwrap_err();
    change(None).unwrap();
    let status = pic.canister_status(canister, None).unwrap();
    assert_eq!(status.settings.freezing_threshold, 1_000_000_u64);
}

#[test]
fn a_trap_shows_in_the_log() {
    let pic = instance();
    let canister = counter(&pic);
    update(&pic, canister, "trapping").unwrap_err();
    let log = pic.fetch_canister_logs(canister, ANYONE).unwrap();
    let last = String::from_utf8(log.last().unwrap().content.clone()).unwrap();
    assert!(last.contains("no more of this"), "{last}");
    // By default only controllers may read the log.
    let stranger = Principal::self_authenticating("stranger");
    pic.fetch_canister_logs(canister, stranger).unwrap_err();
}

#[test]
fn an_upgrade_that_keeps_the_heap_needs_a_module_for_it() {
    let pic = instance();
    let canister = counter(&pic);
    let error = pic
        .upgrade_eop_canister(canister, counter_wasm(), vec![], None)
        .unwrap_err();
    assert!(
        error
            .reject_message
            .contains("enhanced orthogonal persistence"),
        "{error:?}"
    );
}

#[test]
fn management_calls_run_on_the_subnet_of_the_effective_principal() {
    let pic = builder()
        .with_application_subnet()
        .with_application_subnet()
        .build();
    let subnets = pic.topology().get_app_subnets();
    for subnet in subnets {
        let created = pic.update_call_with_effective_principal(
            Principal::management_canister(),
            RawEffectivePrincipal::SubnetId(subnet.as_slice().to_vec()),
            ANYONE,
            "provisional_create_canister_with_cycles",
            encode_one(ProvisionalCreateCanisterWithCyclesArgs::default()).unwrap(),
        );
        let created: CanisterIdRecord = decode(created);
        assert_eq!(pic.get_subnet(created.canister_id), Some(subnet));
    }
    let canister = counter(&pic);
    let effective = RawEffectivePrincipal::CanisterId(canister.as_slice().to_vec());
    let got = pic
        .query_call_with_effective_principal(canister, effective, ANYONE, "get", vec![])
        .unwrap();
    assert_eq!(got, 0_u64.to_le_bytes());
}

fn decode<T: candid::CandidType + serde::de::DeserializeOwned>(
    reply: Result<Vec<u8>, RejectResponse>,
) -> T {
    decode_one(&reply.unwrap()).unwrap()
}

#[test]
fn equal_blobs_have_equal_ids() {
    let pic = instance();
    let blob = pic.upload_blob(vec![1, 2, 3], BlobCompression::NoCompression);
    let same = pic.upload_blob(vec![1, 2, 3], BlobCompression::NoCompression);
    assert_eq!(blob.0, same.0);
}

#[test]
fn the_root_key_is_that_of_the_nns_subnet() {
    assert_eq!(instance().root_key(), None);
    let pic = builder().with_nns_subnet().build();
    let key = pic.root_key().unwrap();
    // The key is DER: a sequence of 130 bytes that holds a BLS12-381 key of 96 bytes.
    assert_eq!((key.len(), &key[..3]), (133, &[0x30, 0x81, 0x82][..]));
}
