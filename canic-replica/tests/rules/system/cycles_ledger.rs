//! The cycles ledger, method by method.

use candid::Principal;
use canic_replica::{Effect, Fault, RejectCode};
use ic_certification::{HashTree, LookupResult};
use ic_management_canister_types as types;

use crate::{
    certification::read,
    common::{T, record},
    system::{CYCLES_LEDGER, CYCLES_MINTING, HOUR, MINUTE, System, account, blob, block, id, user},
};

const FEE: u128 = 100_000_000;

fn error(text: &str) -> String {
    format!("(variant {{ Err = variant {{ {text} }} }})")
}

/// The argument of `withdraw`.
fn withdrawal(to: Principal, amount: u128, rest: &str) -> String {
    format!("(record {{ to = principal \"{to}\"; amount = {amount} : nat; {rest} }})")
}

fn created_at(time: u64) -> String {
    format!("created_at_time = opt ({time} : nat64)")
}

#[test]
fn constants_are_those_of_the_mainnet() {
    let mut system = System::new();
    for (method, reply) in [
        ("icrc1_decimals", "(12 : nat8)"),
        ("icrc1_fee", "(100_000_000 : nat)"),
        ("icrc1_name", "(\"Trillion Cycles\")"),
        ("icrc1_symbol", "(\"TCYCLES\")"),
        ("icrc1_minting_account", "(null)"),
    ] {
        assert_eq!(system.cycles(user(1), method, "()"), reply);
    }
    for method in ["icrc1_supported_standards", "icrc10_supported_standards"] {
        let standards = system.cycles(user(1), method, "()");
        for name in ["ICRC-1\"", "ICRC-2\"", "ICRC-3\"", "ICRC-10\""] {
            assert!(standards.contains(name), "{standards}");
        }
    }
    let metadata = system.cycles(user(1), "icrc1_metadata", "()");
    for entry in [
        "\"icrc1:fee\"; variant { Nat = 100_000_000 : nat }",
        "\"icrc1:max_memo_length\"; variant { Nat = 32 : nat }",
        "\"dfn:max_blocks_per_request\"; variant { Nat = 50 : nat }",
    ] {
        assert!(metadata.contains(entry), "{metadata}");
    }
    let types = system.cycles(user(1), "icrc3_supported_block_types", "()");
    for name in ["1burn", "1mint", "2xfer", "2approve"] {
        assert!(types.contains(name), "{types}");
    }
    let archives = system.cycles(user(1), "icrc3_get_archives", "(record {})");
    assert_eq!(archives, "(vec {})");
}

#[test]
fn a_deposit_mints_what_it_brings_less_the_fee() {
    let mut system = System::new();
    let proxy = system.proxy();
    let alice = account(user(1));
    let args = format!("(record {{ to = {alice} }})");
    let held = system.net.replica.cycles(id(CYCLES_LEDGER)).unwrap();
    for (cycles, refund, reply) in [
        (
            FEE - 1,
            FEE - 1,
            "The requested amount 99999999 to be deposited is less than the cycles ledger fee: \
             100000000",
        ),
        (
            FEE,
            FEE,
            "Cannot deposit 0 cycles (amount: 100000000, cycles ledger fee: 100000000)",
        ),
        (
            2 * FEE,
            0,
            "(record { balance = 100_000_000 : nat; block_index = 1 : nat })",
        ),
        (
            FEE + 1,
            0,
            "(record { balance = 100_000_001 : nat; block_index = 2 : nat })",
        ),
    ] {
        let answer = system.call_from(proxy, CYCLES_LEDGER, "deposit", &args, cycles);
        assert_eq!(answer.0, refund);
        assert!(answer.1.contains(reply), "{}", answer.1);
    }
    // The ledger holds the fees, too.
    let now_held = system.net.replica.cycles(id(CYCLES_LEDGER));
    assert_eq!(now_held, Some(held + 3 * FEE + 1));
    let args = format!("(record {{ to = {alice}; memo = opt {} }})", blob(&[1; 33]));
    let (refund, reply) = system.call_from(proxy, CYCLES_LEDGER, "deposit", &args, T);
    assert!(
        refund == T && reply.contains("memo length exceeds the maximum of 32 bytes"),
        "{reply}"
    );
    // A user brings no cycles.
    let args = format!("(record {{ to = {alice} }})");
    let reject = system.cycles(user(1), "deposit", &args);
    assert!(
        reject.contains("less than the cycles ledger fee"),
        "{reject}"
    );
}

