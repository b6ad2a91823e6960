//! Fuzz tests of arguments, modules and requests, drawn from a seed: the host stays up, no cycle is
//! lost, and a caller whose request is refused gets the reason.
//!
//! The environment variables `FUZZ_SEED` and `FUZZ_RUNS` (for each test) choose other and longer
//! runs. A failure prints the seed that repeats it with `FUZZ_RUNS=1`. In the crate
//! `canic-replica/fuzz` libFuzzer chooses the bytes for the same checks.

pub(crate) mod candid;
mod draws;
pub(crate) mod http;
mod requests;
pub(crate) mod wasm;

/// The number of bytes that a run draws from; past their end it draws zeros.
const BYTES: usize = 8 << 10;

/// Runs `check` on the bytes of one seed after the other; prints the seed that fails.
fn fuzz(runs: u64, check: impl Fn(&[u8])) {
    struct Seed(u64);
    impl Drop for Seed {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("to repeat: FUZZ_SEED={} FUZZ_RUNS=1", self.0);
            }
        }
    }
    let variable = |name, default| match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    };
    let first: u64 = variable("FUZZ_SEED", 1);
    for seed in first..first + variable("FUZZ_RUNS", runs) {
        let _seed = Seed(seed);
        check(&bytes(seed));
    }
}

/// Bytes from a seed (SplitMix64).
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    });
    words.take(BYTES / 8).flat_map(u64::to_le_bytes).collect()
}

#[test]
fn no_argument_harms_the_management_canister() {
    fuzz(600, candid::check);
}

#[test]
fn no_module_harms_the_host() {
    fuzz(800, wasm::check);
}

#[test]
fn no_request_harms_the_server() {
    fuzz(200, http::check);
}
