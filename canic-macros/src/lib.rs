//! The attribute macros of canic. The `canic` crate re-exports them for authors.
//!
//! Each attribute has three steps, each in a file of its own. `args` parses the options, `check`
//! builds a typed model or reports every error, and `expand` turns the model into code, which
//! cannot fail. Generated code is thin: it names types and calls functions of
//! `canic::__private::entry`, which hold the logic.
//!
//! [`macro@root`] and [`macro@role`] share `hooks` (the item under the attribute), `role_fns` (the
//! functions for roles) and `system_endpoints` (the endpoints that canic adds).

mod candid_table;
mod canister_kind;
mod crate_path;
mod diag;
#[cfg(test)]
mod docs;
mod endpoint;
mod export;
mod fields;
mod hooks;
mod interface;
mod options;
mod role;
mod role_fns;
mod root;
mod signature;
#[cfg(test)]
mod snapshots;
mod source;
mod system_endpoints;
mod table_read;
mod values;

use proc_macro::TokenStream;

/// The canister that owns a fleet.
///
/// The attribute goes on a unit struct, or on an inherent `impl` block whose functions are the
/// canister's hooks. A crate has one root, or one [`macro@role`]. Without options the fleet has no
/// pool, and callers may provision any role with an approved module. With a `role(..)`, they may
/// provision only roles that are named.
///
/// ```
/// use canic::prelude::*;
///
/// #[derive(CandidType)]
/// pub struct WorkerArgs {
///     owner: Principal,
/// }
///
/// #[canic::root(
///     pool(min = 2, max = 10, cycles = "1T"),
///     role(name = "hub", singleton),
///     role(name = "worker", max = 100, cycles = "2T", parents("root", "hub"), args = WorkerArgs),
///     reserve = "5T",
/// )]
/// pub struct Fleet;
///
/// // Each role is a function, typed by its argument: a misspelt role does not compile.
/// #[canic::update(allow(controller))]
/// async fn hire(owner: Principal) -> Result<Principal, ProvisionError> {
///     let worker = Fleet::worker().key(owner.to_text()).args(WorkerArgs { owner });
///     Ok(worker.provision().await?.canister)
/// }
///
/// canic::export_candid!();
/// # fn main() {}
/// ```
///
/// # Options
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `pool(..)` | keep empty canisters ready | no pool |
/// | `role(..)` | a role and its limits; may be repeated | any role with an approved module |
/// | `reserve = "5T"` | cycles below which root starts nothing that costs | `"1T"` |
/// | `refuel(..)` | root gets cycles for itself | somebody sends them |
/// | `budget(per_day = "20T")` | cycles that root grants to all roles together in a day | no limit |
/// | `stable_memory = "64GiB"` | the limit of root's stable memory; fixed by the first install | `"4GiB"` |
/// | `http` | serve metrics to browsers and Prometheus | not served |
/// | `crate = path` | the path of the `canic` crate, if it has another name | `::canic` |
///
/// ```
/// # extern crate canic as framework;
/// #[framework::root(
///     pool(max = 10),
///     role(name = "worker", cycles = "2T"),
///     reserve = "5T",
///     refuel(below = "50T", to = "100T"),
///     budget(per_day = "20T"),
///     stable_memory = "64GiB",
///     http,
///     crate = framework,
/// )]
/// pub struct Fleet;
/// # framework::export_candid!();
/// # fn main() {}
/// ```
///
/// ## `pool(..)`
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `max = 10` | the most canisters in the pool | required |
/// | `min = 2` | the least number of canisters that root keeps ready; with demand it keeps more, up to `max` | 0 |
/// | `cycles = "1T"` | the balance with which root creates a canister of the pool | `"1T"` |
///
/// ```
/// #[canic::root(pool(min = 2, max = 10, cycles = "1.5T"))]
/// pub struct Fleet;
/// # canic::export_candid!();
/// # fn main() {}
/// ```
///
/// ## `refuel(..)`
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `below = "50T"` | root refuels below so many cycles; above `reserve` | required |
/// | `to = "100T"` | root refuels up to so many cycles; at least `"100B"` above `below` | required |
/// | `from("cycles", "icp")` | root's accounts that pay, the first one first: at the cycles ledger, and at the ICP ledger | `"cycles"` |
///
/// `canic_funding` and `canic::fleet::accounts` tell the accounts.
///
/// ```
/// #[canic::root(refuel(below = "50T", to = "100T", from("cycles", "icp")))]
/// pub struct Fleet;
/// # canic::export_candid!();
/// # fn main() {}
/// ```
///
/// ## `role(..)`
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `name = "worker"` | `a-z`, then `a-z`, `0-9`, `_` and `-`, at most 40 bytes; not `root`, nor a hook's name | required |
/// | `max = 100` | the most members, including those that are being provisioned | no limit |
/// | `max_per_parent = 10` | the most members below one parent | no limit |
/// | `singleton` | one member, which every request returns | any number |
/// | `cycles = "2T"` | a member's first balance; root pays the creation fee on top | `"1T"` |
/// | `parents("root", "hub")` | the possible parents of a member: root, or members of these roles | `"root"` |
/// | `watches("worker")` | roles whose changes root announces to members of this role; with the bare word `releases` among them, their members' releases as well | none |
/// | `controllers(parent, "<principal>")` | controllers besides root: the parent, or principals | root alone |
/// | `rollback = "delete"` | the end of a canister whose install failed: `"recycle"` or `"delete"` | `"recycle"` |
/// | `rollout(..)` | how a newer release comes to the members | as below |
/// | `wasm = worker` | embeds the module of a dependency, which cargo builds first | staged at run time |
/// | `wasm = "path/worker.wasm"` | embeds a file, relative to the manifest; it may not be older than its sources | staged at run time |
/// | `args = path::Type` | the argument of `init`, one value, which types `Fleet::worker()` | untyped |
/// | `fund(..)` | when root grants cycles to a member, and how many | only if a controller says so |
///
/// ```
/// #[derive(candid::CandidType)]
/// pub struct WorkerArgs {
///     owner: candid::Principal,
/// }
///
/// #[canic::root(
///     role(name = "hub", singleton, watches("worker", releases)),
///     role(
///         name = "worker",
///         max = 1_000,
///         max_per_parent = 100,
///         cycles = "2T",
///         parents("root", "hub"),
///         controllers(parent, "ryjl3-tyaaa-aaaaa-aaaba-cai"),
///         rollback = "delete",
///         rollout(canary = "5%", bake = "1h"),
///         fund(below = "7d", to = "30d"),
///         args = WorkerArgs,
///     ),
/// )]
/// pub struct Fleet;
/// # canic::export_candid!();
/// # fn main() {}
/// ```
///
/// Root embeds a module like this, with `worker = { path = "../worker" }` among the dependencies of
/// its manifest:
///
/// ```ignore
/// #[canic::root(
///     role(name = "worker", wasm = worker),
///     role(name = "page", wasm = "modules/page.wasm.gz"),
/// )]
/// pub struct Fleet;
/// ```
///
/// ## `fund(..)` in `role(..)`
///
/// A level is a time for which a member's cycles last (`"7d"`, `"36h"`), or an amount of them.
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `below = "7d"` | root grants cycles to a member that has less | required |
/// | `to = "30d"` | as many as the member lacks to this | required |
/// | `per_day = "1T"` | cycles that all members of the role get in a day | no limit but the budget |
///
/// ```
/// #[canic::root(role(name = "worker", fund(below = "7d", to = "30d", per_day = "1T")))]
/// pub struct Fleet;
/// # canic::export_candid!();
/// # fn main() {}
/// ```
///
/// An amount of cycles is a number, or has a unit and quotes: `"10M"`, `"500B"`, `"1T"`, `"1.5T"`.
///
/// ### `rollout(..)`
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `canary = "5%"` | the members that root upgrades first: a number, or a share, rounded up | 1 |
/// | `bake = "1h"` | the time between the canaries and the rest: 30 days at most | `"10m"` |
/// | `concurrent = 20` | upgrades at once: 1 to 50 | 10 |
/// | `max_failures = "2%"` | failures that the rollout goes on with: a number, or a share | 1 |
/// | `on_failure = "undo"` | with one failure more: `"pause"` the rollout, or `"undo"` it | `"pause"` |
/// | `snapshot = "all"` | the members of which root takes a snapshot before: `"none"`, `"canary"` or `"all"` | `"canary"` |
/// | `health_timeout = "5m"` | the time that a member has to become healthy: a day at most | `"60s"` |
/// | `keep = "1d"` | the time for which snapshots are kept after the rollout: 30 days at most | `"0s"` |
/// | `manual` | a controller begins each rollout; the approval of a release does not | it begins by itself |
///
/// A time is a whole number with a unit, in quotes: `"90s"`, `"10m"`, `"12h"`, `"1d"`.
///
/// ```
/// #[canic::root(
///     role(
///         name = "worker",
///         rollout(
///             canary = "5%",
///             bake = "1h",
///             concurrent = 20,
///             max_failures = "2%",
///             on_failure = "undo",
///             health_timeout = "5m",
///         ),
///     ),
///     role(name = "ledger", rollout(snapshot = "all", keep = "1d", manual)),
/// )]
/// pub struct Fleet;
/// # canic::export_candid!();
/// # fn main() {}
/// ```
///
/// # Hooks
///
/// | Function | Arguments | Returns | Runs |
/// |---|---|---|---|
/// | `fn init` | the decoded argument of the install | nothing, or `Result<(), E>` | inside `canister_init`; an error fails the install |
/// | `fn pre_upgrade` | none | nothing, or `Result<(), E>` | before an upgrade; an error stops the upgrade |
/// | `fn post_upgrade` | those of `init`, or none | nothing, or `Result<(), E>` | after an upgrade; an error undoes the upgrade |
/// | `async fn start` | none | nothing, or `Result<(), E>` | after the install and after every upgrade; may await |
/// | `fn inspect_message` | none | `bool`: whether the canister accepts the message | on ingress, after canic's own checks |
/// | `fn heartbeat`, `async` or not | none | nothing | every round |
/// | `fn on_low_wasm_memory` | none | nothing | when Wasm memory runs low |
///
/// Every hook is optional. The block holds hooks only: a helper belongs in another `impl` block.
///
/// ```
/// struct Fleet;
///
/// #[canic::root]
/// impl Fleet {
///     fn init(greeting: Option<String>) -> Result<(), String> {
///         greeting.map(drop).ok_or("no greeting".to_owned())
///     }
///
///     async fn start() {}
/// }
/// # canic::export_candid!();
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn root(attribute: TokenStream, item: TokenStream) -> TokenStream {
    root::root(attribute.into(), item.into()).into()
}