#[test]
fn transfers_are_refused_at_their_limits() {
    let mut system = System::new();
    let (alice, bob) = (account(user(1)), account(user(2)));
    system.give_cycles(&alice, T);
    system.at(system.now() + 48 * HOUR);
    let now = system.now();
    let args = |amount: u128, rest: &str| {
        format!("(record {{ to = {bob}; amount = {amount} : nat; {rest} }})")
    };
    for (args, reply) in [
        (
            args(1, "fee = opt (1 : nat)"),
            error("BadFee = record { expected_fee = 100_000_000 : nat }"),
        ),
        (
            args(T - FEE + 1, ""),
            error("InsufficientFunds = record { balance = 1_000_000_000_000 : nat }"),
        ),
        (
            args(u128::MAX, ""),
            error("InsufficientFunds = record { balance = 1_000_000_000_000 : nat }"),
        ),
        (args(1, &created_at(now - 25 * HOUR)), error("TooOld")),
        // This ledger adds the drift to the window.
        (
            args(1, &created_at(now - 24 * HOUR - MINUTE / 2)),
            "(variant { Ok = 2 : nat })".into(),
        ),
        (
            args(1, &created_at(now - 24 * HOUR - MINUTE / 2)),
            error("Duplicate = record { duplicate_of = 2 : nat }"),
        ),
        // The default fee makes it another transaction if it is given.
        (
            args(
                1,
                &format!(
                    "{}; fee = opt (100_000_000 : nat)",
                    created_at(now - 24 * HOUR)
                ),
            ),
            "(variant { Ok = 3 : nat })".into(),
        ),
        (args(1, ""), "(variant { Ok = 4 : nat })".into()),
        (args(1, ""), "(variant { Ok = 5 : nat })".into()),
    ] {
        assert_eq!(
            system.cycles(user(1), "icrc1_transfer", &args),
            reply,
            "{args}"
        );
    }
    let future = system.cycles(
        user(1),
        "icrc1_transfer",
        &args(1, &created_at(now + 2 * MINUTE)),
    );
    assert!(
        future.contains("CreatedInFuture = record { ledger_time = "),
        "{future}"
    );
    let denied = format!(
        "(record {{ to = {}; amount = 1 : nat }})",
        account(Principal::management_canister())
    );
    let denied = system.cycles(user(1), "icrc1_transfer", &denied);
    assert!(denied.contains("error_code = 100_001 : nat"), "{denied}");
    for (rest, message) in [
        (
            format!("memo = opt {}", blob(&[0; 33])),
            "memo length exceeds the maximum of 32 bytes",
        ),
        (
            format!("from_subaccount = opt {}", blob(&[0; 31])),
            "failed to decode call arguments",
        ),
    ] {
        let reject = system.cycles(user(1), "icrc1_transfer", &args(1, &rest));
        assert!(reject.contains(message), "{reject}");
    }
    // The subaccount of zeros is the default one.
    let own = args(1, &format!("from_subaccount = opt {}", blob(&[0; 32])));
    block(&system.cycles(user(1), "icrc1_transfer", &own));
    assert_eq!(system.balance(CYCLES_LEDGER, &bob), 5);
    assert_eq!(system.balance(CYCLES_LEDGER, &alice), T - 5 * (FEE + 1));
}

