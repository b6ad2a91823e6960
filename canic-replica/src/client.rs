//! A client for the extensions of canic-replica to PocketIC's protocol, for tests that use the
//! ordinary `pocket-ic` client.
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
//! // One past, many futures: whichever reply to `transfer` gets lost, the balance stays the same.
//! for lost in 0..3 {
//!     let future = control.fork().unwrap();
//!     let unknown = Effect::reject(RejectCode::SysUnknown);
//!     let fault = Fault::on_answer(unknown).method("transfer").skip(lost);
//!     let control = Control::of(&future).unwrap();
//!     control.inject(&fault).unwrap();
//!     let user = Principal::anonymous();
//!     let _ = future.update_call(bank, user, "pay_three", Encode!().unwrap());
//!     assert_eq!(balance(&future, bank), balance(&pic, bank), "after {fault}");
//!     assert!(control.accounts().unwrap().balanced());
//! }
//! ```

use std::{ops::Deref, sync::LazyLock};

use candid::Principal;
use pocket_ic::PocketIc;
use reqwest::blocking::{Client, RequestBuilder};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    faults::{ArmedFault, Chaos, Fault, FiredFault},
    trace::{Accounts, Event},
};

/// All controls share it: a new one would read the certificates of the whole system first.
static CLIENT: LazyLock<Client> = LazyLock::new(Client::new);

/// A client of one instance of a server. Its errors are sentences that name the failed request and
/// the reason.
#[derive(Clone, Debug)]
pub struct Control {
    server: reqwest::Url,
    base: String,
    client: Client,
}

/// A client of a forked instance. Dropping it deletes the instance.
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
    /// The client for the instance of `pic`. `None`: its server is not canic-replica.
    pub fn of(pic: &PocketIc) -> Option<Self> {
        let server = pic.get_server_url();
        let control = Self {
            base: format!("{server}canic/instances/{}", pic.instance_id()),
            server,
            client: CLIENT.clone(),
        };
        // The status alone tells whether this is canic-replica.
        let answer = control
            .client
            .get(control.path("fired_faults"))
            .send()
            .ok()?;
        answer.status().is_success().then_some(control)
    }

    /// Forks the instance, within milliseconds: both share their memory until either writes.
    ///
    /// # Errors
    ///
    /// The request failed.
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

    /// Arms a fault, behind the faults that are armed already.
    ///
    /// # Errors
    ///
    /// The request failed.
    pub fn inject(&self, fault: &Fault) -> Result<(), String> {
        self.ask(self.client.post(self.path("faults")).json(fault))
    }

    /// The armed faults, with those that fired already.
    ///
    /// # Errors
    ///
    /// The request failed.
    pub fn armed_faults(&self) -> Result<Vec<ArmedFault>, String> {
        self.get("faults")
    }

    /// Disarms all faults, and ends the chaos.
    ///
    /// # Errors
    ///
    /// The request failed.
    pub fn clear_faults(&self) -> Result<(), String> {
        self.ask(self.client.delete(self.path("faults")))
    }

    /// Draws faults from a seed from now on; `None` ends that.
    ///
    /// # Errors
    ///
    /// The request failed.
    pub fn set_chaos(&self, chaos: Option<&Chaos>) -> Result<(), String> {
        self.ask(self.client.post(self.path("chaos")).json(&chaos))
    }

    /// The faults that fired, oldest first. At least the last 10,000 are kept.
    ///
    /// # Errors
    ///
    /// The request failed.
    pub fn fired_faults(&self) -> Result<Vec<FiredFault>, String> {
        self.get("fired_faults")
    }

    /// The events from number `from` on, oldest first.
    ///
    /// # Errors
    ///
    /// The request failed, or the instance has dropped the first of these events.
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

    /// The number of the next event.
    ///
    /// # Errors
    ///
    /// The request failed.
    pub fn next_event(&self) -> Result<u64, String> {
        #[derive(Deserialize)]
        struct Next {
            next: u64,
        }
        self.get::<Next>(&format!("trace?from={}", u64::MAX))
            .map(|Next { next }| next)
    }

    /// Where all cycles are.
    ///
    /// # Errors
    ///
    /// The request failed.
    pub fn accounts(&self) -> Result<Accounts, String> {
        self.get("accounts")
    }

    /// All canisters, in the order of their ids.
    ///
    /// # Errors
    ///
    /// The request failed.
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
