//! A server that speaks PocketIC's protocol, through the ordinary client.

use std::{
    cell::RefCell,
    env,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use candid::Principal;
use canic_artifacts as artifacts;
use canic_replica::{Accounts, Event, client::Control};
use pocket_ic::{
    PocketIc, PocketIcBuilder,
    common::rest::{RawEffectivePrincipal, RawMessageId},
};

use crate::network::{Call, Network, Observer, Submitted};

/// An instance of the server.
pub(super) struct Server {
    binary: PathBuf,
    instance: PocketIc,
    submitted: RefCell<Vec<RawMessageId>>,
    control: Option<Control>,
}

impl Server {
    pub(super) fn start() -> Result<Self, String> {
        let binary = match env::var_os("POCKET_IC_BIN") {
            Some(binary) => binary.into(),
            None => artifacts::build_replica()?,
        };
        let instance = PocketIcBuilder::new()
            .with_application_subnet()
            .with_initial_time(SystemTime::now().into())
            .with_server_binary(binary.clone())
            .build();
        Ok(Self {
            control: Control::of(&instance),
            submitted: RefCell::default(),
            binary,
            instance,
        })
    }
}

impl Network for Server {
    fn name(&self) -> String {
        self.binary.display().to_string()
    }

    fn submit(&self, call: Call) -> Result<Submitted, String> {
        let about = match call.about {
            None => RawEffectivePrincipal::None,
            Some(canister) => RawEffectivePrincipal::CanisterId(canister.as_slice().to_vec()),
        };
        let id = self.instance.submit_call_with_effective_principal(
            call.canister,
            about,
            call.sender,
            &call.method,
            call.payload,
        );
        let mut submitted = self.submitted.borrow_mut();
        submitted.push(id.map_err(|reject| reject.to_string())?);
        Ok(Submitted(submitted.len() - 1))
    }

    fn answer(&self, call: Submitted) -> Result<Vec<u8>, String> {
        let id = self.submitted.borrow()[call.0].clone();
        let answer = self.instance.await_call(id);
        answer.map_err(|reject| reject.to_string())
    }

    fn query(&self, call: Call) -> Result<Vec<u8>, String> {
        let Call {
            sender,
            canister,
            method,
            payload,
            about: _,
        } = call;
        let answer = self.instance.query_call(canister, sender, &method, payload);
        answer.map_err(|reject| reject.to_string())
    }

    fn pass_second(&self) {
        self.instance.advance_time(Duration::from_secs(1));
        self.instance.tick();
    }

    fn cycles(&self, canister: Principal) -> u128 {
        self.instance.cycle_balance(canister)
    }

    fn controllers(&self, canister: Principal) -> Option<Vec<Principal>> {
        let exists = self.instance.canister_exists(canister);
        exists.then(|| self.instance.get_controllers(canister))
    }

    fn observer(&self) -> Option<&dyn Observer> {
        self.control
            .as_ref()
            .map(|control| control as &dyn Observer)
    }

    fn go_live(&mut self) -> Option<String> {
        Some(self.instance.make_live(None).to_string())
    }
}

impl Observer for Control {
    fn accounts(&self) -> Accounts {
        self.accounts().expect("the server answers")
    }

    fn canisters(&self) -> Vec<Principal> {
        self.canisters().expect("the server answers")
    }

    fn events(&self, from: u64) -> Vec<Event> {
        self.trace(from).expect("the server answers")
    }

    fn next_event(&self) -> u64 {
        self.next_event().expect("the server answers")
    }
}
