//! Canisters through the ordinary client: lifecycle, answers and failures.

use std::{io::Write, time::Duration};

use candid::Principal;
use flate2::{Compression, write::GzEncoder};
use ic_management_canister_types::{CanisterSettings, CanisterStatusType};
use pocket_ic::{
    ErrorCode, IngressStatusResult, RejectCode, RejectResponse,
    common::rest::{BlobCompression, RawSenderInfo},
};

use crate::common::{COUNTER, counter, counter_wasm, instance, number, query, update};

fn user(n: u8) -> Principal {
    Principal::self_authenticating([n; 32])
}

#[track_caller]
fn assert_reject(reject: &RejectResponse, code: RejectCode, error: ErrorCode, message: &str) {
    assert_eq!(
        (reject.reject_code, reject.error_code),
        (code, error),
        "{reject:?}"
    );
    assert!(reject.reject_message.contains(message), "{reject:?}");
}

#[test]
fn updates_are_kept_and_queries_see_them() {
    let pic = instance();
    let canister = counter(&pic);
    assert_eq!(query(&pic, canister, "get"), Ok(0));
    assert_eq!(update(&pic, canister, "inc"), Ok(1));
    assert_eq!(update(&pic, canister, "inc"), Ok(2));
    assert_eq!(query(&pic, canister, "get"), Ok(2));
    // A query method can be called as an update.
    assert_eq!(update(&pic, canister, "get"), Ok(2));
}

#[test]
fn a_trap_changes_nothing() {
    let pic = instance();
    let canister = counter(&pic);
    let reject = update(&pic, canister, "trapping").unwrap_err();
    assert_reject(
        &reject,
        RejectCode::CanisterError,
        ErrorCode::CanisterCalledTrap,
        "no more of this",
    );
    assert!(
        reject.reject_message.contains(&canister.to_text()),
        "{reject:?}"
    );
    assert!(reject.certified);
    assert_eq!(query(&pic, canister, "get"), Ok(0));

    let reject = query(&pic, canister, "trapping_query").unwrap_err();
    assert_reject(
        &reject,
        RejectCode::CanisterError,
        ErrorCode::CanisterCalledTrap,
        "no more of this",
    );
    assert!(!reject.certified);
}

#[test]
fn a_reject_keeps_the_changes_of_its_message() {
    let pic = instance();
    let canister = counter(&pic);
    let reject = update(&pic, canister, "rejecting").unwrap_err();
    assert_reject(
        &reject,
        RejectCode::CanisterReject,
        ErrorCode::CanisterRejectedMessage,
        "no more of this",
    );
    assert!(reject.certified);
    assert_eq!(query(&pic, canister, "get"), Ok(10));
}

#[test]
fn a_message_without_an_answer_is_rejected() {
    let pic = instance();
    let canister = counter(&pic);
    let reject = update(&pic, canister, "silent").unwrap_err();
    assert_reject(
        &reject,
        RejectCode::CanisterError,
        ErrorCode::CanisterDidNotReply,
        "did not",
    );
}

#[test]
fn missing_methods_modules_and_canisters_are_named() {
    let pic = instance();
    let canister = counter(&pic);
    let reject = update(&pic, canister, "absent").unwrap_err();
    assert_reject(
        &reject,
        RejectCode::CanisterError,
        ErrorCode::CanisterMethodNotFound,
        "absent",
    );
    let reject = query(&pic, canister, "absent").unwrap_err();
    assert_reject(
        &reject,
        RejectCode::CanisterError,
        ErrorCode::CanisterMethodNotFound,
        "absent",
    );

    let empty = pic.create_canister();
    let reject = update(&pic, empty, "inc").unwrap_err();
    assert_reject(
        &reject,
        RejectCode::CanisterError,
        ErrorCode::CanisterWasmModuleNotFound,
        &empty.to_text(),
    );

    let id = pic.create_canister();
    pic.stop_canister(id, None).unwrap();
    pic.delete_canister(id, None).unwrap();
    let reject = update(&pic, id, "inc").unwrap_err();
    assert_reject(
        &reject,
        RejectCode::DestinationInvalid,
        ErrorCode::CanisterNotFound,
        &id.to_text(),
    );
}

