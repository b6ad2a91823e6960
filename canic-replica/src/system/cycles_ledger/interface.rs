//! The methods of the cycles ledger.

use candid::{CandidType, Deserialize, Nat, Principal};
use serde_bytes::ByteBuf;

use crate::system::{
    account::Account,
    cycles_ledger::{
        CyclesLedger, FEE,
        blocks::{GetBlocksArg, MAX_BLOCKS},
        creation::{CreateCanisterArgs, CreateCanisterFromArgs},
        payment::Job,
        transfer::Transfer,
        withdrawal::{Order, WithdrawArgs, WithdrawFromArgs},
    },
    facade::Methods,
    icrc::{
        AllowanceArgs, AllowanceReply, ApproveArgs, MAX_MEMO, MetadataValue, Refusal, Standard,
        TransferArg, TransferFromArgs,
    },
    message::{Effects, Env, Input, decode, unknown_method},
};

pub(in crate::system) const INTERFACE: &str = include_str!("cycles_ledger.did");
pub(in crate::system) const METHODS: Methods = Methods {
    updates: &[
        "create_canister",
        "create_canister_from",
        "deposit",
        "icrc1_transfer",
        "icrc2_approve",
        "icrc2_transfer_from",
        "withdraw",
        "withdraw_from",
    ],
    queries: &[
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
        "icrc3_get_archives",
        "icrc3_get_blocks",
        "icrc3_get_tip_certificate",
        "icrc3_supported_block_types",
    ],
};

const NAME: &str = "Trillion Cycles";
const SYMBOL: &str = "TCYCLES";
const DECIMALS: u8 = 12;

#[derive(CandidType, Deserialize)]
pub(crate) struct DepositArgs {
    pub(in crate::system) to: Account,
    pub(in crate::system) memo: Option<ByteBuf>,
}

#[derive(CandidType, Deserialize)]
pub(crate) struct DepositResult {
    pub(in crate::system) balance: Nat,
    pub(in crate::system) block_index: Nat,
}

#[derive(CandidType, Deserialize)]
struct GetArchivesArgs {
    #[allow(dead_code)]
    from: Option<Principal>,
}

#[derive(CandidType)]
struct BlockType {
    block_type: &'static str,
    url: &'static str,
}

/// The block of a transaction, or its refusal in the type of a method.
fn outcome<E>(
    result: Result<u64, Refusal>,
    convert: impl Fn(Refusal) -> Result<E, String>,
) -> Result<Result<Nat, E>, String> {
    match result {
        Ok(block) => Ok(Ok(block.into())),
        Err(refusal) => convert(refusal).map(Err),
    }
}

impl CyclesLedger {
    pub(in crate::system) fn run(
        &mut self,
        env: &Env<'_>,
        input: &Input<'_>,
    ) -> Result<Effects, String> {
        match input {
            Input::Call { method, argument } => match *method {
                "withdraw" | "withdraw_from" | "create_canister" | "create_canister_from" => {
                    self.send_cycles(env, method, argument)
                }
                method => self.update(env, method, argument),
            },
            Input::Answer { job, result } => match self.jobs.take(*job)? {
                Job::Withdrawal(withdrawal) => self.end_withdrawal(&withdrawal, *result, env.now),
                Job::Creation(creation) => self.end_creation(&creation, *result, env.now),
            },
            Input::Cleanup { job } => {
                self.jobs.drop_job(*job);
                Ok(Effects::default())
            }
        }
    }

    fn update(&mut self, env: &Env<'_>, method: &str, argument: &[u8]) -> Result<Effects, String> {
        let (caller, now) = (env.caller, env.now);
        match method {
            "deposit" => {
                let (args,) = decode::<(DepositArgs,)>(argument)?;
                let memo = args.memo.map(ByteBuf::into_vec);
                let block = self.deposit(args.to, env.available, memo, now)?;
                let result = DepositResult {
                    balance: self.balance(&args.to).into(),
                    block_index: block.into(),
                };
                Ok(Effects {
                    accepted: env.available,
                    ..Effects::reply((result,))?
                })
            }
            "icrc1_transfer" => {
                let (args,) = decode::<(TransferArg,)>(argument)?;
                let transfer = Transfer {
                    from: Account::new(caller, args.from_subaccount),
                    to: args.to,
                    spender: None,
                    amount: args.amount,
                    fee: args.fee,
                    memo: args.memo.map(ByteBuf::into_vec),
                    created_at_time: args.created_at_time,
                };
                let result = self.transfer(transfer, now)?;
                Effects::reply((outcome(result, Refusal::of_transfer)?,))
            }
            "icrc2_transfer_from" => {
                let (args,) = decode::<(TransferFromArgs,)>(argument)?;
                let transfer = Transfer {
                    from: args.from,
                    to: args.to,
                    spender: Some(Account::new(caller, args.spender_subaccount)),
                    amount: args.amount,
                    fee: args.fee,
                    memo: args.memo.map(ByteBuf::into_vec),
                    created_at_time: args.created_at_time,
                };
                let result = self.transfer(transfer, now)?;
                Effects::reply((outcome(result, Refusal::of_transfer_from)?,))
            }
            "icrc2_approve" => {
                let (args,) = decode::<(ApproveArgs,)>(argument)?;
                let result = self.approve(caller, args, now)?;
                Effects::reply((outcome(result, Refusal::of_approval)?,))
            }
            other => Err(unknown_method(other)),
        }
    }

