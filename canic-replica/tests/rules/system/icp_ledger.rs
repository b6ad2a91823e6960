//! The ICP ledger, method by method.

use candid::Principal;
use canic_replica::Ingress;
use sha2::{Digest, Sha256};

use crate::{
    certification::read,
    system::{
        CYCLES_MINTING, GOVERNANCE, HOUR, ICP, ICP_LEDGER, MINUTE, System, account, blob, block,
        id, user,
    },
};

const FEE: u64 = 10_000;

/// The argument of `transfer`.
fn transfer(to: &str, amount: u64, fee: u64, rest: &str) -> String {
    format!(
        "(record {{ memo = 0 : nat64; amount = record {{ e8s = {amount} : nat64 }}; \
         fee = record {{ e8s = {fee} : nat64 }}; to = {to}; {rest} }})"
    )
}

#[test]
fn constants_are_those_of_the_mainnet() {
    let mut system = System::new();
    for (method, args, reply) in [
        ("decimals", "()", "(record { decimals = 8 : nat32 })"),
        ("name", "()", "(record { name = \"Internet Computer\" })"),
        ("symbol", "()", "(record { symbol = \"ICP\" })"),
        (
            "transfer_fee",
            "(record {})",
            "(record { transfer_fee = record { e8s = 10_000 : nat64 } })",
        ),
        ("archives", "()", "(record { archives = vec {} })"),
        ("icrc1_decimals", "()", "(8 : nat8)"),
        ("icrc1_fee", "()", "(10_000 : nat)"),
        ("icrc1_name", "()", "(\"Internet Computer\")"),
        ("icrc1_symbol", "()", "(\"ICP\")"),
    ] {
        assert_eq!(system.icp(user(1), method, args), reply);
    }
    let minting = system.icp(user(1), "icrc1_minting_account", "()");
    assert!(
        minting.contains(GOVERNANCE) && minting.contains("subaccount = null"),
        "{minting}"
    );
    for method in ["icrc1_supported_standards", "icrc10_supported_standards"] {
        let standards = system.icp(user(1), method, "()");
        for name in ["ICRC-1\"", "ICRC-2\"", "ICRC-10\""] {
            assert!(standards.contains(name), "{standards}");
        }
    }
    let metadata = system.icp(user(1), "icrc1_metadata", "()");
    for entry in [
        "\"icrc1:decimals\"; variant { Nat = 8 : nat }",
        "\"icrc1:name\"; variant { Text = \"Internet Computer\" }",
        "\"icrc1:symbol\"; variant { Text = \"ICP\" }",
        "\"icrc1:fee\"; variant { Nat = 10_000 : nat }",
    ] {
        assert!(metadata.contains(entry), "{metadata}");
    }
}

#[test]
fn a_transfer_moves_icp_and_burns_the_fee() {
    let mut system = System::new();
    let (alice, bob) = (account(user(1)), account(user(2)));
    system.give_icp(&alice, ICP);
    let to = system.identifier(&bob);
    let reply = system.icp(user(1), "transfer", &transfer(&to, 1_000, FEE, ""));
    assert_eq!(reply, "(variant { Ok = 4 : nat64 })");
    assert_eq!(system.balance(ICP_LEDGER, &bob), 1_000);
    assert_eq!(
        system.balance(ICP_LEDGER, &alice),
        u128::from(ICP - FEE - 1_000)
    );
    let args = format!("(record {{ account = {to} }})");
    let balance = system.icp(user(1), "account_balance", &args);
    assert_eq!(balance, "(record { e8s = 1_000 : nat64 })");
    // Two fees are gone.
    let supply = system.icp(user(1), "icrc1_total_supply", "()");
    assert_eq!(supply, "(299_999_999_999_980_000 : nat)");
    // An account of another length has nothing; one with a wrong checksum is a mistake.
    let args = format!("(record {{ account = {} }})", blob(&[1; 31]));
    let balance = system.icp(user(1), "account_balance", &args);
    assert_eq!(balance, "(record { e8s = 0 : nat64 })");
    let args = format!("(record {{ account = {} }})", blob(&[1; 32]));
    let reject = system.icp(user(1), "account_balance", &args);
    assert!(
        reject.contains("Invalid account identifier: Checksum failed"),
        "{reject}"
    );
}

