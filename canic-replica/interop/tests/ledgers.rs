//! The public crates for ledgers understand the system canisters of the replica.

use candid::{CandidType, Nat, Principal, decode_one, encode_one};
use canic_replica_interop::system_canisters;
use ic_ledger_types::{
    AccountBalanceArgs, AccountIdentifier, DEFAULT_FEE, GetBlocksArgs, Memo, Operation,
    QueryBlocksResponse, Subaccount, Tokens, TransferArgs, TransferError, TransferResult,
};
use icrc_ledger_types::{
    icrc::{generic_metadata_value::MetadataValue, generic_value::ICRC3Value},
    icrc1::{
        account::Account,
        transfer::{TransferArg, TransferError as Icrc1TransferError},
    },
    icrc2::{
        allowance::{Allowance, AllowanceArgs},
        approve::{ApproveArgs, ApproveError},
        transfer_from::{TransferFromArgs, TransferFromError},
    },
    icrc3::blocks::{GetBlocksRequest, GetBlocksResult},
};
use pocket_ic::PocketIc;

const CYCLES_LEDGER: &str = "um5iw-rqaaa-aaaaq-qaaba-cai";

fn update<R: for<'a> candid::Deserialize<'a> + CandidType>(
    pic: &PocketIc,
    sender: Principal,
    canister: Principal,
    method: &str,
    args: impl CandidType,
) -> R {
    let payload = encode_one(args).unwrap();
    decode_one(&pic.update_call(canister, sender, method, payload).unwrap()).unwrap()
}

fn query<R: for<'a> candid::Deserialize<'a> + CandidType>(
    pic: &PocketIc,
    canister: Principal,
    method: &str,
    args: impl CandidType,
) -> R {
    let payload = encode_one(args).unwrap();
    let sender = Principal::anonymous();
    decode_one(&pic.query_call(canister, sender, method, payload).unwrap()).unwrap()
}

#[test]
fn ic_ledger_types_drive_the_icp_ledger() {
    let pic = system_canisters();
    let ledger = ic_ledger_types::MAINNET_LEDGER_CANISTER_ID;
    let anonymous = Principal::anonymous();
    let tester = Principal::self_authenticating("tester");
    let to = AccountIdentifier::new(&tester, &Subaccount([7; 32]));
    let transfer = |amount: u64, fee: Tokens| TransferArgs {
        memo: Memo(5),
        amount: Tokens::from_e8s(amount),
        fee,
        from_subaccount: None,
        to,
        created_at_time: None,
    };
    let result: TransferResult = update(
        &pic,
        anonymous,
        ledger,
        "transfer",
        transfer(100, DEFAULT_FEE),
    );
    assert_eq!(result, Ok(3));
    let result: TransferResult = update(
        &pic,
        anonymous,
        ledger,
        "transfer",
        transfer(100, Tokens::from_e8s(1)),
    );
    assert_eq!(
        result,
        Err(TransferError::BadFee {
            expected_fee: DEFAULT_FEE
        })
    );
    let balance: Tokens = query(
        &pic,
        ledger,
        "account_balance",
        AccountBalanceArgs { account: to },
    );
    assert_eq!(balance, Tokens::from_e8s(100));
    let args = GetBlocksArgs {
        start: 3,
        length: 10,
    };
    let blocks: QueryBlocksResponse = query(&pic, ledger, "query_blocks", args);
    assert_eq!((blocks.chain_length, blocks.blocks.len()), (4, 1));
    assert!(blocks.archived_blocks.is_empty() && blocks.certificate.is_some());
    let transaction = &blocks.blocks[0].transaction;
    assert_eq!(transaction.memo, Memo(5));
    let Some(Operation::Transfer { from, amount, .. }) = &transaction.operation else {
        panic!("{transaction:?}");
    };
    assert_eq!(
        *from,
        AccountIdentifier::new(&anonymous, &ic_ledger_types::DEFAULT_SUBACCOUNT)
    );
    assert_eq!(*amount, Tokens::from_e8s(100));
}

