//! Calls of users and of root's controller.

use candid::{
    CandidType, Decode, Encode, Principal,
    utils::{ArgumentEncoder, encode_args},
};
use canic_replica::{EffectivePrincipal, Ingress, MessageId, Reject};
use ic_management_canister_types::{
    CanisterIdRecord, CanisterInstallMode, CanisterStatusResult, CanisterStatusType,
    InstallCodeArgs, ProvisionalCreateCanisterWithCyclesArgs,
    ProvisionalCreateCanisterWithCyclesResult,
};
use serde::de::DeserializeOwned;

use super::{Answer, Harness, T, Writer, time::MAX_ROUNDS};
use crate::{
    network::Network,
    status::{Record, part_of_status},
};

/// The platform's code for a canister that can't pay for a message.
const OUT_OF_CYCLES: &str = "IC0207";

impl<N: Network, W: Writer<N>> Harness<N, W> {
    /// Submits a call.
    ///
    /// # Errors
    /// When the platform does not accept it.
    pub fn submit(
        &mut self,
        sender: Principal,
        canister: Principal,
        method: &str,
        payload: Vec<u8>,
    ) -> Result<MessageId, Reject> {
        self.replica
            .submit(message(sender, canister, method, payload))
    }

    /// The answer to a call, once there is one.
    #[must_use]
    pub fn answer(&self, message: &MessageId) -> Option<Answer> {
        self.replica.answer(message)
    }

    /// Calls, and waits for the answer.
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When there is no answer within the most rounds that a fleet may need.
    pub fn call(
        &mut self,
        sender: Principal,
        canister: Principal,
        method: &str,
        payload: Vec<u8>,
    ) -> Answer {
        let message = self.submit(sender, canister, method, payload)?;
        self.wait_for(&message)
    }

    /// Waits for the answer to a submitted call.
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When there is no answer within the most rounds that a fleet may need.
    pub fn wait_for(&mut self, message: &MessageId) -> Answer {
        let answer = self.wait_at_most(message);
        answer.unwrap_or_else(|| panic!("a call was never answered"))
    }

    /// Waits for the answer to a submitted call. `None`: there is none within the most rounds that
    /// a fleet may need.
    pub fn wait_at_most(&mut self, message: &MessageId) -> Option<Answer> {
        for round in 0..MAX_ROUNDS {
            if let Some(answer) = self.answer(message) {
                return Some(answer);
            }
            // Time stands still at first: messages in transit need rounds, not time.
            if round < 100 {
                self.tick();
            } else {
                self.step();
            }
        }
        None
    }

    /// Queries any canister.
    ///
    /// # Errors
    /// The reject of the query.
    pub fn query_call(
        &mut self,
        sender: Principal,
        canister: Principal,
        method: &str,
        payload: Vec<u8>,
    ) -> Answer {
        self.replica
            .query(message(sender, canister, method, payload))
    }