#[test]
fn transfers_are_refused_at_their_limits() {
    let mut system = System::new();
    let alice = account(user(1));
    system.give_icp(&alice, ICP);
    let to = system.identifier(&account(user(2)));
    let at =
        |time: u64| format!("created_at_time = opt record {{ timestamp_nanos = {time} : nat64 }}");
    system.at(system.now() + 48 * HOUR);
    let now = system.now();
    for (args, reply) in [
        (
            transfer(&to, 1, FEE + 1, ""),
            "(variant { Err = variant { BadFee = record { expected_fee = record { e8s = 10_000 : \
             nat64 } } } })",
        ),
        (
            transfer(&to, ICP - FEE + 1, FEE, ""),
            "(variant { Err = variant { InsufficientFunds = record { balance = record { e8s = \
             100_000_000 : nat64 } } } })",
        ),
        (
            transfer(&to, u64::MAX, FEE, ""),
            "(variant { Err = variant { InsufficientFunds = record { balance = record { e8s = \
             100_000_000 : nat64 } } } })",
        ),
        (
            transfer(&to, 1, FEE, &at(now - 24 * HOUR - MINUTE)),
            "(variant { Err = variant { TxTooOld = record { allowed_window_nanos = \
             86_400_000_000_000 : nat64 } } })",
        ),
        (
            transfer(&to, 1, FEE, &at(now + 2 * MINUTE)),
            "(variant { Err = variant { TxCreatedInFuture } })",
        ),
        (
            transfer(&to, 1, FEE, &at(now + MINUTE - 1)),
            "(variant { Ok = 4 : nat64 })",
        ),
        (
            transfer(&to, 1, FEE, &at(now + MINUTE - 1)),
            "(variant { Err = variant { TxDuplicate = record { duplicate_of = 4 : nat64 } } })",
        ),
        (
            transfer(
                &to,
                1,
                FEE,
                &format!("from_subaccount = opt {}", blob(&[1; 32])),
            ),
            "(variant { Err = variant { InsufficientFunds = record { balance = record { e8s = 0 : \
             nat64 } } } })",
        ),
    ] {
        assert_eq!(system.icp(user(1), "transfer", &args), reply, "{args}");
    }
    for (args, message) in [
        (transfer(&blob(&[7; 32]), 1, FEE, ""), "Checksum failed"),
        (
            transfer(&blob(&[7; 28]), 1, FEE, ""),
            "failed to decode call arguments",
        ),
        (
            transfer(
                &to,
                1,
                FEE,
                &format!("from_subaccount = opt {}", blob(&[1; 31])),
            ),
            "failed to decode call arguments",
        ),
    ] {
        let reject = system.icp(user(1), "transfer", &args);
        assert!(
            reject.starts_with("reject") && reject.contains(message),
            "{reject}"
        );
    }
    // After a day the same transfer is another one.
    system.at(now + 25 * HOUR);
    let reply = system.icp(user(1), "transfer", &transfer(&to, 1, FEE, ""));
    assert_eq!(reply, "(variant { Ok = 5 : nat64 })");
}

#[test]
fn the_same_transfer_without_a_time_is_a_duplicate_within_a_round() {
    let mut system = System::new();
    let to = system.identifier(&account(user(2)));
    let interface = system.interfaces[&id(ICP_LEDGER)].clone();
    let payload = interface.encode("transfer", &transfer(&to, 1, FEE, ""));
    let ingress = Ingress {
        sender: Principal::anonymous(),
        ..system.net.ingress(id(ICP_LEDGER), "transfer", &payload)
    };
    let calls = [0, 1].map(|_| system.net.replica.submit(ingress.clone()).unwrap());
    let replies = calls.map(|call| {
        let reply = system.net.replica.await_ingress(&call).unwrap().unwrap();
        interface.decode("transfer", &reply)
    });
    assert_eq!(
        replies,
        [
            "(variant { Ok = 3 : nat64 })",
            "(variant { Err = variant { TxDuplicate = record { duplicate_of = 3 : nat64 } } })"
        ]
    );
}