#[test]
fn allowances_are_used_and_refused_at_their_limits() {
    let mut system = System::new();
    let (alice, bob, carol) = (account(user(1)), account(user(2)), account(user(3)));
    let now = system.now();
    let approve = |amount: u128, rest: &str| {
        format!("(record {{ spender = {bob}; amount = {amount} : nat; {rest} }})")
    };
    let reply = system.cycles(user(1), "icrc2_approve", &approve(5, ""));
    assert_eq!(
        reply,
        error("InsufficientFunds = record { balance = 0 : nat }")
    );
    system.give_cycles(&alice, T);
    for (args, reply) in [
        (
            approve(5, "fee = opt (1 : nat)"),
            error("BadFee = record { expected_fee = 100_000_000 : nat }"),
        ),
        (
            approve(5, "expected_allowance = opt (1 : nat)"),
            error("AllowanceChanged = record { current_allowance = 0 : nat }"),
        ),
        (approve(5, &created_at(now - 25 * HOUR)), error("TooOld")),
        (
            approve(3 * FEE, &created_at(now)),
            "(variant { Ok = 2 : nat })".into(),
        ),
        (
            approve(3 * FEE, &created_at(now)),
            error("Duplicate = record { duplicate_of = 2 : nat }"),
        ),
    ] {
        assert_eq!(
            system.cycles(user(1), "icrc2_approve", &args),
            reply,
            "{args}"
        );
    }
    let expired = approve(5, &format!("expires_at = opt ({now} : nat64)"));
    let expired = system.cycles(user(1), "icrc2_approve", &expired);
    assert!(
        expired.contains("Expired = record { ledger_time"),
        "{expired}"
    );
    let own = format!("(record {{ spender = {alice}; amount = 5 : nat }})");
    let reject = system.cycles(user(1), "icrc2_approve", &own);
    assert!(reject.contains("self approval is not allowed"), "{reject}");
    let allowance = format!("(record {{ account = {alice}; spender = {bob} }})");
    assert_eq!(
        system.cycles(user(3), "icrc2_allowance", &allowance),
        "(record { allowance = 300_000_000 : nat; expires_at = null })"
    );
    let take = |amount: u128, rest: &str| {
        format!("(record {{ from = {alice}; to = {carol}; amount = {amount} : nat; {rest} }})")
    };
    for (sender, args, reply) in [
        (
            user(2),
            take(2 * FEE + 1, ""),
            error("InsufficientAllowance = record { allowance = 300_000_000 : nat }"),
        ),
        (
            user(3),
            take(1, ""),
            error("InsufficientAllowance = record { allowance = 0 : nat }"),
        ),
        (user(2), take(FEE, ""), "(variant { Ok = 3 : nat })".into()),
        (
            user(2),
            take(1, ""),
            error("InsufficientAllowance = record { allowance = 100_000_000 : nat }"),
        ),
        (user(1), take(1, ""), "(variant { Ok = 4 : nat })".into()),
    ] {
        assert_eq!(
            system.cycles(sender, "icrc2_transfer_from", &args),
            reply,
            "{args}"
        );
    }
    assert_eq!(system.balance(CYCLES_LEDGER, &carol), FEE + 1);
}

#[test]
fn a_withdrawal_deposits_cycles_on_a_canister() {
    let mut system = System::new();
    let target = system.net.create_on(2, T);
    system.give_cycles(&account(user(1)), 2 * T);
    let before = system.net.replica.cycles(target).unwrap();
    let held = system.net.replica.cycles(id(CYCLES_LEDGER)).unwrap();
    let reply = system.cycles(user(1), "withdraw", &withdrawal(target, T, ""));
    assert_eq!(reply, "(variant { Ok = 2 : nat })");
    assert!(system.net.replica.cycles(target).unwrap() > before + T - FEE);
    assert_eq!(system.net.replica.cycles(id(CYCLES_LEDGER)), Some(held - T));
    assert_eq!(system.balance(CYCLES_LEDGER, &account(user(1))), T - FEE);
    let now = system.now();
    for (args, reply) in [
        (
            withdrawal(user(5), FEE, ""),
            error(&format!(
                "InvalidReceiver = record {{ receiver = principal \"{}\" }}",
                user(5)
            )),
        ),
        (
            withdrawal(target, T, ""),
            error("InsufficientFunds = record { balance = 999_900_000_000 : nat }"),
        ),
        (
            withdrawal(target, u128::MAX, ""),
            error("InsufficientFunds = record { balance = 999_900_000_000 : nat }"),
        ),
        (
            withdrawal(target, FEE, &created_at(now - 25 * HOUR)),
            error("TooOld"),
        ),
        (
            withdrawal(target, FEE, &created_at(now)),
            "(variant { Ok = 3 : nat })".into(),
        ),
        (
            withdrawal(target, FEE, &created_at(now)),
            error("Duplicate = record { duplicate_of = 3 : nat }"),
        ),
    ] {
        assert_eq!(system.cycles(user(1), "withdraw", &args), reply, "{args}");
    }
    let nothing = system.cycles(user(1), "withdraw", &withdrawal(target, 0, ""));
    assert!(nothing.contains("error_code = 100_002 : nat"), "{nothing}");
    let future = withdrawal(target, 1, &created_at(now + 2 * MINUTE));
    let future = system.cycles(user(1), "withdraw", &future);
    assert!(future.contains("CreatedInFuture"), "{future}");
}

