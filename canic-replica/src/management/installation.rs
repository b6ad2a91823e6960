//! The installation of code: install, reinstall, upgrade, uninstall.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use candid::Principal;
use ic_management_canister_types as types;

use crate::{
    canister::{Canister, calls::Request, consumption::Purpose, execution_state::ExecutionState},
    execution::{
        execute,
        executed::Executed,
        message::{Context, Entry, Message, SubnetContext},
        program_cache,
        programs::Program,
        trap::Trap,
    },
    faults::{Direction, Effect, Faults, Site},
    management::{
        call::{ManagementResult, decode, origin, reply},
        persistence,
        storage::{MAX_CHUNK, MAX_CHUNKS, chunk_error},
    },
    memory::{Stable, WASM_PAGE},
    network::Network,
    prices::{INSTALL_LIMIT, compilation},
    reject::{self, Reject, RejectCode, contract, refused},
    trace::{Kind, Outcome},
    wasm::address_type::AddressType,
};

/// The argument of `install_code`, decoded with the module as bytes and not as a list of numbers.
#[derive(candid::CandidType, candid::Deserialize)]
struct InstallCodeArgs {
    mode: types::CanisterInstallMode,
    canister_id: Principal,
    #[serde(with = "serde_bytes")]
    wasm_module: Vec<u8>,
    #[serde(with = "serde_bytes")]
    arg: Vec<u8>,
    sender_canister_version: Option<u64>,
}

/// An order to install code.
struct Order {
    mode: types::CanisterInstallMode,
    canister: Principal,
    source: Source,
    arg: Vec<u8>,
    sender_version: Option<u64>,
}

/// The source of a module.
enum Source {
    Module(Vec<u8>),
    /// The canister that stores the chunks, the hashes of the chunks in order, and the hash of the
    /// module.
    Chunks(Arc<Canister>, Vec<types::ChunkHash>, [u8; 32]),
}

impl Source {
    /// The instructions for joining the chunks: each chunk counts as a full one.
    fn instructions(&self) -> u64 {
        match self {
            Self::Module(_) => 0,
            Self::Chunks(_, list, _) => list.len() as u64 * MAX_CHUNK as u64,
        }
    }

    /// The address type of the module, which decides the price of the installation. Bytes that are
    /// no module count as 32-bit.
    fn address(&self) -> AddressType {
        let module = self.module().ok();
        module.map_or_else(AddressType::default, |bytes| {
            program_cache::address_of(&bytes)
        })
    }

    fn module(&self) -> Result<Cow<'_, [u8]>, Reject> {
        let (store, list, wanted) = match self {
            Self::Module(module) => return Ok(module.into()),
            Self::Chunks(store, list, wanted) => (store, list, wanted),
        };
        let mut module = Vec::new();
        for types::ChunkHash { hash } in list {
            let Ok(name) = <[u8; 32]>::try_from(hash.as_slice()) else {
                let why = "Chunk hash is invalid. The length is not 32".into();
                return Err(chunk_error(why));
            };
            let chunk = store.chunks.get(&name);
            let chunk =
                chunk.ok_or_else(|| chunk_error(format!("Chunk hash {hash:?} was not found")))?;
            module.extend_from_slice(chunk);
        }
        let found = program_cache::hash_of(&module);
        if found != *wanted {
            return Err(chunk_error(format!(
                "Wasm module hash {found:?} does not match given hash {wanted:?}"
            )));
        }
        Ok(module.into())
    }
}

/// The governance canister of the NNS, `rrkah-fqaaa-aaaaa-aaaaq-cai`. It may uninstall the code of
/// any canister.
const GOVERNANCE: Principal = Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);

impl Network {
    pub(crate) fn install_code(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(InstallCodeArgs,)>(request)?;
        self.install(
            request,
            Order {
                mode: args.mode,
                canister: args.canister_id,
                source: Source::Module(args.wasm_module),
                arg: args.arg,
                sender_version: args.sender_canister_version,
            },
        )
    }

