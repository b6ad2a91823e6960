//! The cycles minting canister, method by method.

use candid::Principal;
use canic_replica::{Effect, Fault, Ingress, RejectCode};
use ic_certification::{HashTree, LookupResult};

use crate::{
    certification::read,
    common::T,
    system::{
        CYCLES_LEDGER, CYCLES_MINTING, HOUR, ICP, ICP_LEDGER, START, System, account, blob, block,
        id, user,
    },
};

const FEE: u64 = 10_000;
const TPUP: u64 = 0x5055_5054;
const CREA: u64 = 0x4145_5243;
const MINT: u64 = 0x544e_494d;
/// The cycles for an ICP.
const PER_ICP: u128 = 3_520_000_000_000;

/// The account of the canister that stands for a principal.
fn account_for(principal: Principal) -> String {
    let mut subaccount = [0; 32];
    let bytes = principal.as_slice();
    subaccount[0] = bytes.len() as u8;
    subaccount[1..=bytes.len()].copy_from_slice(bytes);
    format!(
        "record {{ owner = principal \"{CYCLES_MINTING}\"; subaccount = opt {} }}",
        blob(&subaccount)
    )
}

impl System {
    /// Pays the canister as a user who has enough; answers the block.
    fn pay(&mut self, payer: Principal, target: Principal, memo: u64, e8s: u64) -> u64 {
        self.give_icp(&account(payer), e8s + FEE);
        let to = self.identifier(&account_for(target));
        let args = format!(
            "(record {{ memo = {memo} : nat64; amount = record {{ e8s = {e8s} : nat64 }}; \
             fee = record {{ e8s = {FEE} : nat64 }}; to = {to} }})"
        );
        block(&self.icp(payer, "transfer", &args))
    }

    fn top_up(&mut self, block: u64, canister: Principal) -> String {
        let args = format!(
            "(record {{ block_index = {block} : nat64; canister_id = principal \"{canister}\" }})"
        );
        self.minting(user(1), "notify_top_up", &args)
    }

    fn mint(&mut self, sender: Principal, block: u64, rest: &str) -> String {
        let args = format!("(record {{ block_index = {block} : nat64; {rest} }})");
        self.minting(sender, "notify_mint_cycles", &args)
    }

    fn create(&mut self, sender: Principal, block: u64, rest: &str) -> String {
        let args = format!(
            "(record {{ block_index = {block} : nat64; controller = principal \"{sender}\"; \
             {rest} }})"
        );
        self.minting(sender, "notify_create_canister", &args)
    }

    fn icp_of(&mut self, owner: Principal) -> u128 {
        self.balance(ICP_LEDGER, &account(owner))
    }

    fn icp_supply(&mut self) -> u128 {
        let supply = self.icp(user(0), "icrc1_total_supply", "()");
        crate::system::number(&supply)
    }
}

#[test]
fn the_rate_is_certified() {
    let mut system = System::new();
    let minting = id(CYCLES_MINTING);
    #[derive(candid::CandidType, candid::Deserialize)]
    struct Rate {
        timestamp_seconds: u64,
        xdr_permyriad_per_icp: u64,
    }
    #[derive(candid::CandidType, candid::Deserialize)]
    struct Certified {
        data: Rate,
        hash_tree: Vec<u8>,
        certificate: Vec<u8>,
    }
    let reply = system
        .net
        .query(minting, "get_icp_xdr_conversion_rate", b"DIDL\0\0")
        .unwrap();
    let (certified,) = candid::decode_args::<(Certified,)>(&reply).unwrap();
    assert_eq!(certified.data.xdr_permyriad_per_icp, 35_200);
    assert_eq!(certified.data.timestamp_seconds, START / 1_000_000_000);
    let path: [&[u8]; 3] = [b"canister", minting.as_slice(), b"certified_data"];
    let data = read(&system.net.replica, minting, &certified.certificate, &path);
    let tree: HashTree = serde_cbor::from_slice(&certified.hash_tree).unwrap();
    assert_eq!(tree.digest().to_vec(), data);
    let LookupResult::Found(leaf) = tree.lookup_path([b"ICP_XDR_CONVERSION_RATE"]) else {
        panic!("no rate");
    };
    assert_eq!(leaf, candid::encode_args((certified.data,)).unwrap());
}