    /// The methods that send cycles away.
    fn send_cycles(
        &mut self,
        env: &Env<'_>,
        method: &str,
        argument: &[u8],
    ) -> Result<Effects, String> {
        let caller = |subaccount| Account::new(env.caller, subaccount);
        match method {
            "withdraw" => {
                let (args,) = decode::<(WithdrawArgs,)>(argument)?;
                let order = Order {
                    from: caller(args.from_subaccount),
                    spender: None,
                    to: args.to,
                    amount: args.amount,
                    created_at_time: args.created_at_time,
                };
                self.withdraw(order, env)
            }
            "withdraw_from" => {
                let (args,) = decode::<(WithdrawFromArgs,)>(argument)?;
                let order = Order {
                    from: args.from,
                    spender: Some(caller(args.spender_subaccount)),
                    to: args.to,
                    amount: args.amount,
                    created_at_time: args.created_at_time,
                };
                self.withdraw(order, env)
            }
            "create_canister" => {
                let (args,) = decode::<(CreateCanisterArgs,)>(argument)?;
                let order = Order {
                    from: caller(args.from_subaccount),
                    spender: None,
                    to: env.id,
                    amount: args.amount,
                    created_at_time: args.created_at_time,
                };
                self.create_canister(order, args.creation_args, env)
            }
            _ => {
                let (args,) = decode::<(CreateCanisterFromArgs,)>(argument)?;
                let order = Order {
                    from: args.from,
                    spender: Some(caller(args.spender_subaccount)),
                    to: env.id,
                    amount: args.amount,
                    created_at_time: args.created_at_time,
                };
                self.create_canister(order, args.creation_args, env)
            }
        }
    }

    pub(in crate::system) fn query(
        &self,
        env: &Env<'_>,
        method: &str,
        argument: &[u8],
    ) -> Result<Effects, String> {
        match method {
            "icrc1_balance_of" => {
                let (account,) = decode::<(Account,)>(argument)?;
                Effects::reply((Nat::from(self.balance(&account)),))
            }
            "icrc2_allowance" => {
                let (args,) = decode::<(AllowanceArgs,)>(argument)?;
                let allowance = self.current_allowance(&args.account, &args.spender, env.now);
                Effects::reply((AllowanceReply {
                    allowance: allowance.amount.into(),
                    expires_at: allowance.expires_at,
                },))
            }
            "icrc3_get_blocks" => {
                let (args,) = decode::<(Vec<GetBlocksArg>,)>(argument)?;
                Effects::reply((self.get_blocks(&args),))
            }
            "icrc3_get_archives" => {
                decode::<(GetArchivesArgs,)>(argument)?;
                Effects::reply((Vec::<candid::Empty>::new(),))
            }
            other => {
                decode::<()>(argument)?;
                self.constant(env, other)
            }
        }
    }

    /// The queries without an argument.
    fn constant(&self, env: &Env<'_>, method: &str) -> Result<Effects, String> {
        const ICRC1: &str =
            "https://github.com/dfinity/ICRC-1/blob/main/standards/ICRC-1/README.md";
        const ICRC2: &str =
            "https://github.com/dfinity/ICRC-1/blob/main/standards/ICRC-2/README.md";
        const ICRC3: &str =
            "https://github.com/dfinity/ICRC-1/blob/main/standards/ICRC-3/README.md";
        const ICRC10: &str = "https://github.com/dfinity/ICRC/blob/main/ICRCs/ICRC-10/ICRC-10.md";
        match method {
            "icrc1_decimals" => Effects::reply((DECIMALS,)),
            "icrc1_fee" => Effects::reply((Nat::from(FEE),)),
            "icrc1_minting_account" => Effects::reply((None::<Account>,)),
            "icrc1_name" => Effects::reply((NAME,)),
            "icrc1_symbol" => Effects::reply((SYMBOL,)),
            "icrc1_total_supply" => Effects::reply((Nat::from(self.book.supply()),)),
            "icrc1_metadata" => Effects::reply((vec![
                MetadataValue::nat("icrc1:decimals", u64::from(DECIMALS)),
                MetadataValue::text("icrc1:name", NAME),
                MetadataValue::text("icrc1:symbol", SYMBOL),
                MetadataValue::nat("icrc1:fee", FEE),
                MetadataValue::nat("icrc1:max_memo_length", MAX_MEMO),
                MetadataValue::nat("dfn:max_blocks_per_request", MAX_BLOCKS),
            ],)),
            "icrc1_supported_standards" | "icrc10_supported_standards" => Effects::reply((vec![
                Standard::new("ICRC-1", ICRC1),
                Standard::new("ICRC-2", ICRC2),
                Standard::new("ICRC-3", ICRC3),
                Standard::new("ICRC-10", ICRC10),
            ],)),
            "icrc3_supported_block_types" => {
                let types = [
                    ("1burn", ICRC1),
                    ("1mint", ICRC1),
                    ("2xfer", ICRC2),
                    ("2approve", ICRC2),
                ];
                let types = types.map(|(block_type, url)| BlockType { block_type, url });
                Effects::reply((Vec::from(types),))
            }
            "icrc3_get_tip_certificate" => Effects::reply((self.tip_certificate(env)?,)),
            other => Err(unknown_method(other)),
        }
    }
}