#[test]
fn a_submitted_message_waits_for_its_round() {
    let pic = instance();
    let canister = counter(&pic);
    let sender = user(1);
    let id = pic.submit_call(canister, sender, "inc", vec![]).unwrap();
    assert_eq!(pic.ingress_status(id.clone()), None);
    assert_eq!(query(&pic, canister, "get"), Ok(0));
    pic.tick();
    pic.tick();
    assert_eq!(pic.ingress_status(id.clone()).unwrap().map(number), Ok(1));
    assert_eq!(pic.await_call(id.clone()).map(number), Ok(1));

    // Only the sender may read the status of a message.
    let own = pic.ingress_status_as(id.clone(), sender);
    assert!(
        matches!(own, IngressStatusResult::Success(Ok(_))),
        "{own:?}"
    );
    let other = pic.ingress_status_as(id, user(2));
    assert!(
        matches!(other, IngressStatusResult::Forbidden(_)),
        "{other:?}"
    );
}

#[test]
fn messages_submitted_twice_are_two_messages() {
    let pic = instance();
    let canister = counter(&pic);
    let ids = [(); 3].map(|()| pic.submit_call(canister, user(1), "inc", vec![]).unwrap());
    let mut answers = ids.map(|id| pic.await_call(id).map(number).unwrap());
    answers.sort();
    assert_eq!(answers, [1, 2, 3]);
}

#[test]
fn cycles_are_given_and_spent() {
    let pic = instance();
    let canister = pic.create_canister();
    let balance = pic.cycle_balance(canister);
    // A canister gets 100 T by default, less the fee for a short time.
    assert!(
        (99_000_000_000_000..=100_000_000_000_000).contains(&balance),
        "{balance}"
    );
    let more = pic.add_cycles(canister, 7_000_000_000_000);
    assert_eq!(more, balance + 7_000_000_000_000);
    assert_eq!(pic.cycle_balance(canister), more);
    pic.install_canister(canister, counter_wasm(), vec![], None);
    let installed = pic.cycle_balance(canister);
    assert!(installed < more);
    update(&pic, canister, "inc").unwrap();
    assert!(pic.cycle_balance(canister) < installed);
    // The amount exceeds a JSON number of 64 bits.
    let much = 1 << 80;
    assert!(pic.add_cycles(canister, much) > much);
}

#[test]
fn only_controllers_manage_a_canister() {
    let pic = instance();
    let settings = CanisterSettings {
        controllers: Some(vec![user(1), user(2)]),
        ..Default::default()
    };
    let canister = pic.create_canister_with_settings(Some(user(1)), Some(settings));
    let mut controllers = pic.get_controllers(canister);
    controllers.sort();
    let mut expected = vec![user(1), user(2)];
    expected.sort();
    assert_eq!(controllers, expected);

    let refused = pic
        .set_controllers(canister, Some(user(3)), vec![user(3)])
        .unwrap_err();
    assert_eq!(
        refused.error_code,
        ErrorCode::CanisterInvalidController,
        "{refused:?}"
    );
    pic.set_controllers(canister, Some(user(2)), vec![user(3)])
        .unwrap();
    assert_eq!(pic.get_controllers(canister), [user(3)]);

    let status = pic.canister_status(canister, Some(user(3))).unwrap();
    assert_eq!(status.status, CanisterStatusType::Running);
    assert_eq!(status.module_hash, None);
    assert!(pic.canister_status(canister, Some(user(1))).is_err());
}

#[test]
fn stable_memory_is_read_and_written_from_outside() {
    let pic = instance();
    let canister = counter(&pic);
    update(&pic, canister, "inc").unwrap();
    update(&pic, canister, "keep").unwrap();
    let stable = pic.get_stable_memory(canister);
    assert_eq!(stable[..8], 1_u64.to_le_bytes());

    let data: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    pic.set_stable_memory(canister, data.clone(), BlobCompression::NoCompression);
    let stable = pic.get_stable_memory(canister);
    assert_eq!(stable[..data.len()], data);
    assert!(stable[data.len()..].iter().all(|&byte| byte == 0));
    // The size is a number of whole Wasm pages.
    assert_eq!(stable.len() % 65_536, 0);

    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&[9; 70_000]).unwrap();
    pic.set_stable_memory(canister, gzip.finish().unwrap(), BlobCompression::Gzip);
    assert_eq!(pic.get_stable_memory(canister)[..70_000], [9; 70_000]);
}

