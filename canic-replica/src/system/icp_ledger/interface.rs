//! The methods of the ICP ledger.

use candid::{CandidType, Deserialize, Nat};
use serde_bytes::ByteBuf;

use crate::system::{
    account::{Account, AccountId},
    facade::Methods,
    icp_ledger::{
        FEE, IcpLedger,
        blocks::GetBlocksArgs,
        minting_account,
        transfer::{Failure, IcrcTransfer, Tokens, TransferArgs},
    },
    icrc::{
        AllowanceArgs, AllowanceReply, ApproveArgs, MetadataValue, Refusal, Standard, TransferArg,
        TransferFromArgs,
    },
    message::{Effects, Env, Input, decode, unknown_method},
};

pub(in crate::system) const INTERFACE: &str = include_str!("icp_ledger.did");
pub(in crate::system) const METHODS: Methods = Methods {
    updates: &[
        "icrc1_transfer",
        "icrc2_approve",
        "icrc2_transfer_from",
        "transfer",
    ],
    queries: &[
        "account_balance",
        "account_identifier",
        "archives",
        "decimals",
        "icrc10_supported_standards",
        "icrc1_balance_of",
        "icrc1_decimals",
        "icrc1_fee",
        "icrc1_metadata",
        "icrc1_minting_account",
        "icrc1_name",
        "icrc1_supported_standards",
        "icrc1_symbol",
        "icrc1_total_supply",
        "icrc2_allowance",
        "name",
        "query_blocks",
        "symbol",
        "transfer_fee",
    ],
};

const NAME: &str = "Internet Computer";
const SYMBOL: &str = "ICP";
const DECIMALS: u8 = 8;

#[derive(CandidType, Deserialize)]
struct BalanceArgs {
    account: ByteBuf,
}

#[derive(CandidType, Deserialize)]
struct NoArgs {}

#[derive(CandidType)]
struct TransferFee {
    transfer_fee: Tokens,
}

#[derive(CandidType)]
struct Name {
    name: &'static str,
}

#[derive(CandidType)]
struct Symbol {
    symbol: &'static str,
}

#[derive(CandidType)]
struct Decimals {
    decimals: u32,
}

#[derive(CandidType)]
struct Archives {
    archives: Vec<candid::Empty>,
}

/// The block of a transaction, or its refusal in the type of a method.
fn outcome<E>(
    result: Result<u64, Failure>,
    convert: impl Fn(Refusal) -> Result<E, String>,
) -> Result<Result<Nat, E>, String> {
    match result {
        Ok(block) => Ok(Ok(block.into())),
        Err(Failure::Refused(refusal)) => convert(refusal).map(Err),
        Err(Failure::Trap(message)) => Err(message),
    }
}

impl IcpLedger {
    pub(in crate::system) fn run(
        &mut self,
        env: &Env<'_>,
        input: &Input<'_>,
    ) -> Result<Effects, String> {
        match input {
            Input::Call { method, argument } => self.update(env, method, argument),
            Input::Answer { .. } => Err("the ICP ledger makes no calls".into()),
            Input::Cleanup { .. } => Ok(Effects::default()),
        }
    }

    fn update(&mut self, env: &Env<'_>, method: &str, argument: &[u8]) -> Result<Effects, String> {
        let (caller, now) = (env.caller, env.now);
        match method {
            "transfer" => {
                let (args,) = decode::<(TransferArgs,)>(argument)?;
                Effects::reply((self.transfer(caller, &args, now)?,))
            }
            "icrc1_transfer" => {
                let (args,) = decode::<(TransferArg,)>(argument)?;
                let transfer = IcrcTransfer {
                    from: Account::new(caller, args.from_subaccount),
                    to: args.to,
                    spender: None,
                    amount: args.amount,
                    fee: args.fee,
                    memo: args.memo.map(ByteBuf::into_vec),
                    created_at_time: args.created_at_time,
                };
                let result = self.icrc_transfer(transfer, now);
                Effects::reply((outcome(result, |refusal| refusal.of_transfer())?,))
            }
            "icrc2_transfer_from" => {
                let (args,) = decode::<(TransferFromArgs,)>(argument)?;
                let transfer = IcrcTransfer {
                    from: args.from,
                    to: args.to,
                    spender: Some(Account::new(caller, args.spender_subaccount)),
                    amount: args.amount,
                    fee: args.fee,
                    memo: args.memo.map(ByteBuf::into_vec),
                    created_at_time: args.created_at_time,
                };
                let result = self.icrc_transfer(transfer, now);
                Effects::reply((outcome(result, |refusal| refusal.of_transfer_from())?,))
            }
            "icrc2_approve" => {
                let (args,) = decode::<(ApproveArgs,)>(argument)?;
                let result = self.approve(caller, args, now);
                Effects::reply((outcome(result, |refusal| refusal.of_approval())?,))
            }
            other => Err(unknown_method(other)),
        }
    }