#[test]
fn the_subnets_are_those_of_the_instance() {
    let mut system = System::new();
    let subnets: Vec<_> = system
        .net
        .replica
        .subnets()
        .iter()
        .map(|info| info.id)
        .collect();
    let default = system.minting(user(1), "get_default_subnets", "()");
    let expected = format!(
        "(vec {{ principal \"{}\"; principal \"{}\" }})",
        subnets[2], subnets[3]
    );
    assert_eq!(default, expected);
    let types = system.minting(user(1), "get_subnet_types_to_subnets", "()");
    let expected = format!("\"fiduciary\"; vec {{ principal \"{}\" }}", subnets[4]);
    assert!(types.contains(&expected), "{types}");
    let method = "get_principals_authorized_to_create_canisters_to_subnets";
    assert_eq!(
        system.minting(user(1), method, "()"),
        "(record { data = vec {} })"
    );
    // A subnet that goes or comes is known at once.
    system.net.replica.delete_subnet(subnets[3]).unwrap();
    let default = system.minting(user(1), "get_default_subnets", "()");
    assert_eq!(default, format!("(vec {{ principal \"{}\" }})", subnets[2]));
}

#[test]
fn a_top_up_mints_once_and_burns_the_icp() {
    let mut system = System::new();
    let target = system.net.create_on(2, T);
    let before = system.net.replica.cycles(target).unwrap();
    let block = system.pay(user(1), target, TPUP, ICP);
    let supply = system.icp_supply();
    let minted = system.net.replica.accounts().minted;
    assert_eq!(
        system.top_up(block, target),
        "(variant { Ok = 3_520_000_000_000 : nat })"
    );
    let after = system.net.replica.cycles(target).unwrap();
    assert!(after > before + PER_ICP - T / 1000 && after <= before + PER_ICP);
    assert_eq!(system.icp_supply(), supply - u128::from(ICP));
    assert_eq!(system.balance(ICP_LEDGER, &account_for(target)), 0);
    assert_eq!(system.net.replica.accounts().minted, minted + PER_ICP);
    // The same notification gets the same answer, from anybody.
    assert_eq!(
        system.top_up(block, target),
        "(variant { Ok = 3_520_000_000_000 : nat })"
    );
    assert_eq!(system.net.replica.accounts().minted, minted + PER_ICP);
    assert_eq!(system.icp_supply(), supply - u128::from(ICP));
}

#[test]
fn a_notification_of_another_block_is_refused() {
    let mut system = System::new();
    let target = system.net.create_on(2, T);
    let invalid =
        |why: &str| format!("(variant {{ Err = variant {{ InvalidTransaction = \"{why}\" }} }})");
    assert_eq!(system.top_up(77, target), invalid("Block 77 not found"));
    assert_eq!(
        system.top_up(1, target),
        invalid("Notification transaction must be of type Transfer")
    );
    let block = system.pay(user(1), target, TPUP, ICP);
    let other = system.net.create_on(2, T);
    let reply = system.top_up(block, other);
    assert!(
        reply.contains("different than in the notification"),
        "{reply}"
    );
    let block = system.pay(user(1), target, CREA, ICP);
    let reply = system.top_up(block, target);
    assert!(
        reply.contains(
            "(CreateCanister (1095062083)) in the transaction does not match the \
        expected memo (TopUp (1347768404))"
        ),
        "{reply}"
    );
    // The refused payment can still be used for what it is.
    let block = system.pay(user(1), user(1), MINT, ICP);
    let reply = system.create(user(1), block, "");
    assert!(
        reply.contains("does not match the expected memo"),
        "{reply}"
    );
    assert!(system.mint(user(1), block, "").starts_with("(variant { Ok"));
}

