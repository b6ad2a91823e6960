//! The network's own canisters: the ICP ledger, the cycles ledger and the cycles minting canister.
//!
//! They are canisters like all others, with queues, call contexts and callbacks, but their code is
//! native. [`facade`] makes a module that exports their methods and carries their Candid interface;
//! no function of it runs. Instead the execution of a message hands the [`Native`] state on to
//! [`Native::run`], which answers what the canister does: [`Effects`]. A message that traps leaves
//! no trace, as the state was a copy.
//!
//! Rules and texts follow `dfinity/ic` (`rs/ledger_suite/icp`, `rs/nns/cmc`) and
//! `dfinity/cycles-ledger`; the initial state is that of `rs/pocket_ic_server/src/pocket_ic.rs`.

mod account;
mod book;
pub(crate) mod cycles_ledger;
pub(crate) mod cycles_minting;
mod facade;
pub(crate) mod icp_ledger;
mod icrc;
mod jobs;
mod log;
mod message;

use candid::Principal;

pub(crate) use message::{Effects, Env, Input, OutgoingCall};

use crate::system::{
    cycles_ledger::CyclesLedger, cycles_minting::CyclesMinting, icp_ledger::IcpLedger,
};

/// The ICP ledger, ryjl3-tyaaa-aaaaa-aaaba-cai.
pub(crate) const ICP_LEDGER: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 2, 1, 1]);
/// The cycles minting canister, rkp4c-7iaaa-aaaaa-aaaca-cai.
pub(crate) const CYCLES_MINTING: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 4, 1, 1]);
/// The cycles ledger, um5iw-rqaaa-aaaaq-qaaba-cai.
pub(crate) const CYCLES_LEDGER: Principal =
    Principal::from_slice(&[0, 0, 0, 0, 2, 0x10, 0, 2, 1, 1]);
/// The governance canister of the NNS, rrkah-fqaaa-aaaaa-aaaaq-cai. Its account mints ICP.
const GOVERNANCE: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);

/// A SHA-256 digest.
type Hash = [u8; 32];

/// The native code of a canister, with its state.
#[derive(Clone, Hash)]
pub(crate) enum Native {
    IcpLedger(IcpLedger),
    CyclesLedger(CyclesLedger),
    CyclesMinting(CyclesMinting),
}

impl Native {
    /// Executes one message.
    ///
    /// # Errors
    /// The message of a trap. The state may be half changed then.
    pub(crate) fn run(&mut self, env: &Env<'_>, input: &Input<'_>) -> Result<Effects, String> {
        match self {
            Self::IcpLedger(ledger) => ledger.run(env, input),
            Self::CyclesLedger(ledger) => ledger.run(env, input),
            Self::CyclesMinting(minting) => minting.run(env, input),
        }
    }

    /// What the canister certifies.
    pub(crate) fn certified_data(&self) -> Vec<u8> {
        match self {
            Self::IcpLedger(ledger) => ledger.certified_data().to_vec(),
            Self::CyclesLedger(ledger) => ledger.certified_data(),
            Self::CyclesMinting(minting) => minting.certified_data(),
        }
    }

    /// The module of the canister, which exports its methods.
    pub(crate) fn module(&self) -> Vec<u8> {
        match self {
            Self::IcpLedger(_) => facade::module(icp_ledger::METHODS, icp_ledger::INTERFACE),
            Self::CyclesLedger(_) => {
                facade::module(cycles_ledger::METHODS, cycles_ledger::INTERFACE)
            }
            Self::CyclesMinting(_) => {
                facade::module(cycles_minting::METHODS, cycles_minting::INTERFACE)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candid::{CandidType, Nat, encode_one};

    use super::*;

    fn env(id: Principal) -> Env<'static> {
        Env {
            id,
            version: 1,
            now: 1,
            caller: Principal::anonymous(),
            balance: 0,
            available: 0,
            is_replicated: true,
            certificate: None,
        }
    }

    /// A callback that traps is followed by its cleanup: the job is over, and no other answer finds
    /// it.
    #[test]
    fn a_job_ends_with_its_answer_or_with_the_cleanup() {
        #[derive(CandidType)]
        struct Withdrawal {
            to: Principal,
            amount: Nat,
        }
        #[derive(CandidType)]
        struct TopUp {
            block_index: u64,
            canister_id: Principal,
        }
        let withdrawal = Withdrawal {
            to: ICP_LEDGER,
            amount: Nat::from(1_u64),
        };
        let top_up = TopUp {
            block_index: 1,
            canister_id: ICP_LEDGER,
        };
        for (id, native, method, argument) in [
            (
                CYCLES_LEDGER,
                Native::CyclesLedger(CyclesLedger::new(0).unwrap()),
                "withdraw",
                encode_one(withdrawal).unwrap(),
            ),
            (
                CYCLES_MINTING,
                Native::CyclesMinting(CyclesMinting::new(0, true)),
                "notify_top_up",
                encode_one(top_up).unwrap(),
            ),
        ] {
            let mut native = native;
            let call = Input::Call {
                method,
                argument: &argument,
            };
            let effects = native.run(&env(id), &call).unwrap();
            let job = effects.call.unwrap().job;
            let mut cleaned = native.clone();
            cleaned.run(&env(id), &Input::Cleanup { job }).unwrap();
            let answer = Input::Answer {
                job,
                result: Ok(b"DIDL\0\0"),
            };
            assert!(cleaned.run(&env(id), &answer).is_err());
            native.run(&env(id), &answer).unwrap();
            assert!(native.run(&env(id), &answer).is_err());
        }
    }
}