    pub(in crate::system) fn query(
        &self,
        env: &Env<'_>,
        method: &str,
        argument: &[u8],
    ) -> Result<Effects, String> {
        match method {
            "account_balance" => {
                let (args,) = decode::<(BalanceArgs,)>(argument)?;
                let e8s = match AccountId::of_bytes(&args.account) {
                    Some(account) => self.book.balance(&account.checked()?) as u64,
                    None => 0,
                };
                Effects::reply((Tokens { e8s },))
            }
            "account_identifier" => {
                let (account,) = decode::<(Account,)>(argument)?;
                Effects::reply((account.id(),))
            }
            "transfer_fee" => {
                decode::<(NoArgs,)>(argument)?;
                Effects::reply((TransferFee {
                    transfer_fee: Tokens { e8s: FEE },
                },))
            }
            "query_blocks" => {
                let (args,) = decode::<(GetBlocksArgs,)>(argument)?;
                Effects::reply((self.query_blocks(&args, env),))
            }
            "icrc1_balance_of" => {
                let (account,) = decode::<(Account,)>(argument)?;
                Effects::reply((Nat::from(self.book.balance(&account.id())),))
            }
            "icrc2_allowance" => {
                let (args,) = decode::<(AllowanceArgs,)>(argument)?;
                let (from, spender) = (args.account.id(), args.spender.id());
                let allowance = self.valid_allowance(&from, &spender, env.now);
                Effects::reply((AllowanceReply {
                    allowance: allowance.amount.into(),
                    expires_at: allowance.expires_at,
                },))
            }
            constant => {
                decode::<()>(argument)?;
                self.constant(constant)
            }
        }
    }

    /// The queries without an argument.
    fn constant(&self, method: &str) -> Result<Effects, String> {
        match method {
            "archives" => Effects::reply((Archives {
                archives: Vec::new(),
            },)),
            "decimals" => Effects::reply((Decimals {
                decimals: DECIMALS.into(),
            },)),
            "name" => Effects::reply((Name { name: NAME },)),
            "symbol" => Effects::reply((Symbol { symbol: SYMBOL },)),
            "icrc1_decimals" => Effects::reply((DECIMALS,)),
            "icrc1_fee" => Effects::reply((Nat::from(FEE),)),
            "icrc1_minting_account" => Effects::reply((Some(minting_account()),)),
            "icrc1_name" => Effects::reply((NAME,)),
            "icrc1_symbol" => Effects::reply((SYMBOL,)),
            "icrc1_total_supply" => Effects::reply((Nat::from(self.book.supply()),)),
            "icrc1_metadata" => Effects::reply((vec![
                MetadataValue::nat("icrc1:decimals", u64::from(DECIMALS)),
                MetadataValue::text("icrc1:name", NAME),
                MetadataValue::text("icrc1:symbol", SYMBOL),
                MetadataValue::nat("icrc1:fee", FEE),
            ],)),
            "icrc1_supported_standards" | "icrc10_supported_standards" => Effects::reply((vec![
                Standard::new(
                    "ICRC-1",
                    "https://github.com/dfinity/ICRC-1/tree/main/standards/ICRC-1",
                ),
                Standard::new(
                    "ICRC-2",
                    "https://github.com/dfinity/ICRC-1/tree/main/standards/ICRC-2",
                ),
                Standard::new(
                    "ICRC-10",
                    "https://github.com/dfinity/ICRC/blob/main/ICRCs/ICRC-10/ICRC-10.md",
                ),
            ],)),
            other => Err(unknown_method(other)),
        }
    }
}
