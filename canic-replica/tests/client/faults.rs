//! Injected faults and forks, through our own paths. Another server has none of these, so the tests
//! are skipped there.

use candid::Principal;
use canic_replica::{Chaos, Effect, Fault, Outcome, RejectCode, client::Control};
use pocket_ic::PocketIc;

use crate::common::{counter, instance, only_ours, query, raw, update};

fn control(pic: &PocketIc) -> Option<Control> {
    only_ours("this server has no fault injection").then(|| Control::of(pic).unwrap())
}

#[test]
fn an_injected_fault_fires_once_and_shows_in_the_trace() {
    let pic = instance();
    let Some(control) = control(&pic) else { return };
    let canister = counter(&pic);
    let fault = Fault::on_call(Effect::trap())
        .callee(canister)
        .method("inc");
    control.inject(&fault).unwrap();
    let from = control.next_event().unwrap();
    let error = update(&pic, canister, "inc").unwrap_err();
    assert!(error.reject_message.contains("injected fault"), "{error:?}");
    assert_eq!(update(&pic, canister, "inc"), Ok(1));

    let trace = control.trace(from).unwrap();
    assert!(matches!(trace[0].outcome, Outcome::Trap { .. }));
    assert_eq!(trace[1].outcome, Outcome::Reply);
    let fired = control.fired_faults().unwrap();
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].event, from);
    assert_eq!(fired[0].fault.caller, Some(Principal::anonymous()));
    assert_eq!(control.armed_faults().unwrap()[0].seen, 2);
    control.clear_faults().unwrap();
    assert_eq!(control.armed_faults(), Ok(vec![]));
}

#[test]
fn a_fork_is_independent_and_is_deleted_with_its_client() {
    let pic = instance();
    let Some(control) = control(&pic) else { return };
    let canister = counter(&pic);
    let fork = control.fork().unwrap();
    assert_ne!(fork.instance_id(), pic.instance_id());
    update(&fork, canister, "inc").unwrap();
    update(&fork, canister, "inc").unwrap();
    update(&pic, canister, "inc").unwrap();
    assert_eq!(query(&fork, canister, "get"), Ok(2));
    assert_eq!(query(&pic, canister, "get"), Ok(1));
    let of_fork = Control::of(&fork).unwrap();
    drop(fork);
    let error = of_fork.accounts().unwrap_err();
    assert!(error.contains("has been deleted"), "{error}");
    assert!(control.accounts().unwrap().balanced());
}

#[test]
fn chaos_is_switched_on_and_off() {
    let pic = instance();
    let Some(control) = control(&pic) else { return };
    let canister = counter(&pic);
    let chaos = Chaos {
        seed: 3,
        per_mille: 1_000,
        caller: None,
        callee: Some(canister),
    };
    control.set_chaos(Some(&chaos)).unwrap();
    let failed = (0..10)
        .filter(|_| update(&pic, canister, "inc").is_err())
        .count();
    assert!(failed > 0);
    assert_eq!(control.fired_faults().unwrap().len(), 10);
    control.set_chaos(None).unwrap();
    update(&pic, canister, "inc").unwrap();
    assert_eq!(control.fired_faults().unwrap().len(), 10);
}

#[test]
fn a_malformed_fault_is_refused() {
    let pic = instance();
    let Some(_) = control(&pic) else { return };
    let path = format!("/canic/instances/{}/faults", pic.instance_id());
    let port = pic.get_server_url().port().unwrap();
    let fault = r#"{"direction": "call", "effect": {"explode": {}}}"#;
    let json = "content-type: application/json\r\n";
    let (status, body) = raw(port, "POST", &path, json, fault);
    assert_eq!(status, 400);
    assert!(body.contains("unknown variant `explode`"), "{body}");
    let lost = Fault::on_answer(Effect::reject(RejectCode::SysUnknown));
    let (status, _) = raw(port, "POST", &path, json, lost.to_string());
    assert_eq!(status, 200);
}
