//! The modules of the author's canisters, which cargo builds once in a test run.

mod cargo;
mod workspace;

use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

pub(crate) use self::workspace::package_of_role;

/// The environment variable that names a folder of built modules. A module that is there is not
/// built.
pub const CANISTERS_DIR: &str = "CANIC_CANISTERS_DIR";

/// A module of a canister: a build of a package of the author's workspace, or bytes.
///
/// ```
/// use canic_testing::Module;
///
/// let strict = Module::of("worker").features(["strict"]);
/// let same_code_again = Module::of("worker").renewed();
/// assert_ne!(strict, same_code_again);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Module {
    source: Source,
    renewals: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Package { name: String, features: Vec<String> },
    Bytes(Arc<Vec<u8>>),
}

impl Module {
    /// The build of a package of the workspace.
    #[must_use]
    pub fn of(package: &str) -> Self {
        let source = Source::Package {
            name: package.to_string(),
            features: Vec::new(),
        };
        Self {
            source,
            renewals: 0,
        }
    }

    /// A module that is there already: Wasm or gzipped Wasm.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self {
            source: Source::Bytes(Arc::new(bytes)),
            renewals: 0,
        }
    }

    /// The build with these features of the package, besides its default ones.
    #[must_use]
    pub fn features<F: Into<String>>(mut self, more: impl IntoIterator<Item = F>) -> Self {
        if let Source::Package { features, .. } = &mut self.source {
            features.extend(more.into_iter().map(Into::into));
        }
        self
    }

    /// The same code under another hash, as a release that changes nothing. It must not be gzipped.
    #[must_use]
    pub fn renewed(mut self) -> Self {
        self.renewals += 1;
        self
    }

    /// The module's bytes. The first call in a test run builds the package.
    ///
    /// # Errors
    /// There is no such package, or its build fails: a sentence that says so. Cargo's messages are
    /// on standard error.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        let mut bytes = match &self.source {
            Source::Bytes(bytes) => bytes.to_vec(),
            Source::Package { name, features } => built(name, features)?.to_vec(),
        };
        for _ in 0..self.renewals {
            // A custom section of five bytes, named "new!".
            bytes.extend([0, 5, 4, b'n', b'e', b'w', b'!']);
        }
        Ok(bytes)
    }
}

/// The build of a package.
impl From<&str> for Module {
    fn from(package: &str) -> Self {
        Self::of(package)
    }
}

/// A module that was built, or the reason why there is none.
type Built = Result<Arc<Vec<u8>>, String>;

/// The module of a package, built once in a process.
fn built(package: &str, features: &[String]) -> Built {
    type Cache = BTreeMap<(String, Vec<String>), Arc<OnceLock<Built>>>;
    static MODULES: Mutex<Cache> = Mutex::new(BTreeMap::new());
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (package.to_string(), features.to_vec());
    let module = modules.entry(key).or_default().clone();
    drop(modules);
    let module = module.get_or_init(|| match prebuilt(package, features) {
        Some(file) => fs::read(&file)
            .map(Arc::new)
            .map_err(|e| format!("{}: {e}", file.display())),
        None => cargo::build(package, features).map(Arc::new),
    });
    module.clone()
}

/// The module's file in the folder of built modules, if there is one.
fn prebuilt(package: &str, features: &[String]) -> Option<PathBuf> {
    let folder = PathBuf::from(env::var_os(CANISTERS_DIR)?);
    let file = folder.join(format!("{}.wasm", cargo::file_stem(package, features)));
    file.exists().then_some(file)
}
