//! What an operator does to a fleet: modules are approved, canisters upgraded, stopped and started.

use std::sync::Arc;

use candid::{CandidType, Encode, Principal};
use canic::api::{
    ApproveRequest, MemberInfo, MemberState, ModuleError, ModuleInfo, StageRequest, StagedChunk,
};
use canic_replica::Effect;
use ic_management_canister_types::{CanisterIdRecord, CanisterInstallMode, InstallCodeArgs};
use sha2::{Digest, Sha256};

use super::{Answer, DAY, Harness, SECOND, Writer, packed, time::TIMER};
use crate::{case::Act, network::Network};

/// Tries of a request to the management canister, of which faults may take some.
const MAX_TRIES: usize = 100;

/// SHA-256.
#[must_use]
pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

impl<N: Network, W: Writer<N>> Harness<N, W> {
    pub(super) fn install_args(&self, mode: CanisterInstallMode, arg: Vec<u8>) -> InstallCodeArgs {
        InstallCodeArgs {
            mode,
            canister_id: self.root,
            wasm_module: self.module.to_vec(),
            arg,
            sender_canister_version: None,
        }
    }

    /// Stages a module, and approves it for a role.
    ///
    /// # Panics
    /// When root refuses.
    pub fn approve_module(&mut self, role: &str, wasm: &[u8]) {
        let request = self.stage(role, wasm);
        let approved: Result<ModuleInfo, ModuleError> =
            self.ask(self.controller, "canic_module_approve", (request,));
        approved.expect("the module is approved");
    }

    /// Stages a module given as bytes. Answers the request that approves it for a role.
    ///
    /// # Panics
    /// When root refuses.
    pub fn stage(&mut self, role: &str, wasm: &[u8]) -> ApproveRequest {
        let mut chunks = Vec::new();
        for chunk in wasm.chunks(self.chunk) {
            let chunk = chunk.to_vec();
            let staged: Result<StagedChunk, ModuleError> = self.ask(
                self.controller,
                "canic_module_stage",
                (StageRequest { chunk },),
            );
            chunks.push(staged.expect("the chunk is taken").hash.into());
        }
        self.know_module(wasm);
        ApproveRequest {
            role: role.to_string(),
            hash: sha256(wasm),
            chunks,
            manual: None,
        }
    }

    /// Keeps a module for upgrades of the members that root installs with it.
    pub fn know_module(&mut self, wasm: &[u8]) {
        self.modules.insert(sha256(wasm), Arc::new(wasm.to_vec()));
    }

    // Root

    /// Upgrades root to its own module, whether or not it is idle.
    ///
    /// # Errors
    /// When `canister_pre_upgrade` refuses.
    pub fn upgrade_root(&mut self) -> Answer {
        let nothing = Encode!().expect("no argument");
        let args = self.install_args(CanisterInstallMode::Upgrade(None), nothing);
        self.manage(self.controller, "install_code", self.root, &args)
    }

    /// Upgrades root to another module. A root that refuses keeps its own.
    ///
    /// # Errors
    /// When `canister_pre_upgrade` refuses.
    pub fn upgrade_root_to_module(&mut self, wasm: Vec<u8>) -> Answer {
        let old = self.module.clone();
        self.set_root_module(wasm);
        let answer = self.upgrade_root();
        if answer.is_err() {
            self.module = old;
        }
        answer
    }

    /// Takes another module for root's upgrades from now on.
    pub fn set_root_module(&mut self, wasm: Vec<u8>) {
        self.module = Arc::new(packed(wasm));
    }

    /// Whether a call of a canister's timers to itself, or its answer, is delayed by a fault.
    #[must_use]
    pub fn waits_for_timers(&self) -> bool {
        let Some(replica) = self.replica.replica() else {
            return false;
        };
        let round = replica.trace().last().map_or(0, |event| event.round);
        replica.fired_faults().iter().any(|fired_fault| {
            let of_timer = fired_fault.fault.method.as_deref() == Some(TIMER);
            matches!(fired_fault.fault.effect, Effect::Delay { rounds }
                if of_timer && fired_fault.round + rounds + 1 >= round)
        })
    }