#[test]
fn a_failed_withdrawal_is_refunded_less_the_fees() {
    let mut system = System::new();
    let alice = account(user(1));
    let missing = id("aaaaa-aa");
    system.give_cycles(&alice, T);
    let held = system.net.replica.cycles(id(CYCLES_LEDGER));
    let reply = system.cycles(user(1), "withdraw", &withdrawal(missing, 5 * FEE, ""));
    assert!(
        reply.contains("FailedToWithdraw = record {")
            && reply.contains("fee_block = opt (3 : nat)"),
        "{reply}"
    );
    assert_eq!(system.balance(CYCLES_LEDGER, &alice), T - 2 * FEE);
    // What covers no fee of a refund is lost.
    let reply = system.cycles(user(1), "withdraw", &withdrawal(missing, FEE, ""));
    assert!(reply.contains("fee_block = null"), "{reply}");
    assert_eq!(system.balance(CYCLES_LEDGER, &alice), T - 4 * FEE);
    assert_eq!(system.net.replica.cycles(id(CYCLES_LEDGER)), held);
    // The answer of the management canister gets lost: the ledger can't know.
    let target = system.net.create_on(2, T);
    let lost = Effect::reject(RejectCode::SysTransient);
    system
        .net
        .replica
        .inject(Fault::on_call(lost).method("deposit_cycles"));
    let reply = system.cycles(user(1), "withdraw", &withdrawal(target, 5 * FEE, ""));
    assert!(
        reply.contains("rejection_code = variant { SysTransient }"),
        "{reply}"
    );
    assert_eq!(system.balance(CYCLES_LEDGER, &alice), T - 6 * FEE);
    // A callback that traps leaves the cycles with the ledger, and nothing waits for ever.
    let trap = Fault::on_answer(Effect::trap()).caller(id(CYCLES_LEDGER));
    system.net.replica.inject(trap);
    let reject = system.cycles(user(1), "withdraw", &withdrawal(target, 5 * FEE, ""));
    assert!(reject.contains("injected fault"), "{reject}");
    assert_eq!(system.balance(CYCLES_LEDGER, &alice), T - 12 * FEE);
    system.net.check_accounts();
}