#[test]
fn a_timer_fires_when_its_time_has_come() {
    let pic = instance();
    let canister = counter(&pic);
    update(&pic, canister, "alarm").unwrap();
    pic.tick();
    assert_eq!(query(&pic, canister, "get"), Ok(0));
    pic.advance_time(Duration::from_millis(999));
    pic.tick();
    assert_eq!(query(&pic, canister, "get"), Ok(0));
    pic.advance_time(Duration::from_secs(1));
    pic.tick();
    pic.tick();
    assert_eq!(query(&pic, canister, "get"), Ok(1000));
    // The timer fires only once.
    pic.advance_time(Duration::from_secs(10));
    pic.tick();
    assert_eq!(query(&pic, canister, "get"), Ok(1000));
}

#[test]
fn a_canister_is_stopped_started_uninstalled_and_deleted() {
    let pic = instance();
    let canister = counter(&pic);
    pic.stop_canister(canister, None).unwrap();
    let reject = update(&pic, canister, "inc").unwrap_err();
    assert_reject(
        &reject,
        RejectCode::CanisterError,
        ErrorCode::CanisterStopped,
        "stopped",
    );
    pic.start_canister(canister, None).unwrap();
    assert_eq!(update(&pic, canister, "inc"), Ok(1));

    let running = pic.delete_canister(canister, None).unwrap_err();
    assert_eq!(
        running.error_code,
        ErrorCode::CanisterNotStopped,
        "{running:?}"
    );
    pic.uninstall_canister(canister, None).unwrap();
    let reject = update(&pic, canister, "inc").unwrap_err();
    assert_eq!(
        reject.error_code,
        ErrorCode::CanisterWasmModuleNotFound,
        "{reject:?}"
    );
    pic.stop_canister(canister, None).unwrap();
    pic.delete_canister(canister, None).unwrap();
    assert!(!pic.canister_exists(canister));
}

#[test]
fn upgrades_keep_stable_memory_and_reinstalls_nothing() {
    let pic = instance();
    let canister = counter(&pic);
    update(&pic, canister, "inc").unwrap();
    update(&pic, canister, "keep").unwrap();
    pic.upgrade_canister(canister, counter_wasm(), vec![], None)
        .unwrap();
    assert_eq!(query(&pic, canister, "get"), Ok(0));
    assert_eq!(pic.get_stable_memory(canister)[..8], 1_u64.to_le_bytes());
    pic.reinstall_canister(canister, counter_wasm(), vec![], None)
        .unwrap();
    assert!(pic.get_stable_memory(canister).is_empty());
}

#[test]
fn a_large_module_is_installed_in_chunks() {
    let pic = instance();
    let canister = pic.create_canister();
    // From 2 MB on the client uploads chunks of 1 MiB.
    let ballast = format!(
        r#"(memory 40) (data (i32.const 1000) "{}")"#,
        "ballast!".repeat(280_000)
    );
    let wasm = wat::parse_str(COUNTER.replace("(memory 1)", &ballast)).unwrap();
    assert!(wasm.len() > 2 << 20);
    pic.install_canister(canister, wasm, vec![], None);
    assert_eq!(update(&pic, canister, "inc"), Ok(1));
    assert_eq!(pic.stored_chunks(canister, None).unwrap().len(), 3);
    pic.clear_chunk_store(canister, None).unwrap();
    assert!(pic.stored_chunks(canister, None).unwrap().is_empty());
}

#[test]
fn an_invalid_module_is_refused() {
    let pic = instance();
    let canister = pic.create_canister();
    let refused = pic
        .reinstall_canister(canister, b"no module".to_vec(), vec![], None)
        .unwrap_err();
    assert_eq!(
        refused.error_code,
        ErrorCode::CanisterInvalidWasm,
        "{refused:?}"
    );
    assert_eq!(refused.reject_code, RejectCode::CanisterError);
}

