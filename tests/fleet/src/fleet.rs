//! A fleet on an instance of its own, with root's endpoints as plain functions.

use std::{
    ops::Deref,
    time::{Duration, SystemTime},
};

use candid::{CandidType, Principal, utils::ArgumentEncoder};
pub use canic_endpoints::{CHUNK, notebook, owner_argument, sha256};
use canic_endpoints::{Controller, decode, encode};
use pocket_ic::{
    CreateCanisterParams, PocketIc, PocketIcBuilder, RejectResponse,
    common::rest::{IcpFeatures, IcpFeaturesConfig, RawMessageId},
};
use serde::de::DeserializeOwned;

use crate::{Audit, Observer, artifacts, user};

/// A fleet: an instance, a root on it, and root's controller.
pub struct Fleet {
    /// The instance.
    pub pic: PocketIc,
    /// Root.
    pub root: Principal,
    /// The controller of root, beside root itself.
    pub controller: Principal,
    /// The replica's own view; `None` if the server is not `canic-replica`.
    pub observer: Option<Observer>,
}

impl Fleet {
    /// A fresh instance with a root of this package, funded with 100 T cycles.
    ///
    /// # Panics
    /// When the instance or root can't be created.
    #[must_use]
    pub fn start(root_package: &str) -> Self {
        Self::start_with(root_package, 100_000_000_000_000)
    }

    /// A fresh instance with a root of this package, funded with `cycles`.
    ///
    /// # Panics
    /// When the instance or root can't be created.
    #[must_use]
    pub fn start_with(root_package: &str, cycles: u128) -> Self {
        let subnets = PocketIcBuilder::new().with_application_subnet();
        Self::start_on(subnets, root_package, cycles)
    }

    /// A fresh instance that begins now, with a root of this package, funded with 100 T cycles. One
    /// that begins earlier charges its canisters for the years up to now when it goes live.
    ///
    /// # Panics
    /// When the instance or root can't be created.
    #[must_use]
    pub fn start_now(root_package: &str) -> Self {
        Self::start_ago(root_package, Duration::ZERO)
    }

    /// A fresh instance whose time is so long ago, with a root of this package, funded with 100 T
    /// cycles.
    ///
    /// # Panics
    /// When the instance or root can't be created.
    #[must_use]
    pub fn start_ago(root_package: &str, ago: Duration) -> Self {
        let subnets = PocketIcBuilder::new()
            .with_application_subnet()
            .with_initial_time((SystemTime::now() - ago).into());
        Self::start_on(subnets, root_package, 100_000_000_000_000)
    }

    /// A fresh instance with a root of this package, funded with 100 T cycles, and with another
    /// application subnet than root's.
    ///
    /// # Panics
    /// When the instance or root can't be created.
    #[must_use]
    pub fn start_on_one_of_two_subnets(root_package: &str) -> Self {
        let subnets = PocketIcBuilder::new()
            .with_application_subnet()
            .with_application_subnet();
        Self::start_on(subnets, root_package, 100_000_000_000_000)
    }

    /// A fresh instance with the network's ledgers and the cycles minting canister, and a root of
    /// this package, funded with `cycles`.
    ///
    /// # Panics
    /// When the instance or root can't be created.
    #[must_use]
    pub fn start_with_ledgers(root_package: &str, cycles: u128) -> Self {
        let on = Some(IcpFeaturesConfig::DefaultConfig);
        let features = IcpFeatures {
            cycles_minting: on.clone(),
            icp_token: on.clone(),
            cycles_token: on,
            ..IcpFeatures::default()
        };
        let subnets = PocketIcBuilder::new()
            .with_application_subnet()
            .with_icp_features(features);
        Self::start_on(subnets, root_package, cycles)
    }

    fn start_on(subnets: PocketIcBuilder, root_package: &str, cycles: u128) -> Self {
        // The module first: its build may take longer than an idle server waits.
        let module = artifacts::module(root_package);
        let pic = subnets.with_server_binary(artifacts::server()).build();
        let controller = user(200);
        let root = create(&pic, controller, cycles);
        let observer = Observer::of(&pic);
        if observer.is_none() {
            let server = artifacts::server();
            assert!(
                server
                    .file_stem()
                    .is_none_or(|name| name != "canic-replica"),
                "{} serves a trace and accounts",
                server.display()
            );
            println!(
                "note: this server has no trace and no accounts: checks that need them are skipped"
            );
        }
        let nothing = encode(());
        pic.install_canister(root, module, nothing, Some(controller));
        Self {
            pic,
            root,
            controller,
            observer,
        }
    }

    /// The example's fleet, with the worker's module approved and the pool filled to its minimum of
    /// 2.
    ///
    /// # Panics
    /// When the fleet can't be created.
    #[must_use]
    pub fn of_notebooks() -> Self {
        let fleet = Self::start("example-root");
        fleet.approve("worker", &artifacts::module("example-worker"));
        fleet.until("the pool holds two ready canisters", |fleet| {
            fleet.pool().len() == 2
        });
        fleet.quiet();
        fleet
    }