    /// Calls root, and waits for its answer.
    ///
    /// # Panics
    /// When the call is rejected, or the answer is of another type.
    pub fn ask<R: CandidType + DeserializeOwned>(
        &mut self,
        sender: Principal,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> R {
        let payload = encode_args(args).expect("the argument can be encoded");
        let answer = self.call(sender, self.root, method, payload);
        let bytes = answer.unwrap_or_else(|reject| panic!("{method}: {reject:?}"));
        Decode!(&bytes, R).unwrap_or_else(|e| panic!("{method}: {e}"))
    }

    /// Queries root as its controller.
    ///
    /// # Panics
    /// When root rejects, or the answer is of another type.
    pub fn query<R: CandidType + DeserializeOwned>(
        &mut self,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> R {
        let payload = encode_args(args).expect("the argument can be encoded");
        let answer = self.query_call(self.controller, self.root, method, payload);
        let bytes = answer.unwrap_or_else(|reject| panic!("{method}: {reject:?}"));
        Decode!(&bytes, R).unwrap_or_else(|e| panic!("{method}: {e}"))
    }

    /// Calls the management canister, and waits for its answer.
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When the argument can't be encoded.
    pub fn manage(
        &mut self,
        sender: Principal,
        method: &str,
        canister: Principal,
        args: &impl CandidType,
    ) -> Answer {
        self.manage_through(EffectivePrincipal::Canister(canister), sender, method, args)
    }

    fn manage_through(
        &mut self,
        effective: EffectivePrincipal,
        sender: Principal,
        method: &str,
        args: &impl CandidType,
    ) -> Answer {
        let payload = Encode!(args).expect("the argument can be encoded");
        let message = message(sender, Principal::management_canister(), method, payload);
        let message = self.replica.submit(Ingress {
            effective: Some(effective),
            ..message
        })?;
        self.wait_for(&message)
    }

    /// A new canister with `cycles` on root's subnet, controlled by `owner`.
    ///
    /// # Panics
    /// When the canister can't be created.
    pub fn create(&mut self, owner: Principal, cycles: u128) -> Principal {
        self.try_create(owner, cycles)
            .expect("a canister can be created")
    }

    /// A new canister with `cycles` on root's subnet, controlled by `owner`.
    ///
    /// # Errors
    /// The platform's reject.
    pub fn try_create(&mut self, owner: Principal, cycles: u128) -> Result<Principal, Reject> {
        let first = self.replica.first_subnet();
        self.create_on(first, owner, cycles)
    }

    /// A new canister on a subnet.
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When the answer is of another type.
    pub fn create_on(
        &mut self,
        subnet: Principal,
        owner: Principal,
        cycles: u128,
    ) -> Result<Principal, Reject> {
        let args = ProvisionalCreateCanisterWithCyclesArgs {
            amount: Some(cycles.into()),
            ..Default::default()
        };
        let method = "provisional_create_canister_with_cycles";
        let subnet = EffectivePrincipal::Subnet(subnet);
        let reply = self.manage_through(subnet, owner, method, &args)?;
        let created = Decode!(&reply, ProvisionalCreateCanisterWithCyclesResult);
        Ok(created.expect("the platform's type").canister_id)
    }

    /// Installs a module without root.
    ///
    /// # Errors
    /// The platform's reject.
    pub fn install_module(
        &mut self,
        owner: Principal,
        canister: Principal,
        wasm_module: Vec<u8>,
        arg: Vec<u8>,
    ) -> Answer {
        let args = InstallCodeArgs {
            mode: CanisterInstallMode::Install,
            canister_id: canister,
            wasm_module: super::packed(wasm_module),
            arg,
            sender_canister_version: None,
        };
        self.manage(owner, "install_code", canister, &args)
    }

    /// The status of a canister, asked for by root as its controller.
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When the answer is of another type.
    pub fn status(&mut self, canister: Principal) -> Result<CanisterStatusResult, Reject> {
        let reply = self.status_reply(canister)?;
        Ok(Decode!(&reply, CanisterStatusResult).expect("the platform's type"))
    }

    /// What is wrong with a canister that should run: that it is stopped, or can't be seen.
    pub fn not_running(&mut self, canister: Principal) -> Option<String> {
        match self.status(canister) {
            Ok(status) if status.status == CanisterStatusType::Running => None,
            Ok(status) => Some(format!("{canister} is left {:?}", status.status)),
            Err(reject) => Some(format!("{canister} can't be seen: {reject:?}")),
        }
    }

    /// All settings of a canister that the platform tells, asked for by root as its controller.
    ///
    /// # Errors
    /// The platform's reject.
    pub fn settings(&mut self, canister: Principal) -> Result<Record, Reject> {
        let reply = self.status_reply(canister)?;
        Ok(part_of_status(&reply, "settings"))
    }

    /// The reply of `canister_status`, for which the canister pays. One that an outage left without
    /// cycles gets some.
    fn status_reply(&mut self, canister: Principal) -> Answer {
        let args = CanisterIdRecord {
            canister_id: canister,
        };
        match self.manage(self.root, "canister_status", canister, &args) {
            Err(reject) if reject.error_code == OUT_OF_CYCLES => {
                self.replica.add_cycles(canister, T);
                self.manage(self.root, "canister_status", canister, &args)
            }
            answer => answer,
        }
    }
}

fn message(sender: Principal, canister: Principal, method: &str, payload: Vec<u8>) -> Ingress {
    Ingress {
        sender,
        canister,
        method: method.to_string(),
        payload,
        effective: None,
        caller_info: None,
    }
}