    /// Stops root, which first waits for all answers to its calls.
    ///
    /// # Errors
    /// When these take longer than the platform waits.
    pub fn stop_root(&mut self) -> Answer {
        self.manage_root("stop_canister")
    }

    /// Starts root, and tries again while a fault keeps the request from the platform.
    ///
    /// # Panics
    /// When no try succeeds: without faults, a canister can be started at any time.
    pub fn start_root(&mut self) {
        let started = (0..MAX_TRIES).any(|_| self.manage_root("start_canister").is_ok());
        assert!(started, "root does not start");
    }

    fn manage_root(&mut self, method: &str) -> Answer {
        let args = CanisterIdRecord {
            canister_id: self.root,
        };
        self.manage(self.controller, method, self.root, &args)
    }

    // Members

    /// Stops or starts all canisters that root controls, except root itself.
    pub fn all_members(&mut self, method: &str) {
        for canister in self.controlled() {
            if method == "stop_canister" {
                self.stopped.insert(canister);
            }
            let args = CanisterIdRecord {
                canister_id: canister,
            };
            // A canister that can't be stopped, or is deleted by now, is one more failure for root.
            drop(self.manage(self.root, method, canister, &args));
        }
    }

    /// Stops or starts a canister that root controls.
    pub fn manage_member(&mut self, method: &str, canister: Principal) {
        if method == "stop_canister" {
            self.stopped.insert(canister);
        }
        let args = CanisterIdRecord {
            canister_id: canister,
        };
        self.manage_with_retry(method, canister, &args);
    }

    /// Calls the management canister as root, and again while it rejects: faults may fire at the
    /// first calls. A canister that is deleted by now stays as it is.
    pub fn manage_with_retry(&mut self, method: &str, canister: Principal, args: &impl CandidType) {
        /// More than a history has faults.
        const TRIES: usize = 10;
        for _ in 0..TRIES {
            if self.manage(self.root, method, canister, args).is_ok() {
                return;
            }
        }
    }

    /// Upgrades every member to its own module, if the member lets it.
    pub fn upgrade_members(&mut self) {
        for member in self.members() {
            self.upgrade(&member);
        }
    }

    /// Upgrades a member to the module that it has; a member that can't be upgraded now, or on
    /// which root works, stays as it is.
    pub fn upgrade(&mut self, member: &MemberInfo) {
        drop(self.try_upgrade(member.canister));
    }

    /// Upgrades a member to the module that it has. `None`: root works on it, its module is not
    /// known here, or its timers wait for an answer.
    pub(crate) fn try_upgrade(&mut self, canister: Principal) -> Option<Answer> {
        let mut members = self.members().into_iter();
        let member = members.find(|now| now.canister == canister)?;
        if member.state != MemberState::Active || self.waits_for_timers() {
            return None;
        }
        let module = self.modules.get(&member.module)?;
        let args = InstallCodeArgs {
            mode: CanisterInstallMode::Upgrade(None),
            canister_id: member.canister,
            wasm_module: packed(module.to_vec()),
            arg: Encode!().expect("no argument"),
            sender_canister_version: None,
        };
        Some(self.manage(self.root, "install_code", member.canister, &args))
    }

    // Acts beside a fault

    /// Performs an act. If the platform or root refuses it, nothing happens.
    pub fn perform(&mut self, act: Act) {
        match act {
            Act::StopMembers => self.all_members("stop_canister"),
            Act::StopRoot => self.outage(10),
            Act::LongOutage => self.outage(10 * DAY),
            // Root and members refuse an upgrade while they wait for an answer, but they do not see
            // the calls that their timers make to them. An answer that reaches new code is lost,
            // whatever they do: operators stop a canister before they upgrade it.
            Act::UpgradeRoot | Act::UpgradeMembers if self.waits_for_timers() => {}
            Act::UpgradeMembers => self.upgrade_members(),
            Act::UpgradeRoot => drop(self.upgrade_root()),
            Act::UpgradeStoppedRoot => {
                drop(self.stop_root());
                drop(self.upgrade_root());
                self.start_root();
            }
        }
    }

    /// Stops root, and starts it after `seconds`.
    fn outage(&mut self, seconds: u64) {
        drop(self.stop_root());
        self.pass(seconds * SECOND);
        self.start_root();
    }
}
