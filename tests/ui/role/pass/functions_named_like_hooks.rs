//! Functions with the name of a hook that are no hook by mistake: the author calls them, exports
//! them, or has them elsewhere.

mod setup {
    pub(super) fn init() {}
    pub(super) fn heartbeat() {}
}

mod worker {
    struct Worker;

    #[canic::role("worker")]
    impl Worker {
        fn init() {
            init(7);
        }

        fn post_upgrade() {
            super::setup::init();
            super::setup::heartbeat();
        }
    }

    fn init(_: u8) {}

    /// Called by its name.
    fn pre_upgrade() {}

    #[canic::update(guard = inspect_message)]
    fn start() {
        pre_upgrade();
    }

    fn inspect_message() -> Result<(), String> {
        Err("closed on Sundays".to_string())
    }

    #[cfg(test)]
    fn on_low_wasm_memory() {}
}

canic::export_candid!();

fn main() {}
