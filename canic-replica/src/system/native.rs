//! The native code of all canisters, behind one type.

use serde::{Deserialize, Serialize};

use crate::system::{
    cycles_ledger::{self, CyclesLedger},
    cycles_minting::{self, CyclesMinting},
    facade,
    icp_ledger::{self, IcpLedger},
    message::{Effects, Env, Input},
};

/// The native code of a canister, with its state.
#[derive(Clone, Hash, Serialize, Deserialize)]
pub(crate) enum Native {
    IcpLedger(IcpLedger),
    CyclesLedger(CyclesLedger),
    CyclesMinting(CyclesMinting),
}

impl Native {
    /// Executes one message of an update method.
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

    /// Executes a query method, which changes nothing.
    ///
    /// # Errors
    /// The message of a trap.
    pub(crate) fn query(
        &self,
        env: &Env<'_>,
        method: &str,
        argument: &[u8],
    ) -> Result<Effects, String> {
        match self {
            Self::IcpLedger(ledger) => ledger.query(env, method, argument),
            Self::CyclesLedger(ledger) => ledger.query(env, method, argument),
            Self::CyclesMinting(minting) => minting.query(env, method, argument),
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
            Self::IcpLedger(_) => facade::module(
                icp_ledger::interface::METHODS,
                icp_ledger::interface::INTERFACE,
            ),
            Self::CyclesLedger(_) => facade::module(
                cycles_ledger::interface::METHODS,
                cycles_ledger::interface::INTERFACE,
            ),
            Self::CyclesMinting(_) => facade::module(
                cycles_minting::interface::METHODS,
                cycles_minting::interface::INTERFACE,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use candid::{CandidType, Nat, Principal, encode_one};

    use super::*;
    use crate::system::{CYCLES_LEDGER, CYCLES_MINTING, ICP_LEDGER};

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