    pub(crate) fn install_chunked_code(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::InstallChunkedCodeArgs,)>(request)?;
        let target = args.target_canister;
        let subnet = self.require_canister_mut(target)?.subnet;
        let store = args.store_canister.unwrap_or(target);
        let found = self.canisters.get(&store).filter(|c| c.subnet == subnet);
        let chunks = Arc::clone(found.ok_or_else(|| {
            refused(format!(
                "InstallChunkedCode Error: Store canister {store} was not found on subnet {} of \
                 target canister {target}",
                self.subnets[subnet].context.id
            ))
        })?);
        if store != request.sender {
            self.require_controlled(store, request)?;
        }
        if args.chunk_hashes_list.len() > MAX_CHUNKS {
            let why = format!("A module has at most {MAX_CHUNKS} chunks");
            return Err(chunk_error(why));
        }
        let hash = args.wasm_module_hash.try_into();
        let hash = hash.map_err(|hash| contract(format!("Invalid wasm hash {hash:?}")))?;
        self.install(
            request,
            Order {
                mode: args.mode,
                canister: target,
                source: Source::Chunks(chunks, args.chunk_hashes_list, hash),
                arg: args.arg,
                sender_version: args.sender_canister_version,
            },
        )
    }

    pub(crate) fn uninstall_code(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::UninstallCodeArgs,)>(request)?;
        let now = self.time;
        if request.sender != GOVERNANCE {
            self.require_managed(args.canister_id, request)?;
        }
        self.uninstall(args.canister_id);
        let origin = origin(request, args.sender_canister_version);
        self.require_canister_mut(args.canister_id)?.record(
            now,
            origin,
            types::ChangeDetails::CodeUninstall,
        );
        reply(())
    }

    /// Removes code and memory. All open requests of the canister are rejected.
    pub(crate) fn uninstall(&mut self, id: Principal) {
        let Some(canister) = self.canister_mut(id) else {
            return;
        };
        canister.clear_code();
        let subnet = canister.subnet;
        let mut unanswered = Vec::new();
        for context in canister.contexts.values_mut() {
            context.deleted = true;
        }
        let contexts: Vec<_> = canister.contexts.keys().copied().collect();
        for context in contexts {
            if let Some(context) = canister.set_responded(context) {
                unanswered.push((
                    context.origin,
                    context.sender,
                    std::mem::take(&mut context.available),
                ));
            }
        }
        canister
            .contexts
            .retain(|_, context| context.outstanding > 0);
        for (origin, sender, refund) in unanswered {
            let reject = Reject::new(
                RejectCode::CanisterReject,
                406,
                "Canister has been uninstalled.",
            );
            self.respond(origin, sender, Err(reject), refund, Some(subnet));
        }
    }

    /// Writes an event for each function that an installation ran.
    fn record_lifecycle_events(
        &mut self,
        id: Principal,
        request: &Request,
        events: Vec<(&'static str, Outcome, u64)>,
    ) {
        for (task, outcome, instructions) in events {
            let request = Request {
                callee: id,
                method: task.into(),
                cycles: 0,
                ..request.clone()
            };
            self.record_event(Kind::Lifecycle, &request, outcome, instructions);
        }
    }

    /// Installs code on a draft of the canister, and commits the draft if all functions succeed.
    /// The canister pays for the instructions in any case.
    fn install(&mut self, request: &Request, order: Order) -> ManagementResult {
        let id = order.canister;
        self.require_controlled(id, request)?;
        let canister = self
            .canisters
            .get(&id)
            .cloned()
            .ok_or_else(|| reject::not_found(id))?;
        let subnet = canister.subnet;
        let subnet_context = Arc::clone(&self.subnets[subnet].context);
        let address = order.source.address();
        let in_advance = subnet_context.prices.execution(address, INSTALL_LIMIT);
        self.check_can_pay(&canister, in_advance, &request.sender)
            .map_err(|reject| Reject {
                message: format!("Canister installation failed with `{}`.", reject.message),
                ..reject
            })?;

        let mut draft = Draft {
            canister,
            subnet_context,
            request,
            now: self.time,
            left: INSTALL_LIMIT,
            limits_method_names: self.limits_method_names,
            events: Vec::new(),
            burnt: 0,
            compiled: &self.subnets[subnet].compiled,
            faults: &mut self.faults,
            round: self.round,
            next_event: self.next_event,
        };
        Arc::make_mut(&mut draft.canister).balance -= in_advance;
        let limited = self.rate_limited && draft.canister.installs_again > draft.round;
        let result = match limited {
            true => Err(rate_limit(id)),
            false => draft.install(&order),
        };
        let spent = INSTALL_LIMIT - draft.left;
        let cost = (draft.subnet_context.prices).executed(address, INSTALL_LIMIT, spent);
        let rounds = spent.div_ceil(draft.subnet_context.prices.installs_per_round);
        let Draft {
            canister: mut installed,
            events,
            burnt,
            ..
        } = draft;
        self.ledger.fees.execution += cost;
        self.subnets[installed.subnet]
            .counters
            .add_instructions(spent);
        self.record_lifecycle_events(id, request, events);
        if result.is_ok() {
            let canister = Arc::make_mut(&mut installed);
            canister.balance += in_advance - cost;
            canister.consumption.add(Purpose::Instructions, cost);
            canister.consumption.add(Purpose::Burned, burnt);
            self.ledger.burnt += burnt;
            let module = installed.code.as_ref().map(|code| code.module.hash);
            self.subnets[subnet].compiled.extend(module);
            self.canisters.insert(installed);
        } else {
            // A failed installation leaves its costs and its log. As on the platform, the log of a
            // failed reinstallation begins empty.
            let logs = (installed.logs.clone(), installed.logs_written);
            let canister = self.require_canister_mut(id)?;
            canister.pay(Purpose::Instructions, cost);
            (canister.logs, canister.logs_written) = logs;
        }
        if spent > 0 {
            self.require_canister_mut(id)?.installs_again = self.round + rounds;
        }
        result?;
        reply(())
    }
}