#[test]
fn icrc1_transfers_are_refused_at_their_limits() {
    let mut system = System::new();
    let (alice, bob) = (account(user(1)), account(user(2)));
    system.give_icp(&alice, ICP);
    let args = |amount: &str, rest: &str| {
        format!("(record {{ to = {bob}; amount = {amount} : nat; {rest} }})")
    };
    system.at(system.now() + 48 * HOUR);
    let now = system.now();
    let at = |time: u64| format!("created_at_time = opt ({time} : nat64)");
    let error = |text: &str| format!("(variant {{ Err = variant {{ {text} }} }})");
    for (args, reply) in [
        (
            args("1", "fee = opt (9_999 : nat)"),
            error("BadFee = record { expected_fee = 10_000 : nat }"),
        ),
        (
            args("99_990_001", ""),
            error("InsufficientFunds = record { balance = 100_000_000 : nat }"),
        ),
        (
            args("100_000_000_000_000_000_000_000_000", ""),
            error("InsufficientFunds = record { balance = 100_000_000 : nat }"),
        ),
        (args("1", &at(now - 25 * HOUR)), error("TooOld")),
        (
            args("1", &at(now - 24 * HOUR + MINUTE)),
            "(variant { Ok = 4 : nat })".into(),
        ),
        (
            args("1", &at(now - 24 * HOUR + MINUTE)),
            error("Duplicate = record { duplicate_of = 4 : nat }"),
        ),
        // A memo makes it another transfer.
        (
            args(
                "1",
                &format!(
                    "{}; memo = opt {}",
                    at(now - 24 * HOUR + MINUTE),
                    blob(&[0; 32])
                ),
            ),
            "(variant { Ok = 5 : nat })".into(),
        ),
        // Without a time there are no duplicates.
        (
            args("1", "fee = opt (10_000 : nat)"),
            "(variant { Ok = 6 : nat })".into(),
        ),
        (
            args("1", "fee = opt (10_000 : nat)"),
            "(variant { Ok = 7 : nat })".into(),
        ),
    ] {
        assert_eq!(
            system.icp(user(1), "icrc1_transfer", &args),
            reply,
            "{args}"
        );
    }
    let future = system.icp(user(1), "icrc1_transfer", &args("1", &at(now + 2 * MINUTE)));
    assert!(
        future.contains("CreatedInFuture = record { ledger_time = "),
        "{future}"
    );
    for (args, message) in [
        (
            args("1", &format!("memo = opt {}", blob(&[0; 33]))),
            "the memo field is too large",
        ),
        (
            args("1", &format!("from_subaccount = opt {}", blob(&[0; 33]))),
            "failed to decode call arguments",
        ),
    ] {
        let reject = system.icp(user(1), "icrc1_transfer", &args);
        assert!(reject.contains(message), "{reject}");
    }
}