#[test]
fn a_spender_withdraws_and_gets_its_allowance_back_if_that_fails() {
    let mut system = System::new();
    let (alice, bob) = (account(user(1)), account(user(2)));
    let target = system.net.create_on(2, T);
    system.give_cycles(&alice, 10 * T);
    let take = |to: Principal, amount: u128| {
        format!("(record {{ from = {alice}; to = principal \"{to}\"; amount = {amount} : nat }})")
    };
    let reply = system.cycles(user(2), "withdraw_from", &take(target, T));
    assert_eq!(
        reply,
        error("InsufficientAllowance = record { allowance = 0 : nat }")
    );
    let approve = format!("(record {{ spender = {bob}; amount = {} : nat }})", 3 * T);
    block(&system.cycles(user(1), "icrc2_approve", &approve));
    let reply = system.cycles(user(2), "withdraw_from", &take(target, T));
    assert_eq!(reply, "(variant { Ok = 3 : nat })");
    let allowance = format!("(record {{ account = {alice}; spender = {bob} }})");
    let shown = |system: &mut System| system.cycles(user(3), "icrc2_allowance", &allowance);
    assert_eq!(
        shown(&mut system),
        "(record { allowance = 1_999_900_000_000 : nat; expires_at = null })"
    );
    // Three blocks cost three fees: the withdrawal, its refund, and the approval.
    let reply = system.cycles(user(2), "withdraw_from", &take(id("aaaaa-aa"), T));
    for field in [
        "withdraw_from_block = opt (4 : nat)",
        "refund_block = opt (5 : nat)",
        "approval_refund_block = opt (6 : nat)",
    ] {
        assert!(reply.contains(field), "{reply}");
    }
    assert_eq!(
        shown(&mut system),
        "(record { allowance = 1_999_600_000_000 : nat; expires_at = null })"
    );
    let reply = system.cycles(user(2), "withdraw_from", &take(user(7), T));
    assert!(reply.contains("InvalidReceiver"), "{reply}");
    let now = system.now();
    let soon = format!(
        "(record {{ spender = {bob}; amount = {T} : nat; expires_at = opt ({} : nat64) }})",
        now + HOUR
    );
    block(&system.cycles(user(1), "icrc2_approve", &soon));
    system.at(now + 2 * HOUR);
    let reply = system.cycles(user(2), "withdraw_from", &take(target, 1));
    assert_eq!(
        reply,
        error("InsufficientAllowance = record { allowance = 0 : nat }")
    );
}

/// The canister in the reply of a creation.
fn created(reply: &str) -> Principal {
    let (_, rest) = reply
        .split_once("canister_id = principal \"")
        .unwrap_or_else(|| panic!("{reply}"));
    id(rest.split('"').next().unwrap())
}

#[test]
fn a_canister_is_created_on_an_application_subnet_or_on_the_chosen_one() {
    let mut system = System::new();
    let alice = account(user(1));
    system.give_cycles(&alice, 20 * T);
    let subnets: Vec<_> = system
        .net
        .replica
        .subnets()
        .iter()
        .map(|info| info.id)
        .collect();
    let reply = system.cycles(
        user(1),
        "create_canister",
        &format!("(record {{ amount = {T} : nat }})"),
    );
    assert!(reply.contains("block_id = 2 : nat"), "{reply}");
    let canister = created(&reply);
    assert_eq!(
        system.net.replica.controllers(canister),
        Some(vec![user(1)])
    );
    let home = system.net.replica.subnet_of(canister).unwrap();
    assert!(subnets[2..4].contains(&home));
    assert_eq!(system.net.replica.cycles(canister), Some(T / 2));
    for subnet in &subnets[2..5] {
        let args = format!(
            "(record {{ amount = {T} : nat; creation_args = opt record {{ \
             subnet_selection = opt variant {{ Subnet = record {{ subnet = principal \"{subnet}\" \
             }} }}; \
             settings = opt record {{ controllers = opt vec {{ principal \"{}\" }}; \
             freezing_threshold = opt (7 : nat) }} }} }})",
            user(2)
        );
        let reply = system.cycles(user(1), "create_canister", &args);
        // A subnet of 34 nodes asks for more than a trillion cycles.
        if *subnet == subnets[4] {
            assert!(reply.contains("FailedToCreate"), "{reply}");
            continue;
        }
        let canister = created(&reply);
        assert_eq!(system.net.replica.subnet_of(canister), Some(*subnet));
        let (status,) = system
            .net
            .manage_as::<(types::CanisterStatusResult,)>(
                user(2),
                "canister_status",
                record(canister),
            )
            .unwrap();
        assert_eq!(status.settings.freezing_threshold, 7_u8);
        assert_eq!(status.settings.controllers, [user(2)]);
    }
    // A type of subnets is chosen by its name.
    let args = format!(
        "(record {{ amount = {} : nat; creation_args = opt record {{ \
         subnet_selection = opt variant {{ Filter = record {{ subnet_type = opt \"fiduciary\" }} \
         }} }} }})",
        3 * T
    );
    let canister = created(&system.cycles(user(1), "create_canister", &args));
    assert_eq!(system.net.replica.subnet_of(canister), Some(subnets[4]));
}