/// A member of a fleet, by the name of its role.
///
/// The attribute goes on a unit struct, or on an inherent `impl` block whose functions are the
/// canister's hooks: those of [`macro@root`], and [`health`](#hooks).
///
/// ```
/// use canic::prelude::*;
/// use serde::Deserialize;
///
/// #[derive(CandidType, Deserialize)]
/// struct WorkerArgs {
///     owner: Principal,
/// }
///
/// struct Worker;
///
/// #[canic::role("worker")]
/// impl Worker {
///     fn init(args: WorkerArgs) -> Result<(), String> {
///         if args.owner == Principal::anonymous() {
///             return Err("a worker has an owner".to_owned());
///         }
///         Ok(())
///     }
///
///     async fn start() {}
/// }
/// # canic::export_candid!();
/// # fn main() {}
/// ```
///
/// # Options
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `"worker"` | the role's name, the first item of the list | required |
/// | `child(name = "shard", ..)` | a role that this member provisions; may be repeated | none by name |
/// | `http` | serve metrics to browsers and Prometheus | not served |
/// | `subscribes` | subscribe to root's announcements in `init` and after each upgrade | with `child(..)` the same, else with the first lookup |
/// | `stable_memory = "64GiB"` | the limit of the member's stable memory; fixed by the first install | `"4GiB"` |
/// | `crate = path` | the path of the `canic` crate, if it has another name | `::canic` |
///
/// ```
/// # extern crate canic as framework;
/// #[framework::role(
///     "hub",
///     child(name = "shard"),
///     http,
///     subscribes,
///     stable_memory = "64GiB",
///     crate = framework,
/// )]
/// pub struct Hub;
/// # framework::export_candid!();
/// # fn main() {}
/// ```
///
/// ## `child(..)`
///
/// A member has a function for each role that it provisions, as a root has for each of its roles.
/// Root decides whether the member may, by the `parents` of that role.
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `name = "shard"` | the role, which may be the member's own | required |
/// | `args = path::Type` | the argument of `init`, which types `Hub::shard()` | untyped |
///
/// ```
/// use canic::prelude::*;
///
/// #[derive(CandidType)]
/// pub struct ShardArgs {
///     first: u64,
/// }
///
/// pub struct Hub;
///
/// #[canic::role("hub", child(name = "shard", args = ShardArgs))]
/// impl Hub {}
///
/// #[canic::update]
/// async fn grow(first: u64) -> Result<Principal, ProvisionError> {
///     let args = ShardArgs { first };
///     let shard = Hub::shard().key(first.to_string()).args(args).provision().await?;
///     Ok(shard.canister)
/// }
/// # canic::export_candid!();
/// # fn main() {}
/// ```
///
/// # Hooks
///
/// The hooks of [`macro@root`], and one more:
///
/// | Function | Arguments | Returns | Runs |
/// |---|---|---|---|
/// | `fn health`, `async` or not | none | `Result<(), E>` | after an upgrade by a rollout, when root asks; an error brings the old release back |
///
/// ```
/// # use std::cell::RefCell;
/// # thread_local! { static INDEX: RefCell<Vec<u64>> = RefCell::default(); }
/// struct Worker;
///
/// #[canic::role("worker")]
/// impl Worker {
///     fn health() -> Result<(), String> {
///         match INDEX.with_borrow(|index| index.is_sorted()) {
///             true => Ok(()),
///             false => Err("the index is damaged".to_owned()),
///         }
///     }
/// }
/// # canic::export_candid!();
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn role(attribute: TokenStream, item: TokenStream) -> TokenStream {
    role::role(attribute.into(), item.into()).into()
}