#[test]
fn icrc_ledger_types_drive_both_ledgers() {
    let pic = system_canisters();
    let anonymous = Principal::anonymous();
    let tester = Principal::self_authenticating("tester");
    for ledger in [
        ic_ledger_types::MAINNET_LEDGER_CANISTER_ID,
        Principal::from_text(CYCLES_LEDGER).unwrap(),
    ] {
        let fee: Nat = query(&pic, ledger, "icrc1_fee", ());
        let metadata: Vec<(String, MetadataValue)> = query(&pic, ledger, "icrc1_metadata", ());
        assert!(metadata.contains(&("icrc1:fee".into(), MetadataValue::Nat(fee.clone()))));
        let transfer = |amount: u64, fee: Option<Nat>| TransferArg {
            from_subaccount: None,
            to: Account::from(tester),
            fee,
            created_at_time: None,
            memo: None,
            amount: amount.into(),
        };
        let sent: Result<Nat, Icrc1TransferError> = update(
            &pic,
            anonymous,
            ledger,
            "icrc1_transfer",
            transfer(1_000_000_000, Some(fee.clone())),
        );
        sent.unwrap();
        let refused: Result<Nat, Icrc1TransferError> = update(
            &pic,
            anonymous,
            ledger,
            "icrc1_transfer",
            transfer(1, Some(1_u8.into())),
        );
        let expected_fee = fee.clone();
        assert_eq!(refused, Err(Icrc1TransferError::BadFee { expected_fee }));
        let approval = ApproveArgs {
            from_subaccount: None,
            spender: Account::from(anonymous),
            amount: 300_000_000_u64.into(),
            expected_allowance: Some(0_u8.into()),
            expires_at: None,
            fee: None,
            memo: None,
            created_at_time: None,
        };
        let approved: Result<Nat, ApproveError> =
            update(&pic, tester, ledger, "icrc2_approve", approval);
        approved.unwrap();
        let args = AllowanceArgs {
            account: Account::from(tester),
            spender: Account::from(anonymous),
        };
        let allowance: Allowance = query(&pic, ledger, "icrc2_allowance", args);
        assert_eq!(allowance.allowance, 300_000_000_u64);
        let taking = |amount: u64| TransferFromArgs {
            spender_subaccount: None,
            from: Account::from(tester),
            to: Account::from(anonymous),
            amount: amount.into(),
            fee: None,
            memo: None,
            created_at_time: None,
        };
        let taken: Result<Nat, TransferFromError> =
            update(&pic, anonymous, ledger, "icrc2_transfer_from", taking(10));
        taken.unwrap();
        let refused: Result<Nat, TransferFromError> = update(
            &pic,
            anonymous,
            ledger,
            "icrc2_transfer_from",
            taking(300_000_000),
        );
        assert!(matches!(
            refused,
            Err(TransferFromError::InsufficientAllowance { .. })
        ));
    }
}

/// Each block of the cycles ledger names the hash of the block before, as the crate computes it.
#[test]
fn the_hashes_of_the_cycles_ledger_are_those_of_icrc_3() {
    let pic = system_canisters();
    let ledger = Principal::from_text(CYCLES_LEDGER).unwrap();
    let anonymous = Principal::anonymous();
    for number in 0..3_u8 {
        let transfer = TransferArg {
            from_subaccount: None,
            to: Account {
                owner: Principal::self_authenticating("tester"),
                subaccount: Some([number; 32]),
            },
            fee: None,
            created_at_time: Some(pic.get_time().as_nanos_since_unix_epoch()),
            memo: Some(vec![number].into()),
            amount: 5_u8.into(),
        };
        let sent: Result<Nat, Icrc1TransferError> =
            update(&pic, anonymous, ledger, "icrc1_transfer", transfer);
        sent.unwrap();
    }
    let args = vec![GetBlocksRequest {
        start: 0_u8.into(),
        length: 50_u8.into(),
    }];
    let result: GetBlocksResult = query(&pic, ledger, "icrc3_get_blocks", args);
    assert_eq!(result.blocks.len(), 4);
    for pair in result.blocks.windows(2) {
        let ICRC3Value::Map(next) = &pair[1].block else {
            panic!("{:?}", pair[1]);
        };
        let Some(ICRC3Value::Blob(parent)) = next.get("phash") else {
            panic!("{next:?}");
        };
        assert_eq!(parent.as_slice(), pair[0].block.clone().hash());
    }
}
