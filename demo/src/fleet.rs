//! The fleet of the demo: a root on a network, root's endpoints as plain functions, and the audit.

use std::{collections::BTreeSet, ops::Deref};

use candid::{
    CandidType, Principal,
    utils::{ArgumentDecoder, ArgumentEncoder, decode_args},
};
use canic::api::{MembersFilter, OperationsFilter};
use canic_artifacts as artifacts;
use canic_endpoints::{Controller, decode, encode, user};
use canic_replica::Kind;
use ic_management_canister_types::{
    CanisterIdRecord, CanisterInstallMode, CanisterSettings, CanisterStatusResult,
    CanisterStatusType, InstallCodeArgs, ProvisionalCreateCanisterWithCyclesArgs,
    UpdateSettingsArgs,
};
use serde::de::DeserializeOwned;

use crate::network::{Call, Network, Submitted};

/// Root's cycles at the start.
const ENDOWMENT: u128 = 100_000_000_000_000;

/// A root on a network.
pub(crate) struct Fleet {
    pub(crate) network: Box<dyn Network>,
    pub(crate) root: Principal,
    /// Root's controller, beside root itself.
    controller: Principal,
}

/// What root has lost. `None` if the network can't tell.
pub(crate) struct Audit {
    /// Canisters that root controls and that are on none of its records.
    pub(crate) lost: Option<u64>,
    /// Minted cycles without a known place.
    pub(crate) unaccounted: Option<i128>,
}

impl Fleet {
    /// Installs the root of a package on a network.
    ///
    /// # Errors
    /// The platform's reject.
    pub(crate) fn install(network: Box<dyn Network>, package: &str) -> Result<Self, String> {
        let controller = user(200);
        let args = ProvisionalCreateCanisterWithCyclesArgs {
            amount: Some(ENDOWMENT.into()),
            ..Default::default()
        };
        let method = "provisional_create_canister_with_cycles";
        let (created,): (CanisterIdRecord,) = manage(&*network, controller, None, method, args)?;
        let fleet = Self {
            network,
            root: created.canister_id,
            controller,
        };
        fleet.install_root(package, CanisterInstallMode::Install)?;
        Ok(fleet)
    }

    fn install_root(&self, package: &str, mode: CanisterInstallMode) -> Result<(), String> {
        let args = InstallCodeArgs {
            mode,
            canister_id: self.root,
            // Unpacked it is too large for one message.
            wasm_module: artifacts::gzipped(&artifacts::module(package)),
            arg: encode(()),
            sender_canister_version: None,
        };
        self.manage_root("install_code", args)
    }

    /// Upgrades root to the module of a package, as an operator does: stop, upgrade, start.
    ///
    /// # Errors
    /// The platform's reject; root runs on as it was.
    pub(crate) fn upgrade_root(&self, package: &str) -> Result<(), String> {
        let root = CanisterIdRecord {
            canister_id: self.root,
        };
        self.manage_root("stop_canister", root.clone())?;
        let upgraded = self.install_root(package, CanisterInstallMode::Upgrade(None));
        self.manage_root("start_canister", root)?;
        upgraded
    }

    /// Makes the anonymous principal a controller of root, beside those that it has.
    ///
    /// # Errors
    /// The platform's reject.
    pub(crate) fn let_anybody_control_root(&self) -> Result<(), String> {
        let owners = vec![self.controller, self.root, Principal::anonymous()];
        let args = UpdateSettingsArgs {
            canister_id: self.root,
            settings: CanisterSettings {
                controllers: Some(owners),
                ..CanisterSettings::default()
            },
            sender_canister_version: None,
        };
        self.manage_root("update_settings", args)
    }

    fn manage_root(&self, method: &str, args: impl CandidType) -> Result<(), String> {
        manage(
            &*self.network,
            self.controller,
            Some(self.root),
            method,
            args,
        )
    }

    /// Whether a canister runs, as root sees it.
    pub(crate) fn is_running(&self, canister: Principal) -> bool {
        let args = CanisterIdRecord {
            canister_id: canister,
        };
        let status: Result<(CanisterStatusResult,), _> = manage(
            &*self.network,
            self.root,
            Some(canister),
            "canister_status",
            args,
        );
        status.is_ok_and(|(status,)| status.status == CanisterStatusType::Running)
    }