#[test]
fn a_payment_without_a_meaningful_memo_is_sent_back() {
    let mut system = System::new();
    let target = system.net.create_on(2, T);
    let block = system.pay(user(1), target, 7, ICP);
    let reply = system.top_up(block, target);
    assert!(reply.contains("Refunded = record {"), "{reply}");
    assert!(
        reply.contains(&format!("block_index = opt ({} : nat64)", block + 1)),
        "{reply}"
    );
    assert_eq!(system.icp_of(user(1)), u128::from(ICP - FEE));
    assert_eq!(system.top_up(block, target), reply);
    assert_eq!(system.icp_of(user(1)), u128::from(ICP - FEE));
    // The memo of ICRC-1 counts, too: eight bytes, little endian.
    system.give_icp(&account(user(2)), ICP + FEE);
    let args = format!(
        "(record {{ to = {}; amount = {ICP} : nat; memo = opt {} }})",
        account_for(target),
        blob(&TPUP.to_le_bytes())
    );
    let paid = crate::system::block(&system.icp(user(2), "icrc1_transfer", &args));
    assert_eq!(
        system.top_up(paid, target),
        "(variant { Ok = 3_520_000_000_000 : nat })"
    );
}

#[test]
fn a_failed_top_up_is_refunded_less_the_fees() {
    let mut system = System::new();
    let missing = id("aaaaa-aa");
    let block = system.pay(user(1), missing, TPUP, ICP);
    let supply = system.icp_supply();
    let reply = system.top_up(block, missing);
    assert!(
        reply.contains("Depositing cycles failed with code"),
        "{reply}"
    );
    assert_eq!(system.icp_of(user(1)), u128::from(ICP - 3 * FEE));
    assert_eq!(system.icp_supply(), supply - u128::from(3 * FEE));
    assert_eq!(system.balance(ICP_LEDGER, &account_for(missing)), 0);
    assert_eq!(system.top_up(block, missing), reply);
    // The minted cycles stay for the next top-up.
    assert_eq!(system.net.replica.cycles(id(CYCLES_MINTING)), Some(PER_ICP));
    let minted = system.net.replica.accounts().minted;
    let target = system.net.create_on(2, 0);
    let created = system.net.replica.accounts().minted - minted;
    let block = system.pay(user(1), target, TPUP, ICP);
    assert!(system.top_up(block, target).starts_with("(variant { Ok"));
    assert_eq!(system.net.replica.accounts().minted, minted + created);
    // What covers no fees is burnt.
    let block = system.pay(user(2), missing, TPUP, 3 * FEE);
    let reply = system.top_up(block, missing);
    assert!(reply.contains("block_index = null"), "{reply}");
    assert_eq!(system.icp_of(user(2)), 0);
}

#[test]
fn minted_cycles_arrive_on_the_cycles_ledger() {
    let mut system = System::new();
    let block = system.pay(user(1), user(1), MINT, ICP);
    let reply = system.mint(user(2), block, "");
    assert!(
        reply.contains("different than in the notification"),
        "{reply}"
    );
    let long = format!("deposit_memo = opt {}", blob(&[0; 33]));
    let reply = system.mint(user(1), block, &long);
    assert!(reply.contains("error_code = 6 : nat64"), "{reply}");
    let rest = format!(
        "to_subaccount = opt {}; deposit_memo = opt {}",
        blob(&[1; 32]),
        blob(&[5])
    );
    let reply = system.mint(user(1), block, &rest);
    for field in [
        "balance = 3_519_900_000_000 : nat",
        "minted = 3_520_000_000_000 : nat",
        "block_index = 1 : nat",
    ] {
        assert!(reply.contains(field), "{reply}");
    }
    let own = format!(
        "record {{ owner = principal \"{}\"; subaccount = opt {} }}",
        user(1),
        blob(&[1; 32])
    );
    assert_eq!(system.balance(CYCLES_LEDGER, &own), PER_ICP - 100_000_000);
    assert_eq!(system.mint(user(1), block, ""), reply);
    // Less than the fee of the cycles ledger is refunded.
    let block = system.pay(user(3), user(3), MINT, FEE / 4);
    let reply = system.mint(user(3), block, "");
    assert!(
        reply.contains("Cycles ledger rejected deposit call with code 5"),
        "{reply}"
    );
}