/// The reject for a module that is not valid.
pub(super) fn invalid_module(id: Principal, why: &str) -> Reject {
    let why = format!("Error from Canister {id}: Canister's Wasm module is not valid: {why}");
    Reject::new(RejectCode::CanisterError, 505, why)
}

fn rate_limit(id: Principal) -> Reject {
    let why = format!(
        "Canister {id} is rate limited because it executed too many instructions in the previous \
         install_code messages. Please retry installation after several minutes."
    );
    Reject::new(RejectCode::SysTransient, 209, why)
}

/// A canister on which code is being installed.
struct Draft<'a> {
    canister: Arc<Canister>,
    subnet_context: Arc<SubnetContext>,
    request: &'a Request,
    now: u64,
    /// The remaining instructions.
    left: u64,
    limits_method_names: bool,
    events: Vec<(&'static str, Outcome, u64)>,
    burnt: u128,
    /// The hashes of the modules that the subnet need not compile again.
    compiled: &'a BTreeSet<[u8; 32]>,
    faults: &'a mut Faults,
    round: u64,
    /// The number of the next event.
    next_event: u64,
}

impl Draft<'_> {
    /// Checks that the mode of installation fits the canister.
    fn check_mode(&self, mode: types::CanisterInstallMode) -> Result<(), Reject> {
        use types::CanisterInstallMode::{Install, Upgrade};
        let id = self.canister.id;
        match (mode, &self.canister.code) {
            (Install, Some(_)) => {
                let why = format!(
                    "Canister {id} cannot be installed because the canister is not empty. Try \
                     installing with mode='reinstall' instead."
                );
                Err(Reject::new(RejectCode::CanisterError, 514, why))
            }
            (Upgrade(_), None) => Err(Trap::NoModule.reject(id)),
            _ => Ok(()),
        }
    }

    /// Loads the module.
    fn load(&mut self, order: &Order) -> Result<Arc<Program>, Reject> {
        let id = self.canister.id;
        self.spend(order.source.instructions())?;
        let bytes = order.source.module()?;
        persistence::check_is_given(order.mode, self.canister.code.as_ref())?;
        let program = program_cache::load(&bytes).map_err(|why| invalid_module(id, &why))?;
        if self.limits_method_names {
            program
                .module
                .check_method_names()
                .map_err(|why| invalid_module(id, &why))?;
        }
        persistence::check_can_keep_heap(order.mode, &program.module)?;
        let is_compiled = self.compiled.contains(&program.module.hash);
        self.spend(compilation(program.module.operators, is_compiled))?;
        Ok(program)
    }

    fn spend(&mut self, instructions: u64) -> Result<(), Reject> {
        let left = self.left.checked_sub(instructions);
        self.left = left.unwrap_or(0);
        match left {
            Some(_) => Ok(()),
            None => Err(Trap::Instructions(INSTALL_LIMIT).reject(self.canister.id)),
        }
    }

    fn install(&mut self, order: &Order) -> Result<(), Reject> {
        use types::CanisterInstallMode::{Install, Reinstall, Upgrade};
        self.check_mode(order.mode)?;
        let hash;
        let mode = match order.mode {
            Install | Reinstall => {
                let module = Arc::clone(&self.load(order)?.module);
                hash = module.hash.to_vec();
                let canister = Arc::make_mut(&mut self.canister);
                canister.code = Some(ExecutionState::fresh(module));
                canister.stable = Stable::default();
                canister.certified_data = Vec::new();
                canister.timer = None;
                canister.logs.clear();
                self.bump();
                self.run(Context::Start, Entry::Start, "start", &[])?;
                self.run_export(Context::Init, "canister_init", &order.arg)?;
                if matches!(order.mode, Install) {
                    types::CodeDeploymentMode::Install
                } else {
                    types::CodeDeploymentMode::Reinstall
                }
            }
            Upgrade(flags) => {
                if flags.and_then(|flags| flags.skip_pre_upgrade) != Some(true) {
                    self.run_export(Context::PreUpgrade, "canister_pre_upgrade", &[])?;
                }
                // The old code runs before the new module is looked at.
                let program = self.load(order)?;
                hash = program.module.hash.to_vec();
                self.replace(&program, persistence::keeps_heap(order.mode))?;
                self.bump();
                self.run(Context::Start, Entry::Start, "start", &[])?;
                self.run_export(Context::Init, "canister_post_upgrade", &order.arg)?;
                types::CodeDeploymentMode::Upgrade
            }
        };
        let canister = Arc::make_mut(&mut self.canister);
        let limit = canister.settings.wasm_memory_limit;
        let heap = canister.code.as_ref().map_or(0, |code| code.heap.size) * WASM_PAGE;
        if limit > 0 && heap > limit {
            return Err(Trap::MemoryLimit(limit, heap).reject(canister.id));
        }
        let details = types::CodeDeploymentRecord {
            mode,
            module_hash: hash,
        };
        let canister = Arc::make_mut(&mut self.canister);
        canister.installed_at = self.now;
        let origin = origin(self.request, order.sender_version);
        // The new code has seen the new version already.
        canister.record_here(
            self.now,
            origin,
            types::ChangeDetails::CodeDeployment(details),
        );
        Ok(())
    }

    /// Increments the version: the new code sees the new version.
    fn bump(&mut self) {
        Arc::make_mut(&mut self.canister).version += 1;
    }

    /// Replaces the code. The new memory is fresh, or that of the old code. Globals are fresh.
    fn replace(&mut self, program: &Program, keep: bool) -> Result<(), Reject> {
        let canister = Arc::make_mut(&mut self.canister);
        let mut code = ExecutionState::fresh(Arc::clone(&program.module));
        if let (true, Some(old)) = (keep, &canister.code) {
            code.heap = old.heap.rebase(&old.module.initial, &code.module.initial);
            code.heap.size = code.heap.size.max(code.module.initial_size);
            persistence::check_fits(program, code.heap.size)?;
        }
        canister.code = Some(code);
        canister.timer = None;
        Ok(())
    }

    /// The effect of an injected fault on a function of the installation, which can only trap.
    fn fire(&mut self, name: &str) -> Option<Effect> {
        if !self.faults.has_any() {
            return None;
        }
        let site = Site {
            direction: Direction::Call,
            caller: self.request.sender,
            callee: self.canister.id,
            method: name.to_owned(),
        };
        let event = self.next_event + self.events.len() as u64;
        let fault = self.faults.fire(site, self.round, event)?;
        Some(match fault {
            Effect::Trap { .. } => fault,
            _ => Effect::trap(),
        })
    }

    fn run_export(
        &mut self,
        context: Context,
        name: &'static str,
        arg: &[u8],
    ) -> Result<(), Reject> {
        if self
            .canister
            .code
            .as_ref()
            .is_some_and(|code| code.module.has_export(name))
        {
            self.run(context, Entry::Export(name.into()), name, arg)?;
        }
        Ok(())
    }

    fn run(
        &mut self,
        context: Context,
        entry: Entry,
        name: &'static str,
        arg: &[u8],
    ) -> Result<(), Reject> {
        let starts = self
            .canister
            .code
            .as_ref()
            .is_some_and(|code| code.module.state_exports.start.is_some());
        if context == Context::Start && !starts {
            return Ok(());
        }
        let mut message = Message::new(context, entry, self.request.sender, self.now, self.left);
        message.payload = arg.to_vec();
        message.fault = self.fire(name);
        let Executed {
            outcome,
            instructions,
            prints,
        } = execute(&self.canister, &self.subnet_context, message);
        self.left -= instructions.min(self.left);
        let canister = Arc::make_mut(&mut self.canister);
        for line in prints {
            canister.log(self.now, line);
        }
        match outcome {
            Ok(changes) => {
                self.burnt += changes.burnt;
                changes.apply_to(canister);
                self.events.push((name, Outcome::Ok, instructions));
                Ok(())
            }
            Err(trap) => {
                let reject = trap.reject(canister.id);
                self.events.push((
                    name,
                    Outcome::Trap {
                        message: reject.text(),
                    },
                    instructions,
                ));
                Err(reject)
            }
        }
    }
}
