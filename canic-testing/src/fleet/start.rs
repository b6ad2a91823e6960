//! The start of a fleet: modules are built, root is installed, roles get their modules, and the
//! pool is filled. All this happens once in a process; each test gets a fork.

use std::{
    collections::BTreeMap,
    env,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use candid::utils::{ArgumentEncoder, encode_args};
use canic::api::{ProvisionError, ProvisionRequest, Provisioned};
use canic_replica::{Config, Replica, SubnetKind, SystemCanisters};

use super::{Fleet, fork};
use crate::{
    build::{Module, package_of_role},
    harness::{CHUNK, Harness, Setup, T},
    network::ground::Ground,
    principal::principal_of,
};

/// The environment variable that names a server of PocketIC, as a path of its binary. Without it
/// fleets live in the test's process.
pub const SERVER: &str = "CANIC_TESTING_SERVER";

/// The time of an instance with ledgers: 10 May 2021, in nanoseconds since 1970. They don't exist
/// earlier.
const START: u64 = 1_620_633_601_000_000_000;

/// A fleet that is to be started. Equal builders in one process share what they prepare.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FleetBuilder {
    package: String,
    root: Module,
    roles: BTreeMap<String, Module>,
    cycles: u128,
    argument: Vec<u8>,
    subnets: usize,
    ledgers: bool,
}

impl Fleet {
    /// The fleet of a root, which is a package of the author's workspace.
    #[must_use]
    pub fn of(root_package: &str) -> FleetBuilder {
        FleetBuilder::new(root_package)
    }
}

impl FleetBuilder {
    fn new(package: &str) -> Self {
        Self {
            package: package.to_string(),
            root: Module::of(package),
            roles: BTreeMap::new(),
            cycles: 100 * T,
            argument: b"DIDL\0\0".to_vec(),
            subnets: 1,
            ledgers: false,
        }
    }

    /// Names the module of a role that root does not embed: a package, or a [`Module`]. Without
    /// that, the package of the workspace is taken whose source says `#[canic::role("role"`.
    #[must_use]
    pub fn role(mut self, role: &str, module: impl Into<Module>) -> Self {
        self.roles.insert(role.to_string(), module.into());
        self
    }

    /// Takes another module for root than the plain build of its package.
    #[must_use]
    pub fn root_module(mut self, module: impl Into<Module>) -> Self {
        self.root = module.into();
        self
    }

    /// The cycles that root begins with; 100 T by default.
    #[must_use]
    pub fn cycles(mut self, cycles: u128) -> Self {
        self.cycles = cycles;
        self
    }

    /// The argument of root's install; none by default.
    ///
    /// # Panics
    /// When it can't be encoded.
    #[must_use]
    pub fn args(mut self, args: impl ArgumentEncoder) -> Self {
        self.argument = encode_args(args).expect("the argument can be encoded");
        self
    }

    /// The number of application subnets; root is on the first.
    #[must_use]
    pub fn subnets(mut self, subnets: usize) -> Self {
        self.subnets = subnets.max(1);
        self
    }

    /// Adds the ICP ledger, the cycles ledger and the cycles minting canister. The anonymous
    /// principal is rich there.
    #[must_use]
    pub fn with_ledgers(mut self) -> Self {
        self.ledgers = true;
        self
    }

    /// Starts the fleet: builds the modules, installs root, gives roles their modules, and waits
    /// until the pool is ready. In the test's process all this happens once, and every call answers
    /// a fork of that, in milliseconds. On a server every call starts anew.
    ///
    /// # Panics
    /// A build fails, root's `init` refuses, or the fleet does not become quiet: with the reason.
    #[must_use]
    pub fn start(&self) -> Fleet {
        let harness = match server() {
            Some(path) => self.prepare(|| on_server(&path, self.subnets, self.ledgers)),
            None => self.forked(),
        };
        Fleet {
            harness: Mutex::new(harness.unwrap_or_else(|why| panic!("{why}"))),
            package: self.package.as_str().into(),
        }
    }