#[test]
fn a_fresh_instance_has_no_pending_outcalls() {
    let pic = instance();
    pic.tick();
    assert!(pic.get_canister_http().is_empty());
}

#[test]
fn endless_recursion_is_a_trap() {
    let pic = instance();
    let canister = pic.create_canister();
    let wasm = r#"(module
        (func $deeper (param i32 i64 f64) (result i32)
            (i32.add (local.get 0)
                (call $deeper (i32.add (local.get 0) (i32.const 1)) (local.get 1) (local.get 2))))
        (func (export "canister_update deep")
            (drop (call $deeper (i32.const 0) (i64.const 0) (f64.const 0)))))"#;
    pic.install_canister(canister, wat::parse_str(wasm).unwrap(), vec![], None);
    let reject = update(&pic, canister, "deep").unwrap_err();
    assert_reject(
        &reject,
        RejectCode::CanisterError,
        ErrorCode::CanisterTrapped,
        "stack",
    );
    // The server and the instance go on.
    let canister = counter(&pic);
    assert_eq!(update(&pic, canister, "inc"), Ok(1));
}

#[test]
fn a_canister_sees_the_sender_info_of_its_caller() {
    let wasm = wat::parse_str(
        r#"
        (module
          (import "ic0" "msg_caller_info_data_size" (func $data_size (result i32)))
          (import "ic0" "msg_caller_info_data_copy" (func $data_copy (param i32 i32 i32)))
          (import "ic0" "msg_caller_info_signer_size" (func $signer_size (result i32)))
          (import "ic0" "msg_caller_info_signer_copy" (func $signer_copy (param i32 i32 i32)))
          (import "ic0" "canister_self_copy" (func $self_copy (param i32 i32 i32)))
          (import "ic0" "call_new" (func $call_new (param i32 i32 i32 i32 i32 i32 i32 i32)))
          (import "ic0" "call_perform" (func $call_perform (result i32)))
          (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
          (import "ic0" "msg_reply" (func $msg_reply))
          (memory 1)
          (table 1 funcref)
          (elem (i32.const 0) $answer)
          (data (i32.const 0) "who")
          (func $answer (param i32)
            (call $data_copy (i32.const 100) (i32.const 0) (call $data_size))
            (call $append (i32.const 100) (call $data_size))
            (call $signer_copy (i32.const 100) (i32.const 0) (call $signer_size))
            (call $append (i32.const 100) (call $signer_size))
            (call $msg_reply))
          (func (export "canister_query who") (call $answer (i32.const 0)))
          ;; Calls itself, and replies in the callback with the info of its own caller.
          (func (export "canister_update who_later")
            (call $self_copy (i32.const 10) (i32.const 0) (i32.const 10))
            (call $call_new (i32.const 10) (i32.const 10) (i32.const 0) (i32.const 3)
              (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
            (drop (call $call_perform))))
        "#,
    )
    .unwrap();
    let pic = instance();
    let canister = pic.create_canister();
    pic.install_canister(canister, wasm, vec![], None);
    let sender = Principal::self_authenticating("sender");
    let signer = Principal::from_slice(&[9, 8, 7]);
    let info = || RawSenderInfo {
        info: b"a person".to_vec(),
        signer: signer.as_slice().to_vec(),
    };
    let expected = Ok([b"a person", signer.as_slice()].concat());
    for method in ["who", "who_later"] {
        let update = pic.update_call_with_sender_info(canister, sender, method, vec![], info());
        assert_eq!(update, expected, "{method}");
    }
    let query = pic.query_call_with_sender_info(canister, sender, "who", vec![], info());
    assert_eq!(query, expected);
    // Calls without sender info bring none.
    assert_eq!(
        pic.update_call(canister, sender, "who_later", vec![]),
        Ok(vec![])
    );
    assert_eq!(pic.query_call(canister, sender, "who", vec![]), Ok(vec![]));
}