/// An endpoint that may change the canister's state.
///
/// The attribute goes on a function, `async` or not. canic decodes the function's arguments from
/// the message and replies with its value. A `Result<T, E>` is replied as such, and an error counts
/// as a failed call.
///
/// ```
/// use canic::prelude::*;
///
/// #[canic::update(allow(root, role = "hub"))]
/// async fn work(job: String) -> Result<u64, String> {
///     job.parse().map_err(|_| "not a number".to_owned())
/// }
///
/// #[canic::update(allow(controller), guard = is_open)]
/// fn reset() {}
///
/// fn is_open() -> Result<(), String> {
///     Err("closed on Sundays".to_owned())
/// }
/// ```
///
/// # Options
///
/// The options are those of `ic_cdk::update`, with paths without quotes, and `allow`.
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `allow(..)` | the allowed callers: a caller passes if one item matches | `anyone` |
/// | `guard = path` | a `fn() -> Result<(), String>` that must pass as well, and whose reason the caller is told; may be repeated | none |
/// | `name = "work"` | the exported name; `canic_..` is reserved | the function's |
/// | `hidden` | leave the endpoint out of the Candid interface | shown |
/// | `manual_reply` | the function replies itself, and returns `PhantomData<T>` to declare the type | the value is replied |
/// | `decode_with = path` | a `fn(Vec<u8>)` that returns the argument, or a tuple of several | Candid |
/// | `decoding_quota = 1_000_000` | the most that decoding the arguments may cost, in Candid's units: a value costs from 1 to 60 a byte, one without bytes from 4 | 100,000, and 64 for each byte of the message |
/// | `encode_with = path` | a function of the returned value that returns `Vec<u8>` | Candid |
/// | `crate = path` | the path of the `canic` crate, if it has another name | `::canic` |
///
/// ```
/// # extern crate canic as framework;
/// # mod ic_cdk { pub mod api { pub fn msg_reply(_: impl AsRef<[u8]>) {} } }
/// use std::marker::PhantomData;
///
/// #[canic::update(name = "begin-work", hidden, decoding_quota = 1_000_000)]
/// fn begin(jobs: Vec<String>) {}
///
/// #[framework::update(crate = framework, allow(controller), guard = is_open)]
/// fn reset() {}
///
/// #[canic::update(manual_reply)]
/// fn count() -> PhantomData<u64> {
///     ic_cdk::api::msg_reply(candid::encode_one(7_u64).unwrap());
///     PhantomData
/// }
///
/// #[canic::update(decode_with = text, encode_with = bytes)]
/// fn shout(word: String) -> String {
///     word.to_uppercase()
/// }
///
/// fn text(argument: Vec<u8>) -> String {
///     String::from_utf8_lossy(&argument).into_owned()
/// }
///
/// fn bytes(word: String) -> Vec<u8> {
///     word.into_bytes()
/// }
/// # fn is_open() -> Result<(), String> { Ok(()) }
/// ```
///
/// ## `allow(..)`
///
/// | Item | Callers |
/// |---|---|
/// | `anyone` | every caller; it is the only item then |
/// | `controller` | the controllers of this canister |
/// | `root` | the root of this canister's fleet |
/// | `parent` | the parent of this canister |
/// | `child` | the canisters whose parent this canister is |
/// | `member` | the members of this canister's fleet |
/// | `role = "hub"` | the members of that role; may be repeated |
/// | `guard = path` | callers that a `fn() -> Result<(), String>` lets pass; may be repeated |
///
/// ```
/// #[canic::update(allow(anyone))]
/// fn greet() {}
///
/// #[canic::update(allow(controller, root, parent, child, guard = is_friend))]
/// fn work() {}
///
/// #[canic::update(allow(member))]
/// fn gossip() {}
///
/// #[canic::update(allow(role = "hub", role = "index"))]
/// fn report() {}
///
/// fn is_friend() -> Result<(), String> {
///     Err("no friend of ours".to_owned())
/// }
/// ```
#[proc_macro_attribute]
pub fn update(attribute: TokenStream, item: TokenStream) -> TokenStream {
    endpoint::endpoint(endpoint::Kind::Update, attribute.into(), item.into()).into()
}

/// An endpoint that reads the canister's state.
///
/// ```
/// #[canic::query]
/// fn jobs_done() -> u64 {
///     7
/// }
///
/// #[canic::query(composite, allow(member))]
/// async fn jobs_everywhere() -> u64 {
///     7
/// }
/// ```
///
/// # Options
///
/// The options of [`macro@update`], and:
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `composite` | the query may call queries of other canisters; only ingress may call it | not composite |
#[proc_macro_attribute]
pub fn query(attribute: TokenStream, item: TokenStream) -> TokenStream {
    endpoint::endpoint(endpoint::Kind::Query, attribute.into(), item.into()).into()
}

/// Removes a function after Candid's macro, which stands above this one, has read it.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn read_already(_attribute: TokenStream, _item: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// Implements Candid's trait for a type of canic's own endpoints. Not for authors: only
/// `canic-runtime` has what it names.
#[doc(hidden)]
#[proc_macro_derive(CandidTable, attributes(serde))]
pub fn candid_table(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    candid_table::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Implements the decoding of a type of canic's own endpoints. Not for authors: only
/// `canic-runtime` has what it names.
#[doc(hidden)]
#[proc_macro_derive(TableRead, attributes(serde))]
pub fn table_read(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    table_read::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
