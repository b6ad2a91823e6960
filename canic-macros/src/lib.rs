//! The attribute macros of canic. Authors reach them through the `canic` crate, which re-exports them.
//!
//! Each attribute is three steps, each in a file of its own: `args` reads what is written, `check` makes a typed model
//! of it or says everything that is wrong, and `expand` turns the model into code, which cannot fail. Generated code
//! is thin: it names types and calls `canic::__private::entry`, where what happens is written down once.
//!
//! [`root`] and [`role`] share `hooks`, the item they stand on; `service` lists the endpoints that they add.

mod crate_path;
mod diag;
mod endpoint;
mod handles;
mod hooks;
mod interface;
mod options;
mod role;
mod root;
mod service;
mod signature;
#[cfg(test)]
mod snapshots;
mod values;

use proc_macro::TokenStream;

/// The canister that owns a fleet.
///
/// It goes on a unit struct, or on an inherent `impl` block whose functions are the canister's hooks; one crate has one
/// root, or one [`role`]. Without options there is no pool, and any role with an approved module may be provisioned;
/// naming roles closes the set.
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
/// // Each role has become a function, typed by its argument: a misspelt role does not compile.
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
/// | `role(..)` | name a role and its limits; may be repeated | any role with an approved module |
/// | `reserve = "5T"` | cycles below which root starts nothing that costs | `"1T"` |
/// | `stable_memory = "64GiB"` | what its stable memory can grow to; fixed by the first install | `"4GiB"` |
/// | `http` | serve metrics to browsers and Prometheus | not served |
/// | `crate = path` | where the `canic` crate is, if it has another name | `::canic` |
///
/// ## `pool(..)`
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `max = 10` | never more canisters than these | required |
/// | `min = 2` | refilled in the background up to these | 0: only what is recycled |
/// | `cycles = "1T"` | what a canister of the pool is created with | `"1T"` |
///
/// ## `role(..)`
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `name = "worker"` | `a-z`, then `a-z`, `0-9`, `_` and `-`, at most 40 bytes; not `root`, nor a hook's name | required |
/// | `max = 100` | at most so many members, those being provisioned included | no limit |
/// | `max_per_parent = 10` | at most so many of them below one parent | no limit |
/// | `singleton` | one member, and every request means that one | not one |
/// | `cycles = "2T"` | what a member starts with; the creation fee comes on top | `"1T"` |
/// | `parents("root", "hub")` | who may be its members' parent | `"root"` |
/// | `watches("worker")` | roles whose members root announces to members of this one | none |
/// | `controllers(parent, "<principal>")` | controllers besides root: the parent, or principals | root alone |
/// | `rollback = "delete"` | what becomes of a canister whose install failed: `"recycle"` or `"delete"` | `"recycle"` |
/// | `wasm = "path/worker.wasm"` | a module to embed, relative to the manifest; the build notices when it changes | staged at run time |
/// | `args = path::Type` | the argument of its `init`, which types `Fleet::worker()`; a type with `<..>` in quotes | untyped |
///
/// An amount of cycles is a number, or in quotes with a unit: `"10M"`, `"500B"`, `"1T"`, `"1.5T"`.
///
/// # Hooks
///
/// | Function | Arguments | Returns | Runs |
/// |---|---|---|---|
/// | `fn init` | what the install was given, decoded | nothing, or `Result<(), E>` | inside `canister_init`; an error fails the install |
/// | `fn pre_upgrade` | none | nothing, or `Result<(), E>` | before an upgrade; an error stops it |
/// | `fn post_upgrade` | those of `init`, or none | nothing, or `Result<(), E>` | after an upgrade; an error undoes it |
/// | `async fn start` | none | nothing, or `Result<(), E>` | after the install and after every upgrade; may await |
/// | `fn inspect_message` | none | `bool` | on ingress, besides canic's own checks: whether to take the message |
/// | `fn heartbeat`, `async` or not | none | nothing | every round |
/// | `fn on_low_wasm_memory` | none | nothing | when memory runs low |
///
/// Every hook is optional, and the block holds nothing else: a helper belongs in another `impl` block.
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
/// It goes on a unit struct, or on an inherent `impl` block whose functions are the canister's hooks, which are those of
/// [`root`].
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
/// | `"worker"` | the role's name; it stands first | required |
/// | `child(name = "shard", ..)` | a role that this member provisions; may be repeated | none by name |
/// | `http` | serve metrics to browsers and Prometheus | not served |
/// | `subscribes` | subscribe to root's announcements in `init` and after each upgrade | with `child(..)` the same, else with the first lookup |
/// | `stable_memory = "64GiB"` | what its stable memory can grow to; fixed by the first install | `"4GiB"` |
/// | `crate = path` | where the `canic` crate is, if it has another name | `::canic` |
///
/// ## `child(..)`
///
/// As a root has a function for each of its roles, so has a member for what it provisions. Whether it may is for
/// root to say, with the role's `parents`.
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `name = "shard"` | the role; its own may be among them | required |
/// | `args = path::Type` | the argument of its `init`, which types `Hub::shard()`; a type with `<..>` in quotes | untyped |
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
#[proc_macro_attribute]
pub fn role(attribute: TokenStream, item: TokenStream) -> TokenStream {
    role::role(attribute.into(), item.into()).into()
}

/// An endpoint that may change the canister's state.
///
/// It goes on a function, `async` or not, whose arguments are decoded from the message and whose value is replied.
/// A returned `Result<T, E>` is replied as such, and counted as failed if it is an error.
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
/// They are those of `ic_cdk::update`, with paths that stand without quotes, and `allow`.
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `allow(..)` | who may call: any one of these is enough | `anyone` |
/// | `guard = path` | a `fn() -> Result<(), String>` that must pass besides; may be repeated | none |
/// | `name = "work"` | the name it is called by; `canic_..` is reserved | the function's |
/// | `hidden` | leave it out of the Candid interface | shown |
/// | `manual_reply` | the function replies itself, and returns `PhantomData<T>` to say what | the value is replied |
/// | `decode_with = path` | a `fn(Vec<u8>)` that returns the argument, or a tuple of several | Candid |
/// | `encode_with = path` | a function of the returned value that returns `Vec<u8>` | Candid |
/// | `crate = path` | where the `canic` crate is, if it has another name | `::canic` |
///
/// ## `allow(..)`
///
/// | Word | Who |
/// |---|---|
/// | `anyone` | everybody; it stands alone |
/// | `controller` | the controllers of this canister |
/// | `root` | the root of this canister's fleet |
/// | `parent` | the parent of this canister |
/// | `child` | the canisters whose parent this canister is |
/// | `member` | the members of this canister's fleet |
/// | `role = "hub"` | the members of that role; may be repeated |
/// | `guard = path` | whom a `fn() -> Result<(), String>` lets pass; may be repeated |
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
/// Those of [`update`], and:
///
/// | Option | Meaning | Default |
/// |---|---|---|
/// | `composite` | it may call queries of other canisters; only ingress may call it | not composite |
#[proc_macro_attribute]
pub fn query(attribute: TokenStream, item: TokenStream) -> TokenStream {
    endpoint::endpoint(endpoint::Kind::Query, attribute.into(), item.into()).into()
}

/// Takes a function away that Candid's macro, which stands above it, has read by then.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn read_already(_attribute: TokenStream, _item: TokenStream) -> TokenStream {
    TokenStream::new()
}
