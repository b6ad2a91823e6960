//! The creation of canisters, and deposits of cycles.

use std::collections::BTreeMap;

use candid::{Nat, Principal};
use ic_management_canister_types as types;
use sha2::{Digest, Sha256};

use crate::{
    canister::{Canister, calls::Request, consumption::Purpose, settings::Settings},
    management::{
        call::{ManagementResult, decode, number, origin, reply, reply_and_refund},
        settings::{Newer, newer},
    },
    network::Network,
    reject::{Reject, RejectCode, invalid, oversubscribed, refused},
};

/// The default amount of `provisional_create_canister_with_cycles` and
/// `provisional_top_up_canister`, in cycles.
const DEFAULT_CYCLES: u128 = 100_000_000_000_000;
/// The id of a canister until its settings are checked.
const PLACEHOLDER_ID: Principal = Principal::anonymous();

impl Network {
    pub(super) fn create_canister(&mut self, request: &Request) -> ManagementResult {
        let args = match decode::<(types::CreateCanisterArgs,)>(request) {
            Ok((args,)) => args,
            // The argument may be left out.
            Err(_) if decode::<()>(request).is_ok() && request.payload.len() <= 6 => {
                types::CreateCanisterArgs::default()
            }
            Err(reject) => return Err(reject),
        };
        let home = self.canisters.get(&request.sender);
        let home = home.map(|sender| sender.subnet);
        let Some(subnet) = request.subnet.or(home) else {
            return Err(refused("create_canister cannot be called by a user."));
        };
        if home.is_none() {
            self.check_create_by_user(&request.sender, subnet)?;
        }
        let fee = self.subnets[subnet].context.prices.creation();
        if request.cycles < fee {
            return Err(Reject::new(
                RejectCode::CanisterReject,
                403,
                format!(
                    "Creating a canister requires a fee of {fee} that is deducted from the \
                     canister's initial balance but only {} cycles were received with the \
                     create_canister request.",
                    request.cycles
                ),
            ));
        }
        let settings = Settings::of(request.sender);
        let mut draft = Canister::new(PLACEHOLDER_ID, subnet, settings, request.cycles, self.time);
        draft.pay(Purpose::Creation, fee);
        let id = self.insert_new_canister(
            draft,
            None,
            args.settings,
            request,
            args.sender_canister_version,
        )?;
        self.ledger.fees.creation += fee;
        reply_and_refund((types::CanisterIdRecord { canister_id: id },), 0)
    }

    pub(super) fn provisional_create(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::ProvisionalCreateCanisterWithCyclesArgs,)>(request)?;
        let amount = args
            .amount
            .map_or(Ok(DEFAULT_CYCLES), |amount| number(amount, "amount"))?;
        let minted = self
            .ledger
            .minted
            .checked_add(amount)
            .ok_or_else(|| invalid("amount: there cannot be so many cycles"))?;
        let home = self.canisters.get(&request.sender);
        let subnet = request.subnet.or(home.map(|sender| sender.subnet));
        let subnet = subnet.unwrap_or(0);
        let settings = Settings {
            // Only canisters created by canisters have a limit by default.
            wasm_memory_limit: 0,
            ..Settings::of(request.sender)
        };
        let draft = Canister::new(PLACEHOLDER_ID, subnet, settings, amount, self.time);
        let id = self.insert_new_canister(
            draft,
            args.specified_id,
            args.settings,
            request,
            args.sender_canister_version,
        )?;
        self.ledger.minted = minted;
        reply((types::CanisterIdRecord { canister_id: id },))
    }

    /// Checks that a canister with this id can be created on a subnet.
    fn check_specified(&self, id: Principal, subnet: usize) -> Result<(), Reject> {
        if self.is_allocatable(id) {
            return Err(invalid(format!(
                "The `specified_id` {id} is invalid because it belongs to the canister allocation \
                 ranges of the test environment."
            )));
        }
        if self.canisters.contains_key(&id) {
            let why = format!("Canister {id} is already installed.");
            return Err(Reject::new(RejectCode::CanisterError, 538, why));
        }
        if self.subnet_index_of(id) != Some(subnet) {
            let why = format!(
                "Unsuccessful validation of specified ID: Specified CanisterId {id} is not hosted \
                 by subnet {}.",
                self.subnets[subnet].context.id
            );
            return Err(Reject::new(RejectCode::CanisterReject, 405, why));
        }
        Ok(())
    }

    /// Inserts a new canister if its settings are valid, under the specified or a fresh id.
    fn insert_new_canister(
        &mut self,
        mut canister: Canister,
        specified: Option<Principal>,
        change: Option<types::CanisterSettings>,
        request: &Request,
        sender_version: Option<u64>,
    ) -> Result<Principal, Reject> {
        let newer = match change {
            Some(_) => newer(request)?,
            None => Newer::default(),
        };
        let change = change.unwrap_or_default();
        let environment = change.environment_variables.is_some();
        canister.settings = self.changed_settings(&canister, change, newer)?;
        canister.id = match specified {
            Some(id) => {
                self.check_specified(id, canister.subnet)?;
                id
            }
            None => {
                let fresh = self.fresh_canister_id(canister.subnet);
                fresh.ok_or_else(no_more_canisters)?
            }
        };
        let settings = &canister.settings;
        let creation = types::CreationRecord {
            controllers: settings.controllers.clone(),
            environment_variables_hash: environment
                .then(|| environment_hash(&settings.environment_variables)),
        };
        canister.record_here(
            self.time,
            origin(request, sender_version),
            types::ChangeDetails::Creation(creation),
        );
        let id = canister.id;
        self.canisters.insert(canister.into());
        Ok(id)
    }

    pub(super) fn provisional_top_up(&mut self, request: &Request) -> ManagementResult {
        /// The client's type demands an amount; the platform does not.
        #[derive(candid::CandidType, candid::Deserialize)]
        struct Args {
            canister_id: Principal,
            amount: Option<Nat>,
        }
        let (args,) = decode::<(Args,)>(request)?;
        let amount = args
            .amount
            .map_or(Ok(DEFAULT_CYCLES), |amount| number(amount, "amount"))?;
        self.require_canister_mut(args.canister_id)?;
        self.add_cycles(args.canister_id, amount)
            .ok_or_else(|| invalid("amount: there cannot be so many cycles"))?;
        reply(())
    }

    pub(super) fn deposit_cycles(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        self.require_canister_mut(args.canister_id)?.balance += request.cycles;
        reply_and_refund((), 0)
    }
}

impl Settings {
    fn of(creator: Principal) -> Self {
        Self {
            controllers: vec![creator],
            ..Self::default()
        }
    }
}

/// The hash of the environment variables, as the interface specification defines it.
fn environment_hash(variables: &BTreeMap<String, String>) -> Vec<u8> {
    let mut pairs: Vec<_> = variables
        .iter()
        .map(|(name, value)| [Sha256::digest(name), Sha256::digest(value)].concat())
        .collect();
    pairs.sort();
    Sha256::digest(pairs.concat()).to_vec()
}

fn no_more_canisters() -> Reject {
    oversubscribed("Could not create canister. Subnet has surpassed its canister ID allocation.")
}
