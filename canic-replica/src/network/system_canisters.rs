//! The network's own canisters in an instance: their creation, and what the cycles minting canister
//! knows of the subnets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use candid::Principal;
use ic_management_canister_types as types;

use crate::{
    canister::{Canister, execution_state::ExecutionState, settings::Settings},
    execution::program_cache,
    network::Network,
    subnets::SubnetKind,
    system::{
        CYCLES_LEDGER, CYCLES_MINTING, ICP_LEDGER, SystemCanisters,
        cycles_ledger::{CyclesLedger, INITIAL_CYCLES},
        cycles_minting::CyclesMinting,
        icp_ledger::IcpLedger,
        native::Native,
    },
};

/// The root canister of the NNS, r7inp-6aaaa-aaaaa-aaabq-cai, which controls the others.
const ROOT: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 3, 1, 1]);

impl Network {
    /// Creates the network's own canisters.
    ///
    /// # Errors
    /// A canister has no subnet.
    pub(super) fn create_system_canisters(
        &mut self,
        wanted: SystemCanisters,
    ) -> Result<(), String> {
        const GIB: u64 = 1 << 30;
        let now = self.time;
        if wanted.icp_ledger {
            let ledger = Native::IcpLedger(IcpLedger::new(now)?);
            self.create_system_canister(ICP_LEDGER, SubnetKind::NNS, ledger, 4 * GIB, 0)?;
        }
        if wanted.cycles_ledger {
            let ledger = Native::CyclesLedger(CyclesLedger::new(now)?);
            self.create_system_canister(CYCLES_LEDGER, SubnetKind::II, ledger, 0, INITIAL_CYCLES)?;
        }
        if wanted.cycles_minting {
            let minting = CyclesMinting::new(now, wanted.cycles_ledger);
            let minting = Native::CyclesMinting(minting);
            self.create_system_canister(CYCLES_MINTING, SubnetKind::NNS, minting, GIB, 0)?;
            self.announce_subnets();
        }
        Ok(())
    }

    fn create_system_canister(
        &mut self,
        id: Principal,
        kind: SubnetKind,
        native: Native,
        memory_allocation: u64,
        cycles: u128,
    ) -> Result<(), String> {
        let subnet = self.infos.iter().position(|info| info.kind == kind);
        let subnet =
            subnet.ok_or_else(|| format!("the system canister {id} needs the {kind:?} subnet"))?;
        let settings = Settings {
            controllers: vec![ROOT],
            memory_allocation,
            ..Settings::default()
        };
        let mut canister = Canister::new(id, subnet, settings, cycles, self.time);
        let origin = || {
            types::ChangeOrigin::FromUser(types::FromUserRecord {
                user_id: Principal::anonymous(),
            })
        };
        let creation = types::CreationRecord {
            controllers: vec![ROOT],
            environment_variables_hash: None,
        };
        let creation = types::ChangeDetails::Creation(creation);
        canister.record_here(self.time, origin(), creation);
        let module = Arc::clone(&program_cache::load(&native.module())?.module);
        let deployment = types::CodeDeploymentRecord {
            mode: types::CodeDeploymentMode::Install,
            module_hash: module.hash.to_vec(),
        };
        let deployment = types::ChangeDetails::CodeDeployment(deployment);
        canister.record(self.time, origin(), deployment);
        canister.installed_at = self.time;
        canister.certified_data = native.certified_data();
        canister.code = Some(ExecutionState {
            native: Some(native.into()),
            ..ExecutionState::fresh(module)
        });
        self.ledger.minted += cycles;
        self.canisters.insert(canister.into());
        Ok(())
    }

    /// Tells the cycles minting canister, if its code is native, which subnets there are: as on
    /// PocketIC, everybody creates canisters on all application subnets, and on the subnet of the
    /// type `fiduciary` by its name.
    pub(super) fn announce_subnets(&mut self) {
        let of_kind = |kind| {
            let present = self.present_subnets();
            let found = present.filter(move |info| info.kind == kind);
            found.map(|info| info.id).collect::<BTreeSet<_>>()
        };
        let default = self.present_subnets();
        let default = default.filter(|info| info.kind == SubnetKind::Application);
        let default = default.map(|info| info.id).collect();
        let fiduciary = of_kind(SubnetKind::Fiduciary);
        let types = match fiduciary.is_empty() {
            true => BTreeMap::new(),
            false => BTreeMap::from([("fiduciary".to_owned(), fiduciary)]),
        };
        let is_native = |canister: &Arc<Canister>| {
            (canister.code.as_ref()).is_some_and(|code| code.native.is_some())
        };
        if !self.canisters.get(&CYCLES_MINTING).is_some_and(is_native) {
            return;
        }
        let minting = self.canister_mut(CYCLES_MINTING);
        let code = minting.and_then(|canister| canister.code.as_mut());
        if let Some(native) = code.and_then(|code| code.native.as_mut())
            && let Native::CyclesMinting(minting) = Arc::make_mut(native)
        {
            minting.set_subnets(default, types);
        }
    }
}