#[test]
fn a_creation_is_remembered_by_the_time_that_its_caller_gave() {
    let mut system = System::new();
    system.give_cycles(&account(user(1)), 20 * T);
    let now = system.now();
    let args = |time: u64| format!("(record {{ amount = {T} : nat; {} }})", created_at(time));
    let first = system.cycles(user(1), "create_canister", &args(now));
    let canister = created(&first);
    let again = system.cycles(user(1), "create_canister", &args(now));
    assert!(
        again.contains("Duplicate = record { duplicate_of = 2 : nat"),
        "{again}"
    );
    assert!(
        again.contains(&format!("canister_id = opt principal \"{canister}\"")),
        "{again}"
    );
    let other = system.cycles(user(1), "create_canister", &args(now + 1));
    assert_ne!(created(&other), canister);
    let old = system.cycles(user(1), "create_canister", &args(now - 25 * HOUR));
    assert_eq!(old, error("TooOld"));
    let future = system.cycles(user(1), "create_canister", &args(now + 2 * MINUTE));
    assert!(future.contains("CreatedInFuture"), "{future}");
    let poor = format!("(record {{ amount = {} : nat }})", 20 * T);
    let poor = system.cycles(user(1), "create_canister", &poor);
    assert!(poor.contains("InsufficientFunds"), "{poor}");
    // Meanwhile another call with the same time learns that the creation is under way.
    let interface = system.interfaces[&id(CYCLES_LEDGER)].clone();
    let payload = interface.encode("create_canister", &args(now + 2));
    let ingress = canic_replica::Ingress {
        sender: user(1),
        ..system
            .net
            .ingress(id(CYCLES_LEDGER), "create_canister", &payload)
    };
    let calls = [0, 1].map(|_| system.net.replica.submit(ingress.clone()).unwrap());
    let replies = calls.map(|call| {
        let reply = system.net.replica.await_ingress(&call).unwrap().unwrap();
        interface.decode("create_canister", &reply)
    });
    created(&replies[0]);
    assert!(replies[1].contains("canister_id = null"), "{}", replies[1]);
}

#[test]
fn a_failed_creation_is_refunded_less_the_fees_and_the_penalty() {
    let mut system = System::new();
    let (alice, bob) = (account(user(1)), account(user(2)));
    system.give_cycles(&alice, 20 * T);
    let unknown = user(9);
    let selection = format!(
        "creation_args = opt record {{ subnet_selection = opt variant {{ \
         Subnet = record {{ subnet = principal \"{unknown}\" }} }} }}"
    );
    let args = format!("(record {{ amount = {T} : nat; {selection} }})");
    let reply = system.cycles(user(1), "create_canister", &args);
    for part in [
        "fee_block = opt (2 : nat)",
        "refund_block = opt (3 : nat)",
        "does not exist or",
    ] {
        assert!(reply.contains(part), "{reply}");
    }
    // Two blocks, and the penalty of the cycles minting canister.
    assert_eq!(system.balance(CYCLES_LEDGER, &alice), 20 * T - 3 * FEE);
    assert_eq!(system.net.replica.cycles(id(CYCLES_MINTING)), Some(FEE));
    let little = format!("(record {{ amount = {} : nat }})", 10 * FEE);
    let reply = system.cycles(user(1), "create_canister", &little);
    assert!(reply.contains("Insufficient cycles attached."), "{reply}");
    assert_eq!(system.balance(CYCLES_LEDGER, &alice), 20 * T - 5 * FEE);
    let approve = format!("(record {{ spender = {bob}; amount = {} : nat }})", 3 * T);
    block(&system.cycles(user(1), "icrc2_approve", &approve));
    let args = format!("(record {{ from = {alice}; amount = {T} : nat; {selection} }})");
    let reply = system.cycles(user(2), "create_canister_from", &args);
    for part in [
        "create_from_block = opt (7 : nat)",
        "refund_block = opt (8 : nat)",
        "approval_refund_block = opt (9 : nat)",
        "rejection_code = variant { CanisterError }",
    ] {
        assert!(reply.contains(part), "{reply}");
    }
    let args = format!("(record {{ from = {alice}; amount = {T} : nat }})");
    let canister = created(&system.cycles(user(2), "create_canister_from", &args));
    assert_eq!(
        system.net.replica.controllers(canister),
        Some(vec![user(2)])
    );
    let reply = system.cycles(user(3), "create_canister_from", &args);
    assert_eq!(
        reply,
        error("InsufficientAllowance = record { allowance = 0 : nat }")
    );
}