    /// A new empty canister outside the fleet, controlled by `controller`.
    ///
    /// # Panics
    /// When the canister can't be created.
    #[must_use]
    pub fn stranger_canister(&self, controller: Principal) -> Principal {
        create(&self.pic, controller, 3_000_000_000_000)
    }

    /// A new empty canister on another subnet than root's, controlled by `controller`.
    ///
    /// # Panics
    /// When the instance has no other application subnet.
    #[must_use]
    pub fn canister_of_another_subnet(&self, controller: Principal) -> Principal {
        let own = self.pic.get_subnet(self.root);
        let mut all = self.pic.topology().get_app_subnets().into_iter();
        let other = all.find(|subnet| Some(*subnet) != own);
        let other = other.expect("another application subnet");
        let pic = &self.pic;
        let canister = pic.create_canister_on_subnet(Some(controller), None, other);
        pic.add_cycles(canister, 3_000_000_000_000);
        canister
    }

    /// An update call. The value is the endpoint's answer, the error the platform's reject.
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When the answer is not of the expected type.
    pub fn update<R: CandidType + DeserializeOwned>(
        &self,
        canister: Principal,
        sender: Principal,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Result<R, RejectResponse> {
        let payload = encode(args);
        self.pic
            .update_call(canister, sender, method, payload)
            .map(|bytes| decode(method, &bytes))
    }

    /// A query call; otherwise like [`Fleet::update`].
    ///
    /// # Errors
    /// The platform's reject.
    /// # Panics
    /// When the answer is not of the expected type.
    pub fn query<R: CandidType + DeserializeOwned>(
        &self,
        canister: Principal,
        sender: Principal,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> Result<R, RejectResponse> {
        let payload = encode(args);
        self.pic
            .query_call(canister, sender, method, payload)
            .map(|bytes| decode(method, &bytes))
    }

    /// Submits an update call; [`Fleet::answer`] awaits its answer.
    ///
    /// # Panics
    /// When the platform doesn't accept it.
    #[must_use]
    pub fn submit(
        &self,
        canister: Principal,
        sender: Principal,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> RawMessageId {
        let payload = encode(args);
        let submitted = self.pic.submit_call(canister, sender, method, payload);
        submitted.unwrap_or_else(|reject| panic!("{method} was not accepted: {reject}"))
    }

    /// The answer to a submitted call.
    ///
    /// # Panics
    /// When the call was rejected.
    #[must_use]
    pub fn answer<R: CandidType + DeserializeOwned>(&self, message: RawMessageId) -> R {
        let bytes = self
            .pic
            .await_call(message)
            .unwrap_or_else(|reject| panic!("{reject}"));
        decode("the submitted call", &bytes)
    }

    /// Lets seconds pass, one round each, until the condition holds. `what` names the condition in
    /// the panic.
    ///
    /// # Panics
    /// When the condition doesn't hold after 300 seconds.
    pub fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..300 {
            if condition(self) {
                return;
            }
            self.pic.advance_time(Duration::from_secs(1));
            self.pic.tick();
        }
        panic!(
            "after 300 seconds, this doesn't hold: {what}; open: {:#?}",
            self.open()
        );
    }

    /// Lets time pass until no operation is open, and the timers of the next seconds have started
    /// none.
    ///
    /// # Panics
    /// When an operation is open after 300 seconds.
    pub fn quiet(&self) {
        self.until("no operation is open", |fleet| {
            fleet.open().is_empty() && {
                for _ in 0..5 {
                    fleet.pic.advance_time(Duration::from_secs(1));
                    fleet.pic.tick();
                }
                fleet.open().is_empty()
            }
        });
    }

    /// Upgrades root to the module of a package, as an operator does: stop, upgrade, start.
    ///
    /// # Errors
    /// The platform's reject; root runs on as it was.
    pub fn upgrade_root(&self, root_package: &str) -> Result<(), RejectResponse> {
        let (pic, sender) = (&self.pic, Some(self.controller));
        pic.stop_canister(self.root, sender)?;
        let nothing = encode(());
        let upgraded =
            pic.upgrade_canister(self.root, artifacts::module(root_package), nothing, sender);
        pic.start_canister(self.root, sender)?;
        upgraded
    }

    /// Audits the fleet; see [`Audit`].
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit::of(self)
    }
}

impl Controller for Fleet {
    fn call(&self, is_query: bool, method: &str, payload: Vec<u8>) -> Result<Vec<u8>, String> {
        let (root, sender) = (self.root, self.controller);
        let answer = if is_query {
            self.pic.query_call(root, sender, method, payload)
        } else {
            self.pic.update_call(root, sender, method, payload)
        };
        answer.map_err(|reject| reject.to_string())
    }
}

/// A fleet has root's endpoints as its own functions.
impl Deref for Fleet {
    type Target = dyn Controller;

    fn deref(&self) -> &Self::Target {
        self
    }
}

fn create(pic: &PocketIc, controller: Principal, cycles: u128) -> Principal {
    // Without settings, the creator of a canister controls it.
    let params = CreateCanisterParams {
        cycles: Some(cycles),
        ..Default::default()
    };
    pic.create_canister_with_params(Some(controller), params)
        .unwrap_or_else(|e| panic!("no canister was created: {e}"))
}
