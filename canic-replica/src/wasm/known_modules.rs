//! Modules in a state on disk. The state names each by its hash; their bytes are beside it, and are
//! compiled before the state is read.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::wasm::Module;

/// Modules by their hashes.
pub(crate) type Modules = BTreeMap<[u8; 32], Arc<Module>>;

thread_local! {
    /// The modules of the state that this thread reads.
    static KNOWN: RefCell<Modules> = const { RefCell::new(BTreeMap::new()) };
}

/// Reads a state with these modules.
pub(crate) fn with<T>(modules: Modules, read: impl FnOnce() -> T) -> T {
    KNOWN.set(modules);
    let state = read();
    KNOWN.take();
    state
}

pub(crate) fn serialize<S: Serializer>(
    module: &Arc<Module>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    module.hash.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<Module>, D::Error> {
    let hash = <[u8; 32]>::deserialize(deserializer)?;
    let module = KNOWN.with_borrow(|known| known.get(&hash).cloned());
    module.ok_or_else(|| D::Error::custom("a module is missing"))
}
