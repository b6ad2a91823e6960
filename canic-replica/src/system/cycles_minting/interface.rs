//! The methods of the cycles minting canister.

use candid::{CandidType, Deserialize, Principal};
use serde_bytes::ByteBuf;

use crate::system::{
    account::{Account, Subaccount},
    creation::{CanisterSettings, CmcArgs, SubnetSelection},
    cycles_minting::{
        CyclesMinting,
        notification::{
            BAD_SUBNET_SELECTION, MEMO_TOO_LONG, Notification, NotifyError, Purpose, UNAUTHORIZED,
        },
        subnets::check_selection,
    },
    facade::Methods,
    icrc::MAX_MEMO,
    message::{Effects, Env, Input, decode, unknown_method},
};

pub(in crate::system) const INTERFACE: &str = include_str!("cycles_minting.did");
pub(in crate::system) const METHODS: Methods = Methods {
    updates: &[
        "create_canister",
        "notify_create_canister",
        "notify_mint_cycles",
        "notify_top_up",
    ],
    queries: &[
        "get_default_subnets",
        "get_icp_xdr_conversion_rate",
        "get_principals_authorized_to_create_canisters_to_subnets",
        "get_subnet_types_to_subnets",
    ],
};

#[derive(CandidType, Deserialize)]
struct TopUpArg {
    block_index: u64,
    canister_id: Principal,
}

#[derive(CandidType, Deserialize)]
struct CreateArg {
    block_index: u64,
    controller: Principal,
    subnet_type: Option<String>,
    subnet_selection: Option<SubnetSelection>,
    settings: Option<CanisterSettings>,
}

#[derive(CandidType, Deserialize)]
struct MintArg {
    block_index: u64,
    to_subaccount: Option<Subaccount>,
    deposit_memo: Option<ByteBuf>,
}

#[derive(CandidType)]
struct SubnetTypes {
    data: Vec<(String, Vec<Principal>)>,
}

/// Nobody has subnets of his own.
#[derive(CandidType)]
struct AuthorizedSubnets {
    data: Vec<(Principal, Vec<Principal>)>,
}

impl CyclesMinting {
    pub(in crate::system) fn run(
        &mut self,
        env: &Env<'_>,
        input: &Input<'_>,
    ) -> Result<Effects, String> {
        match input {
            Input::Call { method, argument } => match *method {
                "create_canister" => {
                    let (args,) = decode::<(CmcArgs,)>(argument)?;
                    self.create(args, env)
                }
                method => {
                    let notification = notification(env, method, argument)?;
                    match check(&notification, env) {
                        Ok(()) => self.notify(notification),
                        Err(error) => notification.answer(Err(error)),
                    }
                }
            },
            Input::Answer { job, result } => self.resume(*job, *result, env),
            Input::Cleanup { job } => {
                self.drop_job(*job);
                Ok(Effects::default())
            }
        }
    }

    pub(in crate::system) fn query(
        &self,
        env: &Env<'_>,
        method: &str,
        argument: &[u8],
    ) -> Result<Effects, String> {
        decode::<()>(argument)?;
        match method {
            "get_default_subnets" => Effects::reply((&self.default_subnets,)),
            "get_icp_xdr_conversion_rate" => Effects::reply((self.certified_rate(env)?,)),
            "get_principals_authorized_to_create_canisters_to_subnets" => {
                Effects::reply((AuthorizedSubnets { data: Vec::new() },))
            }
            "get_subnet_types_to_subnets" => {
                let types = self.subnet_types.iter();
                let types =
                    types.map(|(name, subnets)| (name.clone(), subnets.iter().copied().collect()));
                Effects::reply((SubnetTypes {
                    data: types.collect(),
                },))
            }
            other => Err(unknown_method(other)),
        }
    }
}

fn notification(env: &Env<'_>, method: &str, argument: &[u8]) -> Result<Notification, String> {
    match method {
        "notify_top_up" => {
            let (arg,) = decode::<(TopUpArg,)>(argument)?;
            Ok(Notification {
                block: arg.block_index,
                purpose: Purpose::TopUp {
                    canister: arg.canister_id,
                },
            })
        }
        "notify_create_canister" => {
            let (arg,) = decode::<(CreateArg,)>(argument)?;
            Ok(Notification {
                block: arg.block_index,
                purpose: Purpose::Create {
                    controller: arg.controller,
                    args: Box::new(CmcArgs {
                        settings: arg.settings,
                        subnet_selection: arg.subnet_selection,
                        subnet_type: arg.subnet_type,
                    }),
                },
            })
        }
        "notify_mint_cycles" => {
            let (arg,) = decode::<(MintArg,)>(argument)?;
            Ok(Notification {
                block: arg.block_index,
                purpose: Purpose::Mint {
                    to: Account::new(env.caller, arg.to_subaccount),
                    memo: arg.deposit_memo.map(ByteBuf::into_vec),
                },
            })
        }
        other => Err(unknown_method(other)),
    }
}

/// Checks what can be checked before the block is known.
fn check(notification: &Notification, env: &Env<'_>) -> Result<(), NotifyError> {
    match &notification.purpose {
        Purpose::Create { controller, args } => {
            if *controller != env.caller {
                return Err(NotifyError::other(
                    UNAUTHORIZED,
                    format!(
                        "{} is not authorized to call notify_create_canister on behalf of \
                         {controller}. (Do not retry, because the same result will occur.)",
                        env.caller
                    ),
                ));
            }
            check_selection(args).map_err(|why| NotifyError::other(BAD_SUBNET_SELECTION, why))
        }
        Purpose::Mint {
            memo: Some(memo), ..
        } if memo.len() > MAX_MEMO => Err(NotifyError::other(
            MEMO_TOO_LONG,
            format!(
                "Memo length {} exceeds the maximum length of {MAX_MEMO}",
                memo.len()
            ),
        )),
        Purpose::Mint { .. } | Purpose::TopUp { .. } => Ok(()),
    }
}