#[test]
fn blocks_are_chained_and_the_last_one_is_certified() {
    let mut system = System::new();
    system.give_cycles(&account(user(1)), T);
    let reply = system.cycles(
        user(1),
        "icrc3_get_blocks",
        "(vec { record { start = 1 : nat; length = 9 : nat }; record { start = 0 : nat; length = \
         1 : nat } })",
    );
    assert!(reply.contains("log_length = 2 : nat"), "{reply}");
    assert!(reply.contains("archived_blocks = vec {}"), "{reply}");
    assert!(
        reply.contains("record { \"op\"; variant { Text = \"xfer\" }"),
        "{reply}"
    );
    assert!(
        reply.contains("record { \"op\"; variant { Text = \"mint\" }"),
        "{reply}"
    );
    assert_eq!(reply.matches("\"phash\"").count(), 1, "{reply}");
    let ledger = id(CYCLES_LEDGER);
    #[derive(candid::CandidType, candid::Deserialize)]
    struct Tip {
        certificate: Vec<u8>,
        hash_tree: Vec<u8>,
    }
    let reply = system
        .net
        .query(ledger, "icrc3_get_tip_certificate", b"DIDL\0\0")
        .unwrap();
    let (tip,) = candid::decode_args::<(Option<Tip>,)>(&reply).unwrap();
    let tip = tip.unwrap();
    let path: [&[u8]; 3] = [b"canister", ledger.as_slice(), b"certified_data"];
    let certified = read(&system.net.replica, ledger, &tip.certificate, &path);
    let tree: HashTree = serde_cbor::from_slice(&tip.hash_tree).unwrap();
    assert_eq!(tree.digest().to_vec(), certified);
    let LookupResult::Found(index) = tree.lookup_path([b"last_block_index"]) else {
        panic!("no index");
    };
    assert_eq!(index, [1]);
    let LookupResult::Found(hash) = tree.lookup_path([b"last_block_hash"]) else {
        panic!("no hash");
    };
    let shown = candid::IDLValue::Blob(hash.to_vec()).to_string();
    // The next block names it. An update call sees no certificate.
    system.give_cycles(&account(user(1)), T);
    let reply = system.cycles(
        user(1),
        "icrc3_get_blocks",
        "(vec { record { start = 2 : nat; length = 1 : nat } })",
    );
    assert!(reply.contains(&shown), "{reply}");
    let reply = system
        .net
        .update(ledger, "icrc3_get_tip_certificate", b"DIDL\0\0")
        .unwrap();
    let (tip,) = candid::decode_args::<(Option<Tip>,)>(&reply).unwrap();
    assert!(tip.is_none());
    // An answer holds 50 blocks.
    for _ in 0..60 {
        system.give_cycles(&account(user(1)), 1);
    }
    let many = "(vec { record { start = 0 : nat; length = 40 : nat }; record { start = 0 : nat; \
    length = 1_000 : nat } })";
    let reply = system.cycles(user(1), "icrc3_get_blocks", many);
    assert_eq!(reply.matches("\"tx\"").count(), 50);
}