#[test]
fn a_canister_is_created_for_a_payment() {
    let mut system = System::new();
    let subnets: Vec<_> = system
        .net
        .replica
        .subnets()
        .iter()
        .map(|info| info.id)
        .collect();
    let block = system.pay(user(1), user(1), CREA, ICP);
    let args = format!(
        "(record {{ block_index = {block} : nat64; controller = principal \"{}\" }})",
        user(1)
    );
    let reply = system.minting(user(2), "notify_create_canister", &args);
    assert!(reply.contains("error_code = 5 : nat64"), "{reply}");
    let both =
        "subnet_type = opt \"fiduciary\"; subnet_selection = opt variant { Filter = record {} }";
    let reply = system.create(user(1), block, both);
    assert!(reply.contains("error_code = 4 : nat64"), "{reply}");
    let settings = "settings = opt record { freezing_threshold = opt (9 : nat) }";
    let reply = system.create(user(1), block, settings);
    let canister = id(reply.split('"').nth(1).unwrap());
    assert_eq!(
        system.net.replica.controllers(canister),
        Some(vec![user(1)])
    );
    assert_eq!(system.net.replica.cycles(canister), Some(PER_ICP - T / 2));
    assert!(subnets[2..4].contains(&system.net.replica.subnet_of(canister).unwrap()));
    assert_eq!(system.create(user(1), block, ""), reply);
    let block = system.pay(user(1), user(1), CREA, ICP);
    let reply = system.create(user(1), block, "subnet_type = opt \"fiduciary\"");
    let canister = id(reply.split('"').nth(1).unwrap());
    assert_eq!(system.net.replica.subnet_of(canister), Some(subnets[4]));
    // A creation that fails costs four fees.
    let had = system.icp_of(user(1));
    let block = system.pay(user(1), user(1), CREA, ICP);
    let reply = system.create(user(1), block, "subnet_type = opt \"no such type\"");
    assert!(
        reply.contains("Provided subnet type no such type does not exist"),
        "{reply}"
    );
    assert_eq!(system.icp_of(user(1)), had + u128::from(ICP - 5 * FEE));
    // If one subnet fails, another one is tried.
    let fault = Fault::on_call(Effect::reject(RejectCode::SysTransient)).method("create_canister");
    system.net.replica.inject(fault.callee(subnets[2]));
    system.net.replica.inject(
        Fault::on_call(Effect::reject(RejectCode::SysTransient))
            .method("create_canister")
            .callee(subnets[3]),
    );
    let block = system.pay(user(1), user(1), CREA, ICP);
    let reply = system.create(user(1), block, "");
    assert!(reply.contains("failed with code 2"), "{reply}");
    system.net.replica.clear_faults();
    let fault = Fault::on_call(Effect::reject(RejectCode::SysTransient)).method("create_canister");
    system.net.replica.inject(fault);
    let block = system.pay(user(1), user(1), CREA, ICP);
    assert!(
        system
            .create(user(1), block, "")
            .starts_with("(variant { Ok")
    );
}

#[test]
fn no_more_cycles_are_minted_in_an_hour_than_the_limit() {
    let mut system = System::new();
    let target = system.net.create_on(2, T);
    // 150 quadrillion cycles.
    let most = 150_000 * T / PER_ICP;
    let block = system.pay(user(1), target, TPUP, most as u64 * ICP);
    assert!(system.top_up(block, target).starts_with("(variant { Ok"));
    let block = system.pay(user(1), target, TPUP, ICP);
    let reply = system.top_up(block, target);
    assert!(
        reply.contains("have been minted in the last 3600 seconds"),
        "{reply}"
    );
    assert_eq!(system.icp_of(user(1)), u128::from(ICP - 3 * FEE));
    system.at(system.now() + HOUR);
    let block = system.pay(user(1), target, TPUP, ICP);
    assert!(system.top_up(block, target).starts_with("(variant { Ok"));
}