    /// An update call. The error is the platform's reject.
    pub(crate) fn update<R: CandidType + DeserializeOwned>(
        &self,
        canister: Principal,
        sender: Principal,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Result<R, String> {
        let submitted = self.network.submit(call(canister, sender, method, args))?;
        Ok(decode(method, &self.network.answer(submitted)?))
    }

    /// A query call; otherwise like [`Fleet::update`].
    pub(crate) fn query<R: CandidType + DeserializeOwned>(
        &self,
        canister: Principal,
        sender: Principal,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Result<R, String> {
        let answer = self.network.query(call(canister, sender, method, args))?;
        Ok(decode(method, &answer))
    }

    /// Submits an update call; [`Fleet::answer`] awaits its answer.
    pub(crate) fn submit(
        &self,
        canister: Principal,
        sender: Principal,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Submitted {
        let submitted = self.network.submit(call(canister, sender, method, args));
        submitted.unwrap_or_else(|reject| panic!("{method} was not accepted: {reject}"))
    }

    /// The answer to a submitted call.
    pub(crate) fn answer<R: CandidType + DeserializeOwned>(&self, call: Submitted) -> R {
        let answer = self.network.answer(call);
        let answer = answer.unwrap_or_else(|reject| panic!("{reject}"));
        decode("the submitted call", &answer)
    }

    /// Lets seconds pass, one round each, until the condition holds. `what` names the condition in
    /// the panic.
    pub(crate) fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..300 {
            if condition(self) {
                return;
            }
            self.network.pass_second();
        }
        panic!("after 300 seconds, this doesn't hold: {what}");
    }

    /// Lets time pass until no operation is open, and the timers of the next seconds have started
    /// none.
    pub(crate) fn quiet(&self) {
        let is_quiet = |fleet: &Self| fleet.operations(OperationsFilter::Open).is_empty();
        self.until("no operation is open", |fleet| {
            is_quiet(fleet) && {
                (0..5).for_each(|_| fleet.network.pass_second());
                is_quiet(fleet)
            }
        });
    }

    /// The number of the next event of the trace.
    pub(crate) fn next_event(&self) -> Option<u64> {
        Some(self.network.observer()?.next_event())
    }

    /// The number of calls of root to the management canister from an event on, as the replica saw
    /// them.
    pub(crate) fn management_calls(&self, from: u64) -> Option<u64> {
        let events = self.network.observer()?.events(from).into_iter();
        let calls = events.filter(|e| e.kind == Kind::Management && e.caller == self.root);
        Some(calls.count() as u64)
    }

    /// Compares root's records with the replica's facts.
    ///
    /// # Errors
    /// The canisters on record that don't exist.
    pub(crate) fn audit(&self) -> Result<Audit, String> {
        let mut recorded: BTreeSet<Principal> = [self.root].into();
        let members = self.members(&MembersFilter::All);
        recorded.extend(members.iter().map(|member| member.canister));
        recorded.extend(self.pool().iter().map(|entry| entry.canister));
        for filter in [OperationsFilter::Open, OperationsFilter::Quarantined] {
            recorded.extend(self.operations(filter).iter().filter_map(|o| o.canister));
        }
        let controllers = |canister: &Principal| self.network.controllers(*canister);
        let missing = recorded
            .iter()
            .filter(|canister| controllers(canister).is_none());
        let missing: Vec<String> = missing.map(Principal::to_text).collect();
        if !missing.is_empty() {
            return Err(format!("on record, but missing: {}", missing.join(", ")));
        }
        let Some(observer) = self.network.observer() else {
            return Ok(Audit {
                lost: None,
                unaccounted: None,
            });
        };
        let is_lost = |canister: &Principal| {
            !recorded.contains(canister)
                && controllers(canister).is_some_and(|all| all.contains(&self.root))
        };
        let lost = observer.canisters().iter().filter(|c| is_lost(c)).count();
        Ok(Audit {
            lost: Some(lost as u64),
            unaccounted: Some(observer.accounts().unaccounted()),
        })
    }
}

impl Controller for Fleet {
    fn call(&self, is_query: bool, method: &str, payload: Vec<u8>) -> Result<Vec<u8>, String> {
        let call = Call {
            sender: self.controller,
            canister: self.root,
            method: method.to_owned(),
            payload,
            about: None,
        };
        if is_query {
            return self.network.query(call);
        }
        self.network.answer(self.network.submit(call)?)
    }
}

/// A fleet has root's endpoints as its own functions.
impl Deref for Fleet {
    type Target = dyn Controller;

    fn deref(&self) -> &Self::Target {
        self
    }
}

/// A call to the management canister about a canister.
fn manage<R: for<'a> ArgumentDecoder<'a>>(
    network: &dyn Network,
    sender: Principal,
    about: Option<Principal>,
    method: &str,
    args: impl CandidType,
) -> Result<R, String> {
    let call = Call {
        about,
        ..call(Principal::management_canister(), sender, method, (args,))
    };
    let answer = network.answer(network.submit(call)?)?;
    decode_args(&answer).map_err(|e| format!("the answer of {method} is not as expected: {e}"))
}

fn call(canister: Principal, sender: Principal, method: &str, args: impl ArgumentEncoder) -> Call {
    Call {
        sender,
        canister,
        method: method.to_owned(),
        payload: encode(args),
        about: None,
    }
}
