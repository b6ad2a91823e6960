//! A fleet on an instance of its own, with root's endpoints as plain functions.

use std::time::{Duration, SystemTime};

use candid::{
    CandidType, Principal,
    utils::{ArgumentEncoder, decode_one, encode_args},
};
use canic::api::{
    ApproveRequest, Denied, ImportAs, ImportError, ImportRequest, Imported, MemberInfo,
    MemberRequest, MembersFilter, MembersPage, MembersRequest, ModuleError, ModuleInfo,
    OperationInfo, OperationsFilter, OperationsPage, OperationsRequest, PageRequest, PoolEntry,
    PoolPage, ProvisionError, ProvisionRequest, Provisioned, RetireError, RetireRequest, Retired,
    Retirement, StageRequest, StagedChunk,
};
use example_types::WorkerArgs;
use pocket_ic::{
    CreateCanisterParams, PocketIc, PocketIcBuilder, RejectResponse,
    common::rest::{IcpFeatures, IcpFeaturesConfig, RawMessageId},
};
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

use crate::{Audit, Observer, artifacts, user};

/// Rows of a page: few, so that every list takes several pages.
const PAGE: u32 = 7;

/// Bytes of a chunk of a staged module: the example's worker takes several.
pub const CHUNK: usize = 128 * 1024;

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
        let nothing = encode_args(()).expect("no argument");
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
        let payload = encode_args(args).expect("the argument can be encoded");
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
        let payload = encode_args(args).expect("the argument can be encoded");
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
        let payload = encode_args(args).expect("the argument can be encoded");
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

    /// An update call to root by its controller.
    ///
    /// # Panics
    /// When the platform rejects the call.
    #[must_use]
    pub fn command<R: CandidType + DeserializeOwned>(
        &self,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> R {
        self.update(self.root, self.controller, method, args)
            .unwrap_or_else(|reject| panic!("{method}: {reject}"))
    }

    /// A query of root by its controller.
    ///
    /// # Panics
    /// When the platform rejects the query.
    #[must_use]
    pub fn ask<R: CandidType + DeserializeOwned>(
        &self,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> R {
        self.query(self.root, self.controller, method, args)
            .unwrap_or_else(|reject| panic!("{method}: {reject}"))
    }

    /// `canic_provision`.
    ///
    /// # Errors
    /// As the endpoint answers.
    pub fn provision(&self, request: &ProvisionRequest) -> Result<Provisioned, ProvisionError> {
        self.command("canic_provision", (request,))
    }

    /// `canic_retire`.
    ///
    /// # Errors
    /// As the endpoint answers.
    pub fn retire(&self, canister: Principal, how: Retirement) -> Result<Retired, RetireError> {
        self.command(
            "canic_retire",
            (RetireRequest {
                canister,
                how,
                subtree: None,
            },),
        )
    }

    /// `canic_import`.
    ///
    /// # Errors
    /// As the endpoint answers.
    pub fn import(
        &self,
        canister: Principal,
        import_as: ImportAs,
    ) -> Result<Imported, ImportError> {
        self.command(
            "canic_import",
            (ImportRequest {
                canister,
                import_as,
            },),
        )
    }

    /// `canic_module_stage`.
    ///
    /// # Errors
    /// As the endpoint answers.
    pub fn stage(&self, chunk: &[u8]) -> Result<StagedChunk, ModuleError> {
        self.command(
            "canic_module_stage",
            (StageRequest {
                chunk: chunk.to_vec(),
            },),
        )
    }

    /// `canic_module_approve` with the hashes of these chunks, staged or not.
    ///
    /// # Errors
    /// As the endpoint answers.
    pub fn approve_chunks(
        &self,
        role: &str,
        hash: &[u8],
        chunks: &[&[u8]],
    ) -> Result<ModuleInfo, ModuleError> {
        let chunks = chunks
            .iter()
            .map(|chunk| ByteBuf::from(sha256(chunk)))
            .collect();
        let request = ApproveRequest {
            role: role.to_string(),
            hash: hash.to_vec(),
            chunks,
            manual: None,
        };
        self.command("canic_module_approve", (request,))
    }

    /// Stages a module in chunks of [`CHUNK`] bytes and approves it for a role.
    ///
    /// # Panics
    /// When root refuses.
    pub fn approve(&self, role: &str, module: &[u8]) -> ModuleInfo {
        let chunks: Vec<&[u8]> = module.chunks(CHUNK).collect();
        for chunk in &chunks {
            let staged = self.stage(chunk).expect("root stages the chunk");
            assert_eq!(staged.hash, sha256(chunk));
        }
        self.approve_chunks(role, &sha256(module), &chunks)
            .expect("root approves the module")
    }

    /// All members that a filter selects, page by page.
    ///
    /// # Panics
    /// When root rejects or denies a page.
    #[must_use]
    pub fn members(&self, filter: &MembersFilter) -> Vec<MemberInfo> {
        pages(|after| {
            let request = MembersRequest {
                filter: filter.clone(),
                after,
                limit: PAGE,
            };
            let page: Result<MembersPage, Denied> = self.ask("canic_members", (request,));
            let page = page.expect("a controller may list members");
            (page.members, page.next)
        })
    }

    /// One member.
    ///
    /// # Panics
    /// When root rejects or denies the query.
    #[must_use]
    pub fn member(&self, request: &MemberRequest) -> Option<MemberInfo> {
        let answer: Result<Option<MemberInfo>, Denied> = self.ask("canic_member", (request,));
        answer.expect("a controller may look a member up")
    }

    /// All canisters of the pool, ready and claimed, page by page.
    ///
    /// # Panics
    /// When root rejects or denies a page.
    #[must_use]
    pub fn pool(&self) -> Vec<PoolEntry> {
        pages(|after| {
            let request = PageRequest { after, limit: PAGE };
            let page: Result<PoolPage, Denied> = self.ask("canic_pool", (request,));
            let page = page.expect("a controller may list the pool");
            (page.entries, page.next)
        })
    }

    /// All operations that a filter selects, page by page.
    ///
    /// # Panics
    /// When root rejects or denies a page.
    #[must_use]
    pub fn operations(&self, filter: OperationsFilter) -> Vec<OperationInfo> {
        pages(|after| {
            let request = OperationsRequest {
                filter,
                after,
                limit: PAGE,
            };
            let page: Result<OperationsPage, Denied> = self.ask("canic_operations", (request,));
            let page = page.expect("a controller may list operations");
            (page.operations, page.next)
        })
    }

    /// One operation.
    ///
    /// # Panics
    /// When there is no operation with this id.
    #[must_use]
    pub fn operation(&self, id: u64) -> OperationInfo {
        let answer: Result<Option<OperationInfo>, Denied> = self.ask("canic_operation", (id,));
        let found = answer.expect("a controller may look an operation up");
        found.unwrap_or_else(|| panic!("there is no operation {id}"))
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

    /// Open operations.
    #[must_use]
    pub fn open(&self) -> Vec<OperationInfo> {
        self.operations(OperationsFilter::Open)
    }

    /// Upgrades root to the module of a package, as an operator does: stop, upgrade, start.
    ///
    /// # Errors
    /// The platform's reject; root runs on as it was.
    pub fn upgrade_root(&self, root_package: &str) -> Result<(), RejectResponse> {
        let (pic, sender) = (&self.pic, Some(self.controller));
        pic.stop_canister(self.root, sender)?;
        let nothing = encode_args(()).expect("no argument");
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

/// All rows of a list. `page` returns the rows after a cursor, and the next cursor if there are
/// more rows.
fn pages<Row, Cursor>(
    mut page: impl FnMut(Option<Cursor>) -> (Vec<Row>, Option<Cursor>),
) -> Vec<Row> {
    let (mut rows, mut next) = page(None);
    while next.is_some() {
        let (more, after) = page(next);
        rows.extend(more);
        next = after;
    }
    rows
}

/// A request for a notebook of this owner, under the owner's key.
///
/// # Panics
/// Never: a principal can be encoded.
#[must_use]
pub fn notebook(owner: Principal) -> ProvisionRequest {
    ProvisionRequest {
        role: "worker".to_string(),
        key: Some(owner.to_text()),
        parent: None,
        arg: owner_argument(owner),
    }
}

/// The install argument of the example's worker.
///
/// # Panics
/// Never: a principal can be encoded.
#[must_use]
pub fn owner_argument(owner: Principal) -> Vec<u8> {
    encode_args((WorkerArgs { owner },)).expect("a principal can be encoded")
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
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

fn decode<R: CandidType + DeserializeOwned>(method: &str, bytes: &[u8]) -> R {
    decode_one(bytes).unwrap_or_else(|e| panic!("the answer of {method} is not as expected: {e}"))
}