#[test]
fn the_governance_canister_mints_and_others_burn() {
    let mut system = System::new();
    let (alice, minter) = (account(user(1)), account(id(GOVERNANCE)));
    let args = format!("(record {{ to = {alice}; amount = 30_000 : nat }})");
    let reply = system.icp(id(GOVERNANCE), "icrc1_transfer", &args);
    assert_eq!(reply, "(variant { Ok = 3 : nat })");
    assert_eq!(system.balance(ICP_LEDGER, &alice), 30_000);
    let burn = |amount: u64| format!("(record {{ to = {minter}; amount = {amount} : nat }})");
    for (amount, reply) in [
        (
            9_999,
            "(variant { Err = variant { BadBurn = record { min_burn_amount = 10_000 : nat } } })",
        ),
        (
            0,
            "(variant { Err = variant { BadBurn = record { min_burn_amount = 10_000 : nat } } })",
        ),
        (25_000, "(variant { Ok = 4 : nat })"),
        // The whole rest may be burnt, even if it is less.
        (
            4_999,
            "(variant { Err = variant { BadBurn = record { min_burn_amount = 5_000 : nat } } })",
        ),
        (5_000, "(variant { Ok = 5 : nat })"),
    ] {
        assert_eq!(system.icp(user(1), "icrc1_transfer", &burn(amount)), reply);
    }
    let supply = system.icp(user(1), "icrc1_total_supply", "()");
    assert_eq!(supply, "(300_000_000_000_000_000 : nat)");
    let to = system.identifier(&minter);
    for (sender, args, message) in [
        (
            user(1),
            transfer(&to, 5, 1, ""),
            "Fee for burning should be zero",
        ),
        (
            user(1),
            transfer(&to, 5, 0, ""),
            "Burns lower than 0.00010000 Token are not allowed",
        ),
        (
            id(GOVERNANCE),
            transfer(&to, 5, 0, ""),
            "It is illegal to mint to a minting_account",
        ),
    ] {
        let reject = system.icp(sender, "transfer", &args);
        assert!(reject.contains(message), "{reject}");
    }
}

#[test]
fn allowances_are_used_and_refused_at_their_limits() {
    let mut system = System::new();
    let (alice, bob, carol) = (account(user(1)), account(user(2)), account(user(3)));
    let now = system.now();
    let approve = |amount: &str, rest: &str| {
        format!("(record {{ spender = {bob}; amount = {amount} : nat; {rest} }})")
    };
    let error = |text: &str| format!("(variant {{ Err = variant {{ {text} }} }})");
    let reply = system.icp(user(1), "icrc2_approve", &approve("5", ""));
    assert_eq!(
        reply,
        error("InsufficientFunds = record { balance = 0 : nat }")
    );
    system.give_icp(&alice, ICP);
    for (args, reply) in [
        (
            approve("5", "fee = opt (1 : nat)"),
            error("BadFee = record { expected_fee = 10_000 : nat }"),
        ),
        (
            approve("5", "expected_allowance = opt (1 : nat)"),
            error("AllowanceChanged = record { current_allowance = 0 : nat }"),
        ),
        (
            approve(
                "5",
                &format!("created_at_time = opt ({} : nat64)", now - 25 * HOUR),
            ),
            error("TooOld"),
        ),
        (
            approve("50_000", &format!("created_at_time = opt ({now} : nat64)")),
            "(variant { Ok = 4 : nat })".into(),
        ),
        (
            approve("50_000", &format!("created_at_time = opt ({now} : nat64)")),
            error("Duplicate = record { duplicate_of = 4 : nat }"),
        ),
    ] {
        assert_eq!(system.icp(user(1), "icrc2_approve", &args), reply, "{args}");
    }
    let expired = system.icp(
        user(1),
        "icrc2_approve",
        &approve("5", &format!("expires_at = opt ({now} : nat64)")),
    );
    assert!(
        expired.contains("Expired = record { ledger_time"),
        "{expired}"
    );
    let own = format!("(record {{ spender = {alice}; amount = 5 : nat }})");
    let reject = system.icp(user(1), "icrc2_approve", &own);
    assert!(reject.contains("self approval is not allowed"), "{reject}");
    let allowance = format!("(record {{ account = {alice}; spender = {bob} }})");
    assert_eq!(
        system.icp(user(3), "icrc2_allowance", &allowance),
        "(record { allowance = 50_000 : nat; expires_at = null })"
    );
    let take = |amount: u64, rest: &str| {
        format!("(record {{ from = {alice}; to = {carol}; amount = {amount} : nat; {rest} }})")
    };
    for (sender, args, reply) in [
        (
            user(2),
            take(40_001, ""),
            error("InsufficientAllowance = record { allowance = 50_000 : nat }"),
        ),
        (
            user(3),
            take(1, ""),
            error("InsufficientAllowance = record { allowance = 0 : nat }"),
        ),
        (
            user(2),
            take(1, "fee = opt (1 : nat)"),
            error("BadFee = record { expected_fee = 10_000 : nat }"),
        ),
        (
            user(2),
            take(30_000, ""),
            "(variant { Ok = 5 : nat })".into(),
        ),
        (
            user(2),
            take(1, ""),
            error("InsufficientAllowance = record { allowance = 10_000 : nat }"),
        ),
        // The owner needs no allowance.
        (user(1), take(1, ""), "(variant { Ok = 6 : nat })".into()),
    ] {
        assert_eq!(
            system.icp(sender, "icrc2_transfer_from", &args),
            reply,
            "{args}"
        );
    }
    assert_eq!(system.balance(ICP_LEDGER, &carol), 30_001);
    // An allowance ends at its time.
    let soon = approve(
        "50_000",
        &format!("expires_at = opt ({} : nat64)", now + HOUR),
    );
    block(&system.icp(user(1), "icrc2_approve", &soon));
    system.at(now + 2 * HOUR);
    let reply = system.icp(user(2), "icrc2_transfer_from", &take(1, ""));
    assert_eq!(
        reply,
        error("InsufficientAllowance = record { allowance = 0 : nat }")
    );
    assert_eq!(
        system.icp(user(3), "icrc2_allowance", &allowance),
        "(record { allowance = 0 : nat; expires_at = null })"
    );
}