    /// A fork of the fleet that the first call prepares.
    fn forked(&self) -> Result<Harness<Ground>, String> {
        type Prepared = Arc<OnceLock<Result<Harness<Ground>, String>>>;
        static PREPARED: Mutex<BTreeMap<String, Prepared>> = Mutex::new(BTreeMap::new());
        let mut all = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = all.entry(format!("{self:?}")).or_default().clone();
        drop(all);
        let prepared = prepared.get_or_init(|| self.prepare(|| self.in_process()));
        let prepared = prepared.as_ref().map_err(Clone::clone)?;
        fork(prepared).ok_or_else(|| "a fleet in the process can be forked".to_string())
    }

    fn in_process(&self) -> Result<Ground, String> {
        let mut subnets = vec![SubnetKind::Application; self.subnets];
        if self.ledgers {
            subnets.extend([SubnetKind::NNS, SubnetKind::II]);
        }
        let config = Config {
            subnets,
            time: self.ledgers.then_some(START),
            system_canisters: SystemCanisters {
                icp_ledger: self.ledgers,
                cycles_ledger: self.ledgers,
                cycles_minting: self.ledgers,
            },
            ..Config::default()
        };
        Ok(Ground::Process(Box::new(Replica::new(config)?)))
    }

    fn prepare(
        &self,
        network: impl FnOnce() -> Result<Ground, String>,
    ) -> Result<Harness<Ground>, String> {
        // The modules first: a build may take longer than an idle server waits.
        let module = self.root.bytes()?;
        let roles = self.roles.iter();
        let roles = roles.map(|(role, module)| Ok((role.as_str(), module.bytes()?)));
        let roles: BTreeMap<&str, Vec<u8>> = roles.collect::<Result<_, String>>()?;
        let setup = Setup {
            module,
            argument: self.argument.clone(),
            cycles: self.cycles,
            controller: principal_of("controller"),
            chunk: CHUNK,
        };
        let harness = Harness::start(network()?, (), setup);
        let mut harness = harness.map_err(|reject| {
            let why = &reject.message;
            format!("root (`{}`) can't be installed: {why}", self.package)
        })?;
        harness.settle()?;
        for (role, module) in &roles {
            harness.approve_module(role, module);
        }
        for role in roles_without_module(&mut harness) {
            let package = package_of_role(&role, &self.package)?;
            harness.approve_module(&role, &Module::of(&package).bytes()?);
        }
        self.know_embedded_modules(&mut harness)?;
        harness.settle()?;
        Ok(harness)
    }

    /// Keeps the modules that root embeds, so that their members can be upgraded to the code that
    /// they run. One whose package can't be told is left out.
    fn know_embedded_modules(&self, harness: &mut Harness<Ground>) -> Result<(), String> {
        for module in harness.modules() {
            if module.embedded
                && let Ok(package) = package_of_role(&module.role, &self.package)
            {
                harness.know_module(&Module::of(&package).bytes()?);
            }
        }
        Ok(())
    }
}

/// The roles that root declares, and that have no module. A root that declares none accepts all.
fn roles_without_module(harness: &mut Harness<Ground>) -> Vec<String> {
    // Root names the roles that it knows when it is asked for one that it does not know. It changes
    // nothing.
    let request = ProvisionRequest {
        role: "canic-testing".to_string(),
        key: None,
        parent: None,
        arg: Vec::new(),
    };
    let answer: Result<Provisioned, ProvisionError> =
        harness.ask(harness.controller, "canic_provision", (request,));
    let Err(ProvisionError::UnknownRole { mut known, .. }) = answer else {
        return Vec::new();
    };
    let modules = harness.modules();
    known.retain(|role| modules.iter().all(|module| module.role != *role));
    known
}

/// The path of the server, if tests are to run on one.
fn server() -> Option<std::path::PathBuf> {
    let path = env::var_os(SERVER)?;
    (!path.is_empty()).then(|| path.into())
}

#[cfg(feature = "pocket-ic")]
fn on_server(path: &std::path::Path, subnets: usize, ledgers: bool) -> Result<Ground, String> {
    let server = crate::network::server::Server::start(path, subnets, ledgers);
    Ok(Ground::Server(Box::new(server)))
}

#[cfg(not(feature = "pocket-ic"))]
fn on_server(path: &std::path::Path, _: usize, _: bool) -> Result<Ground, String> {
    Err(format!(
        "{SERVER} names the server {}, and canic-testing was built without its feature `pocket-ic`",
        path.display()
    ))
}
