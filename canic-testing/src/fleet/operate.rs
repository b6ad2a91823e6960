//! What an operator does with a fleet: releases, upgrades, other canisters, logs.

use std::fmt;

use candid::{
    CandidType, Decode, Encode, Principal,
    utils::{ArgumentEncoder, encode_args},
};
use canic::api::{
    ModuleError, ModuleInfo, RolloutControl, RolloutError, RolloutId, RolloutInfo, RolloutPhase,
    RolloutRequest,
};
use canic_replica::{EffectivePrincipal, Ingress};
use serde::Deserialize;

use super::Fleet;
use crate::{
    build::Module,
    error::{Error, Reason},
    harness::{MAX_ROUNDS, T},
    network::Network,
    principal::principal_of,
};

impl Fleet {
    /// Upgrades root to another module, or to the same one again. Root is not stopped: it refuses
    /// while it waits for an answer.
    ///
    /// # Errors
    /// Root refuses, or its `post_upgrade` traps. It keeps its old code.
    ///
    /// # Panics
    /// The module can't be built.
    pub fn upgrade_root(&self, module: impl Into<Module>) -> Result<(), Error> {
        let bytes = bytes_of(&module.into());
        let mut harness = self.harness();
        let upgraded = harness.upgrade_root_to_module(bytes);
        rejected(harness.root, "install_code", upgraded)
    }

    /// Upgrades a member to the code that it runs, by root and without a rollout: whatever must
    /// survive an upgrade has to be there afterwards.
    ///
    /// # Errors
    /// The member refuses, or its `post_upgrade` traps. It keeps its old state.
    ///
    /// # Panics
    /// It is no active member, or root embeds its module, so that it is not known here.
    pub fn reinstall_same_code(&self, member: Principal) -> Result<(), Error> {
        let upgraded = self.harness().try_upgrade(member);
        let upgraded = upgraded.unwrap_or_else(|| {
            panic!("{member} is no active member whose module was approved by this fleet")
        });
        rejected(member, "install_code", upgraded)
    }

    /// Approves a module for a role. The first one of a role is its release at once; a later one is
    /// rolled out by the role's plan, which begins by itself.
    ///
    /// # Errors
    /// Root refuses the module.
    ///
    /// # Panics
    /// It can't be built.
    pub fn approve(&self, role: &str, module: impl Into<Module>) -> Result<ModuleInfo, Error> {
        self.approve_as(role, &module.into(), None)
    }

    fn approve_as(
        &self,
        role: &str,
        module: &Module,
        manual: Option<bool>,
    ) -> Result<ModuleInfo, Error> {
        let bytes = bytes_of(module);
        let mut request = self.harness().stage(role, &bytes);
        request.manual = manual;
        let controller = self.controller();
        let answer: Result<ModuleInfo, ModuleError> =
            controller.update(self.root(), "canic_module_approve", (request,))?;
        answer.map_err(|error| self.refused("canic_module_approve", &error))
    }

    /// Approves a module for a role, and waits until its rollout has ended, or is paused.
    ///
    /// # Errors
    /// Root refuses the module, or begins no rollout for it: a role without members has none.
    ///
    /// # Panics
    /// The module can't be built, or the rollout never ends.
    pub fn roll_out(&self, role: &str, module: impl Into<Module>) -> Result<RolloutInfo, Error> {
        let before = self.rollouts().len();
        self.approve(role, module)?;
        for _ in 0..MAX_ROUNDS {
            self.harness().step();
            let Some(rollout) = self.rollouts().into_iter().nth(before) else {
                if self.harness().is_settled() {
                    return Err(self.refused("canic_module_approve", &"no rollout began"));
                }
                continue;
            };
            if rollout.phase == RolloutPhase::Ended || rollout.paused.is_some() {
                self.until_quiet();
                return Ok(self.rollouts().swap_remove(before));
            }
        }
        panic!("the rollout never ends");
    }

    /// Brings one member to another build, and no other: a rollout whose only canary it is, aborted
    /// once the member runs the module, or does not. The other members keep what they have.
    ///
    /// # Errors
    /// Root refuses the module or the rollout.
    ///
    /// # Panics
    /// The module can't be built, or the rollout never ends.
    pub fn upgrade_member(
        &self,
        member: Principal,
        module: impl Into<Module>,
    ) -> Result<RolloutInfo, Error> {
        let members = self.members();
        let info = members.iter().find(|one| one.canister == member);
        let info = info.ok_or_else(|| self.refused("canic_rollout_start", &"no such member"))?;
        self.approve_as(&info.role, &module.into(), Some(true))?;
        let request = RolloutRequest {
            role: info.role.clone(),
            release: None,
            plan: None,
            canaries: Some(vec![member]),
        };
        let controller = self.controller();
        let begun: Result<RolloutId, RolloutError> =
            controller.update(self.root(), "canic_rollout_start", (request,))?;
        let id = begun.map_err(|error| self.refused("canic_rollout_start", &error))?;
        let now = || {
            let mut all = self.rollouts().into_iter();
            all.find(|one| one.id == id)
                .expect("root lists its rollouts")
        };
        self.until("the canary is upgraded", |_| {
            let rollout = now();
            let is_early = matches!(rollout.phase, RolloutPhase::Clear | RolloutPhase::Canary);
            !is_early || rollout.paused.is_some()
        });
        if now().phase != RolloutPhase::Ended {
            let wish = RolloutControl::Abort;
            let _: Result<RolloutInfo, RolloutError> =
                controller.update(self.root(), "canic_rollout_control", (id, wish))?;
        }
        self.until_quiet();
        Ok(now())
    }