#[test]
fn blocks_are_chained_and_the_last_one_is_certified() {
    let mut system = System::new();
    let alice = account(user(1));
    system.give_icp(&alice, ICP);
    let reply = system.icp(
        user(1),
        "query_blocks",
        "(record { start = 2 : nat64; length = 5 : nat64 })",
    );
    assert!(reply.contains("chain_length = 4 : nat64"), "{reply}");
    assert!(reply.contains("first_block_index = 2 : nat64"), "{reply}");
    assert!(reply.contains("archived_blocks = vec {}"), "{reply}");
    assert_eq!(
        reply.matches("parent_hash = opt blob").count(),
        2,
        "{reply}"
    );
    assert!(
        reply.contains("fee = record { e8s = 10_000 : nat64 }"),
        "{reply}"
    );
    assert!(reply.contains("certificate = opt blob"), "{reply}");
    let (certified, last) = {
        let interface = &system.interfaces[&id(ICP_LEDGER)];
        let payload = interface.encode(
            "query_blocks",
            "(record { start = 0 : nat64; length = 9 : nat64 })",
        );
        let reply = system
            .net
            .query(id(ICP_LEDGER), "query_blocks", &payload)
            .unwrap();
        #[derive(candid::CandidType, candid::Deserialize)]
        struct Blocks {
            certificate: Option<Vec<u8>>,
            blocks: Vec<Block>,
        }
        #[derive(candid::CandidType, candid::Deserialize)]
        struct Block {
            parent_hash: Option<Vec<u8>>,
        }
        let (blocks,) = candid::decode_args::<(Blocks,)>(&reply).unwrap();
        assert_eq!(blocks.blocks[0].parent_hash, None);
        let ledger = id(ICP_LEDGER);
        let path: [&[u8]; 3] = [b"canister", ledger.as_slice(), b"certified_data"];
        let certificate = blocks.certificate.unwrap();
        let certified = read(&system.net.replica, ledger, &certificate, &path);
        (certified, blocks.blocks[3].parent_hash.clone())
    };
    // The next block names the certified one.
    system.give_icp(&alice, ICP);
    let reply = system.icp(
        user(1),
        "query_blocks",
        "(record { start = 4 : nat64; length = 1 : nat64 })",
    );
    assert_eq!(certified.len(), 32);
    assert_ne!(Some(certified.clone()), last);
    let shown = candid::IDLValue::Blob(certified).to_string();
    assert!(reply.contains(&shown), "{reply}");
    // Beyond the end there is nothing.
    let reply = system.icp(
        user(1),
        "query_blocks",
        "(record { start = 18_446_744_073_709_551_615 : nat64; length = \
         18_446_744_073_709_551_615 : nat64 })",
    );
    assert!(reply.contains("blocks = vec {}"), "{reply}");
}

