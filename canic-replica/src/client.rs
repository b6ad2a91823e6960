//! What canic-replica serves beside PocketIC's protocol, for tests that are written with the ordinary `pocket-ic` client.
//!
//! ```no_run
//! use candid::{Encode, Principal};
//! use canic_replica::client::Control;
//! use canic_replica::{Effect, Fault, RejectCode};
//! use pocket_ic::PocketIc;
//!
//! # fn install_bank(pic: &PocketIc) -> Principal { pic.create_canister() }
//! # fn balance(pic: &PocketIc, bank: Principal) -> u128 { pic.cycle_balance(bank) }
//! // POCKET_IC_BIN names canic-replica.
//! let pic = PocketIc::new();
//! let bank = install_bank(&pic);
//! let control = Control::of(&pic).expect("another server cannot fail on purpose");
//!
//! // One past, many futures: whichever reply to `transfer` gets lost, the balance stays what it was.
//! for lost in 0..3 {
//!     let future = control.fork().unwrap();
//!     let fault = Fault::on_answer(Effect::reject(RejectCode::SysUnknown)).method("transfer").skip(lost);
//!     let control = Control::of(&future).unwrap();
//!     control.inject(&fault).unwrap();
//!     let user = Principal::anonymous();
//!     let _ = future.update_call(bank, user, "pay_three", Encode!().unwrap());
//!     assert_eq!(balance(&future, bank), balance(&pic, bank), "after {fault}");
//!     assert!(control.accounts().unwrap().balanced());
//! }
//! ```

use std::ops::Deref;

use candid::Principal;
use pocket_ic::PocketIc;
use reqwest::blocking::{Client, RequestBuilder};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    faults::{ArmedFault, Chaos, Fault, FiredFault},
    trace::{Accounts, Event},
};

/// The way to one instance of a server. Errors are sentences that name the request that failed, and why.
#[derive(Clone, Debug)]
pub struct Control {
    server: reqwest::Url,
    base: String,
    client: Client,
}

/// A client of a copied instance, which is deleted when this is dropped.
pub struct Fork {
    pic: PocketIc,
    client: Client,
}

impl Deref for Fork {
    type Target = PocketIc;

    fn deref(&self) -> &PocketIc {
        &self.pic
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        let instance = format!(
            "{}instances/{}",
            self.pic.get_server_url(),
            self.pic.instance_id()
        );
        if let Err(error) = self.client.delete(instance).send() {
            eprintln!("a forked instance could not be deleted: {error}");
        }
    }
}

impl Control {
    /// For the instance that `pic` uses. `None` if its server is not canic-replica.
    pub fn of(pic: &PocketIc) -> Option<Self> {
        let server = pic.get_server_url();
        let control = Self {
            base: format!("{server}canic/instances/{}", pic.instance_id()),
            server,
            client: Client::new(),
        };
        // What another server answers does not matter; what ours answers is for the other methods to understand.
        let answer = control
            .client
            .get(control.path("fired_faults"))
            .send()
            .ok()?;
        answer.status().is_success().then_some(control)
    }

    /// Copies the instance, in milliseconds: both share their memory until either writes.
    pub fn fork(&self) -> Result<Fork, String> {
        #[derive(Deserialize)]
        struct Forked {
            instance_id: usize,
        }
        let Forked { instance_id } = self.ask(self.client.post(self.path("fork")))?;
        Ok(Fork {
            pic: PocketIc::new_from_existing_instance(self.server.clone(), instance_id, None),
            client: self.client.clone(),
        })
    }

    /// Injects a fault, behind those that are there.
    pub fn inject(&self, fault: &Fault) -> Result<(), String> {
        self.ask(self.client.post(self.path("faults")).json(fault))
    }

    /// The faults that were injected, also those that struck already.
    pub fn armed_faults(&self) -> Result<Vec<ArmedFault>, String> {
        self.get("faults")
    }

    /// Takes back all faults, and draws no more.
    pub fn clear_faults(&self) -> Result<(), String> {
        self.ask(self.client.delete(self.path("faults")))
    }

    /// Draws faults from a seed from now on, or no more.
    pub fn set_chaos(&self, chaos: Option<&Chaos>) -> Result<(), String> {
        self.ask(self.client.post(self.path("chaos")).json(&chaos))
    }

    /// What struck so far, oldest first; at least the last 10,000.
    pub fn fired_faults(&self) -> Result<Vec<FiredFault>, String> {
        self.get("fired_faults")
    }

    /// The last messages executed, oldest first, from the event of this number on. Errors also if these events are no
    /// longer kept: a count with a hole is no count.
    pub fn trace(&self, from: u64) -> Result<Vec<Event>, String> {
        #[derive(Deserialize)]
        struct Trace {
            events: Vec<Event>,
        }
        let Trace { events } = self.get(&format!("trace?from={from}"))?;
        match events.first() {
            Some(first) if from > 0 && first.seq > from => {
                Err(format!("the trace begins at event {}", first.seq))
            }
            _ => Ok(events),
        }
    }

    /// The number that the next event will have.
    pub fn next_event(&self) -> Result<u64, String> {
        #[derive(Deserialize)]
        struct Next {
            next: u64,
        }
        self.get::<Next>(&format!("trace?from={}", u64::MAX))
            .map(|Next { next }| next)
    }

    /// Where all cycles are.
    pub fn accounts(&self) -> Result<Accounts, String> {
        self.get("accounts")
    }

    /// All canisters there are.
    pub fn canisters(&self) -> Result<Vec<Principal>, String> {
        self.get("canisters")
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.base)
    }

    fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        self.ask(self.client.get(self.path(name)))
    }

    fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, String> {
        let answer = request.send().map_err(|error| error.to_string())?;
        let (url, status) = (answer.url().clone(), answer.status());
        let body = answer.bytes().map_err(|error| format!("{url}: {error}"))?;
        if !status.is_success() {
            return Err(format!(
                "{url}: {status}: {}",
                String::from_utf8_lossy(&body)
            ));
        }
        serde_json::from_slice(&body).map_err(|error| format!("{url}: {error}"))
    }
}