    /// Creates a canister outside the fleet, on root's subnet and with 10 T cycles, controlled by
    /// [`Fleet::controller`], and installs a module.
    ///
    /// # Errors
    /// The module is no canister, or its `init` refuses.
    ///
    /// # Panics
    /// The module or the argument can't be made.
    pub fn deploy(
        &self,
        module: impl Into<Module>,
        args: impl ArgumentEncoder,
    ) -> Result<Principal, Error> {
        let bytes = bytes_of(&module.into());
        let args = encode_args(args).expect("the argument can be encoded");
        let mut harness = self.harness();
        let owner = principal_of("controller");
        let canister = harness.create(owner, 10 * T);
        let installed = harness.install_module(owner, canister, bytes, args);
        rejected(canister, "install_code", installed)?;
        Ok(canister)
    }

    /// Mints cycles into a canister.
    pub fn add_cycles(&self, canister: Principal, cycles: u128) {
        self.harness().replica.add_cycles(canister, cycles);
    }

    /// Stops root or a member, by its controller, as somebody at a console may. Root may have to
    /// start it again.
    ///
    /// # Errors
    /// The platform's reject.
    pub fn stop(&self, canister: Principal) -> Result<(), Error> {
        self.manage(canister, "stop_canister")
    }

    /// Starts a canister that [`Fleet::stop`] stopped.
    ///
    /// # Errors
    /// The platform's reject.
    pub fn restart(&self, canister: Principal) -> Result<(), Error> {
        self.manage(canister, "start_canister")
    }

    fn manage(&self, canister: Principal, method: &str) -> Result<(), Error> {
        #[derive(CandidType)]
        struct Args {
            canister_id: Principal,
        }
        let args = Args {
            canister_id: canister,
        };
        let mut harness = self.harness();
        let sender = match harness.root == canister {
            true => harness.controller,
            false => harness.root,
        };
        let answer = harness.manage(sender, method, canister, &args);
        rejected(canister, method, answer)
    }

    /// The log of root or of a member: what it printed and why it trapped, oldest line first.
    ///
    /// # Panics
    /// It is neither.
    #[must_use]
    pub fn logs(&self, canister: Principal) -> Vec<String> {
        #[derive(CandidType)]
        struct Args {
            canister_id: Principal,
        }
        #[derive(CandidType, Deserialize)]
        struct Logs {
            canister_log_records: Vec<Line>,
        }
        #[derive(CandidType, Deserialize)]
        struct Line {
            content: Vec<u8>,
        }
        let mut harness = self.harness();
        let sender = match harness.root == canister {
            true => harness.controller,
            false => harness.root,
        };
        let args = Args {
            canister_id: canister,
        };
        let answer = harness.replica.query(Ingress {
            sender,
            canister: Principal::management_canister(),
            method: "fetch_canister_logs".to_string(),
            payload: Encode!(&args).expect("an id can be encoded"),
            effective: Some(EffectivePrincipal::Canister(canister)),
            caller_info: None,
        });
        let bytes = answer.unwrap_or_else(|reject| panic!("{canister}: {}", reject.message));
        let logs = Decode!(&bytes, Logs).expect("the platform's type");
        let lines = logs.canister_log_records.iter();
        lines
            .map(|line| String::from_utf8_lossy(&line.content).into_owned())
            .collect()
    }

    fn refused(&self, method: &str, why: &impl fmt::Display) -> Error {
        Error {
            canister: self.root(),
            method: method.to_string(),
            reason: Reason::Refused(why.to_string()),
        }
    }
}

fn bytes_of(module: &Module) -> Vec<u8> {
    module.bytes().unwrap_or_else(|why| panic!("{why}"))
}

fn rejected(
    canister: Principal,
    method: &str,
    answer: crate::network::Answer,
) -> Result<(), Error> {
    answer.map(drop).map_err(|reject| Error {
        canister,
        method: method.to_string(),
        reason: Reason::Rejected(reject),
    })
}