#[test]
fn a_payment_under_way_is_not_processed_twice() {
    let mut system = System::new();
    let target = system.net.create_on(2, T);
    let block = system.pay(user(1), target, TPUP, ICP);
    let interface = system.interfaces[&id(CYCLES_MINTING)].clone();
    let args = format!(
        "(record {{ block_index = {block} : nat64; canister_id = principal \"{target}\" }})"
    );
    let payload = interface.encode("notify_top_up", &args);
    let ingress = Ingress {
        sender: user(1),
        ..system
            .net
            .ingress(id(CYCLES_MINTING), "notify_top_up", &payload)
    };
    let minted = system.net.replica.accounts().minted;
    let calls = [0, 1].map(|_| system.net.replica.submit(ingress.clone()).unwrap());
    let replies = calls.map(|call| {
        let reply = system.net.replica.await_ingress(&call).unwrap().unwrap();
        interface.decode("notify_top_up", &reply)
    });
    assert_eq!(
        replies,
        [
            "(variant { Ok = 3_520_000_000_000 : nat })",
            "(variant { Err = variant { Processing } })"
        ]
    );
    assert_eq!(system.net.replica.accounts().minted, minted + PER_ICP);
    // The ledger does not answer: nothing has happened, and the caller tries again.
    let block = system.pay(user(1), target, TPUP, ICP);
    let lost = Effect::reject(RejectCode::SysTransient);
    system
        .net
        .replica
        .inject(Fault::on_call(lost).method("query_blocks"));
    let reply = system.top_up(block, target);
    assert!(reply.contains("error_code = 2 : nat64"), "{reply}");
    // The refund fails: the caller tries again, too.
    let missing = id("aaaaa-aa");
    let failed = system.pay(user(1), missing, TPUP, ICP);
    system.net.replica.inject(
        Fault::on_call(Effect::reject(RejectCode::SysTransient))
            .method("transfer")
            .caller(id(CYCLES_MINTING)),
    );
    let reply = system.top_up(failed, missing);
    assert!(reply.contains("error_code = 3 : nat64"), "{reply}");
    assert!(system.top_up(failed, missing).contains("Refunded"));
    assert!(system.top_up(block, target).starts_with("(variant { Ok"));
}

#[test]
fn a_canister_buys_cycles_and_creates_canisters_across_subnets() {
    let mut system = System::new();
    let proxy = system.proxy();
    let block = system.pay(user(1), proxy, TPUP, ICP);
    let before = system.net.replica.cycles(proxy).unwrap();
    let args = format!(
        "(record {{ block_index = {block} : nat64; canister_id = principal \"{proxy}\" }})"
    );
    let (_, reply) = system.call_from(proxy, CYCLES_MINTING, "notify_top_up", &args, 0);
    assert_eq!(reply, "(variant { Ok = 3_520_000_000_000 : nat })");
    assert!(system.net.replica.cycles(proxy).unwrap() > before + 3 * T);
    let other = system.net.replica.subnets()[3].id;
    let args = format!(
        "(record {{ subnet_selection = opt variant {{ Subnet = record {{ subnet = principal \
         \"{other}\" }} }} }})"
    );
    let (refund, reply) = system.call_from(proxy, CYCLES_MINTING, "create_canister", &args, 2 * T);
    let canister = id(reply.split('"').nth(1).unwrap());
    assert_eq!(refund, 0);
    assert_eq!(system.net.replica.subnet_of(canister), Some(other));
    assert_eq!(system.net.replica.controllers(canister), Some(vec![proxy]));
    assert_eq!(system.net.replica.cycles(canister), Some(2 * T - T / 2));
    let (refund, reply) = system.call_from(proxy, CYCLES_MINTING, "create_canister", &args, T / 20);
    assert!(
        refund == T / 20 && reply.contains("Insufficient cycles attached."),
        "{reply}"
    );
}