/// The block in the protocol buffers of `ic_ledger.pb.v1`, byte by byte.
#[test]
fn the_hash_of_a_block_is_that_of_its_encoding() {
    let mut system = System::new();
    let now = system.now();
    let (alice, bob) = (account(user(1)), account(user(2)));
    system.give_icp(&alice, ICP);
    let [from, to] = [alice, bob].map(|account| {
        let interface = &system.interfaces[&id(ICP_LEDGER)];
        let payload = interface.encode("account_identifier", &format!("({account})"));
        let reply = system
            .net
            .query(id(ICP_LEDGER), "account_identifier", &payload)
            .unwrap();
        candid::decode_args::<(Vec<u8>,)>(&reply).unwrap().0
    });
    let parent = last_hash(&mut system);
    let created = format!("created_at_time = opt record {{ timestamp_nanos = {now} : nat64 }}");
    system.at(now + HOUR);
    block(&system.icp(
        user(1),
        "transfer",
        &transfer(&blob(&to), 300, FEE, &created),
    ));
    let at = system.net.replica.trace().last().unwrap().time;
    let varint = |mut number: u64| {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    let message = |field: u8, body: &[u8]| {
        [
            &[field << 3 | 2],
            varint(body.len() as u64).as_slice(),
            body,
        ]
        .concat()
    };
    let number = |value: u64| [&[8], varint(value).as_slice()].concat();
    let transfer = [
        message(1, &message(1, &from)),
        message(2, &message(1, &to)),
        message(3, &number(300)),
        message(4, &number(FEE)),
    ]
    .concat();
    let transaction = [
        message(3, &transfer),
        message(4, &[]),
        message(6, &number(now)),
    ]
    .concat();
    let encoded = [
        message(1, &message(1, &parent)),
        message(2, &number(at)),
        message(3, &transaction),
    ]
    .concat();
    assert_eq!(last_hash(&mut system), Sha256::digest(encoded).to_vec());
}

fn last_hash(system: &mut System) -> Vec<u8> {
    let ledger = id(ICP_LEDGER);
    let interface = &system.interfaces[&ledger];
    let payload = interface.encode(
        "query_blocks",
        "(record { start = 0 : nat64; length = 0 : nat64 })",
    );
    let reply = system.net.query(ledger, "query_blocks", &payload).unwrap();
    #[derive(candid::CandidType, candid::Deserialize)]
    struct Blocks {
        certificate: Option<Vec<u8>>,
    }
    let (blocks,) = candid::decode_args::<(Blocks,)>(&reply).unwrap();
    let path: [&[u8]; 3] = [b"canister", ledger.as_slice(), b"certified_data"];
    read(
        &system.net.replica,
        ledger,
        &blocks.certificate.unwrap(),
        &path,
    )
}

#[test]
fn a_canister_of_another_subnet_calls_the_ledger() {
    let mut system = System::new();
    let proxy = system.proxy();
    system.give_icp(&account(proxy), ICP);
    let args = format!(
        "(record {{ to = {}; amount = 5 : nat }})",
        account(id(CYCLES_MINTING))
    );
    let (refund, reply) = system.call_from(proxy, ICP_LEDGER, "icrc1_transfer", &args, 1_000);
    assert_eq!(
        (refund, reply.as_str()),
        (1_000, "(variant { Ok = 4 : nat })")
    );
    let args = format!("({})", account(proxy));
    let (_, reply) = system.call_from(proxy, ICP_LEDGER, "icrc1_balance_of", &args, 0);
    assert_eq!(reply, "(99_989_995 : nat)");
}
