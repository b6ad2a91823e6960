//! The heap in an instance's memory: mapped from an image if it is large, else copied.
//!
//! A mapping is private: the kernel copies a page when the guest writes to it, so that the image
//! stays as it is.

use wasmtime::Store;

use crate::{
    canister::execution_state::ExecutionState, execution::system_api::host::Host, memory::WASM_PAGE,
};

/// Runs `body` while the heap is in the memory of a fresh instance, which has the heap's size.
pub(super) fn with_heap<T>(
    store: &mut Store<Host>,
    code: &ExecutionState,
    body: impl FnOnce(&mut Store<Host>) -> T,
) -> T {
    let Some(memory) = store.data().memory else {
        return body(store);
    };
    let bytes = memory.data_mut(&mut *store);
    // The engine maps data segments by itself. Beyond them, a fresh memory is anonymous.
    let start = code.module.data_end.next_multiple_of(WASM_PAGE) as usize;
    let (data, rest) = bytes.split_at_mut(start.min(bytes.len()));
    // SAFETY: `store` is borrowed until `body` has ended, so the instance lives on, and the engine
    // does not move memories.
    let mapping = unsafe { os::Mapping::new(&code.heap, rest, start) };
    match mapping {
        Some(_) => code.heap.restore(data),
        None => code.heap.restore(bytes),
    }
    let result = body(store);
    // The engine uses the memory for other instances.
    drop(mapping);
    result
}

#[cfg(target_os = "linux")]
mod os {
    use std::{process, sync::Arc};

    use rustix::{
        mm::{MapFlags, ProtFlags, mmap, mmap_anonymous},
        param::page_size,
    };

    use crate::memory::{Heap, PAGE, images::Image};

    /// A part of an instance's memory that shows an image.
    pub(super) struct Mapping {
        start: *mut u8,
        length: usize,
        /// While a message holds the image, nobody changes it.
        image: Arc<Image>,
    }

    impl Mapping {
        /// Maps an image of `heap` into `memory`, the part of an instance's memory that begins with
        /// byte `offset`. `None` if the heap is to be copied.
        ///
        /// # Safety
        /// Until the mapping is dropped, the instance lives and its memory does not move. `memory`
        /// is anonymous, begins at a page of the system, and is zero.
        pub(super) unsafe fn new(heap: &Heap, memory: &mut [u8], offset: usize) -> Option<Self> {
            if page_size() != PAGE || !memory.as_ptr().addr().is_multiple_of(PAGE) {
                return None;
            }
            let image = heap.image(offset / PAGE)?;
            let length = image
                .bytes()
                .checked_sub(offset)
                .filter(|length| *length > 0)?;
            let mapping = Self {
                start: memory.get_mut(..length)?.as_mut_ptr(),
                length,
                image,
            };
            // SAFETY: the range lies within memory that we borrow, and stays readable and writable.
            // The file has these bytes, and they do not change.
            let mapped = unsafe {
                mmap(
                    mapping.start.cast(),
                    length,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE,
                    mapping.image.file(),
                    mapping.image.offset() + offset as u64,
                )
            };
            // If it failed, the kernel may have removed the old mapping: dropping ours renews it.
            mapped.is_ok().then_some(mapping)
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: the range lies within the memory of an instance that lives, and nobody
            // borrows it. It is again what it was: anonymous, readable, writable and zero.
            let mapped = unsafe {
                mmap_anonymous(
                    self.start.cast(),
                    self.length,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE,
                )
            };
            if let Err(error) = mapped {
                // Otherwise another canister would see this one's heap.
                eprintln!("the system has no memory left for its tables: {error}");
                process::abort();
            }
        }
    }
}

/// Elsewhere all pages are copied.
#[cfg(not(target_os = "linux"))]
mod os {
    use std::convert::Infallible;

    use crate::memory::Heap;

    pub(super) struct Mapping(Infallible);

    impl Mapping {
        /// # Safety
        /// None is needed.
        pub(super) unsafe fn new(_: &Heap, _: &mut [u8], _: usize) -> Option<Self> {
            None
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{sync::Arc, thread};

    use candid::Principal;
    use proptest::prelude::{
        ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };

    use super::*;
    use crate::{
        canister::{Canister, settings::Settings},
        execution::{
            execute,
            executed::Executed,
            message::{Context, Entry, Message, SubnetContext},
            program_cache,
        },
        memory::{Heap, PAGE, Pages, images::Images, pages::statistics},
        prices::Prices,
        subnets::SubnetKind,
    };

    /// Bytes of the canister's memory at the start, and the most that the tests use.
    const BYTES: usize = 30 * WASM_PAGE as usize;
    const MOST: usize = 40 * WASM_PAGE as usize;

    /// Each method's argument is a place, a length and a byte.
    const CANISTER: &str = r#"
        (module
          (import "ic0" "msg_arg_data_copy" (func $arg (param i32 i32 i32)))
          (import "ic0" "msg_reply" (func $reply))
          (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
          (memory 30 40)
          (data (i32.const 70000) "data")
          (func $fill
            (call $arg (i32.const 0) (i32.const 0) (i32.const 12))
            (memory.fill
              (i32.load (i32.const 0)) (i32.load (i32.const 8)) (i32.load (i32.const 4))))
          (func (export "canister_update fill") (call $fill) (call $reply))
          (func (export "canister_update trap") (call $fill) (unreachable))
          (func (export "canister_update spin") (call $fill) (loop $again (br $again)))
          (func (export "canister_update grow")
            (drop (memory.grow (i32.const 2)))
            (call $fill)
            (call $reply))
          (func (export "canister_query fill_and_show")
            (call $fill)
            (call $append (i32.const 0) (i32.mul (memory.size) (i32.const 65536)))
            (call $reply))
          (func (export "canister_query show")
            (call $append (i32.const 0) (i32.mul (memory.size) (i32.const 65536)))
            (call $reply)))
    "#;

    #[derive(Clone)]
    struct Guest {
        canister: Arc<Canister>,
        subnet: Arc<SubnetContext>,
    }

    impl Guest {
        fn new(wat: &str) -> Self {
            let nobody = Principal::anonymous();
            let program = program_cache::load(&wat::parse_str(wat).unwrap()).unwrap();
            let mut canister = Canister::new(nobody, 0, Settings::default(), 1 << 100, 0);
            canister.code = Some(ExecutionState::fresh(Arc::clone(&program.module)));
            let subnet = SubnetContext {
                id: nobody,
                nodes: 13,
                prices: Prices::of(SubnetKind::System),
                root_key: Vec::new(),
                signature_fees: Arc::default(),
            };
            Self {
                canister: Arc::new(canister),
                subnet: Arc::new(subnet),
            }
        }

        fn code(&mut self) -> &mut ExecutionState {
            Arc::make_mut(&mut self.canister).code.as_mut().unwrap()
        }

        /// Runs a method, and commits what it did. One that never ends uses up its instructions.
        fn run(&mut self, method: &str, payload: Vec<u8>) -> Executed {
            let context = match method.split_once(' ') {
                Some(("canister_query", _)) => Context::Query,
                _ => Context::Update,
            };
            let (entry, nobody) = (Entry::Export(method.into()), Principal::anonymous());
            let limit = match method.ends_with("spin") {
                true => 5_000_000,
                false => 40_000_000_000,
            };
            let mut message = Message::new(context, entry, nobody, 0, limit);
            message.payload = payload;
            message.responded = false;
            let mut executed = execute(&self.canister, &self.subnet, message);
            if let Ok(changes) = &mut executed.outcome
                && let Some(code) = changes.code.take()
            {
                Arc::make_mut(&mut self.canister).code = Some(code);
            }
            executed
        }

        /// The state for the same module that a snapshot has: one that was taken, or one whose heap
        /// was uploaded.
        fn snapshot(&self, is_uploaded: bool) -> ExecutionState {
            let mut code = self.canister.code.clone().unwrap();
            if is_uploaded {
                let mut heap = Heap::fresh(code.heap.size);
                heap.write(0, &self.contents());
                code.heap = heap.rebase(&Pages::default(), &code.module.initial);
            }
            code
        }

        fn contents(&self) -> Vec<u8> {
            let code = self.canister.code.as_ref().unwrap();
            let mut bytes = vec![7; (code.heap.size * WASM_PAGE) as usize];
            code.heap.read(&code.module.initial, 0, &mut bytes);
            bytes
        }
    }

    fn reply(executed: Executed) -> Vec<u8> {
        let changes = executed.outcome.map_err(|trap| trap.to_string()).unwrap();
        changes.answer.unwrap().unwrap()
    }

    fn argument(at: usize, length: usize, byte: u8) -> Vec<u8> {
        [at as u32, length as u32, byte.into()]
            .map(u32::to_le_bytes)
            .concat()
    }

    #[derive(Clone, Debug)]
    enum Act {
        Run(&'static str, usize, usize, u8),
        /// Goes on with the other fork.
        Switch,
        /// The other fork becomes a fork of this one.
        Fork,
        /// Takes a snapshot.
        Save,
        /// Loads it. It may have been downloaded and uploaded in between.
        Load {
            is_uploaded: bool,
        },
    }

    fn act() -> impl Strategy<Value = Act> {
        let method = prop_oneof![
            4 => proptest::prelude::Just("canister_update fill"),
            2 => proptest::prelude::Just("canister_update trap"),
            1 => proptest::prelude::Just("canister_update spin"),
            1 => proptest::prelude::Just("canister_update grow"),
            1 => proptest::prelude::Just("canister_query fill_and_show"),
            1 => proptest::prelude::Just("canister_query show"),
        ];
        let length = prop_oneof![4 => 1..20_000_usize, 1 => 1..MOST];
        prop_oneof![
            8 => (method, 12..MOST, length, 0..3_u8)
                .prop_map(|(method, at, length, byte)| Act::Run(method, at, length, byte)),
            1 => any::<bool>().prop_map(|fork| if fork { Act::Fork } else { Act::Switch }),
            1 => proptest::prelude::Just(Act::Save),
            1 => any::<bool>().prop_map(|is_uploaded| Act::Load { is_uploaded }),
        ]
    }

    /// The memory after a call that does not trap.
    fn filled(memory: &[u8], grown: usize, argument: &[u8]) -> Vec<u8> {
        let mut memory = memory.to_vec();
        memory.resize((memory.len() + grown).min(MOST), 0);
        memory[..12].copy_from_slice(argument);
        let number = |i: usize| u32::from_le_bytes(argument[i..i + 4].try_into().unwrap());
        memory[number(0) as usize..][..number(4) as usize].fill(argument[8]);
        memory
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 48,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn a_mapped_heap_is_what_a_copied_heap_is(
            acts in proptest::collection::vec(act(), 1..40),
        ) {
            let mut guest = Guest::new(CANISTER);
            let full = argument(65_536 + 8, BYTES - 65_536 - 8, 5);
            reply(guest.run("canister_update fill", full));
            let mut copied = guest.clone();
            copied.code().heap.images = Images::none();
            let mut model = guest.contents();
            let mut other = (guest.clone(), copied.clone(), model.clone());
            let mut saved = other.clone();
            for act in acts {
                match act {
                    Act::Run(method, at, length, byte) => {
                        let at = at.min(model.len() - 1);
                        let payload = argument(at, length.min(model.len() - at), byte);
                        let mapped = guest.run(method, payload.clone());
                        let plain = copied.run(method, payload.clone());
                        prop_assert_eq!(mapped.instructions, plain.instructions);
                        let grows = usize::from(method.ends_with("grow"));
                        let grown = grows * 2 * WASM_PAGE as usize;
                        let after = filled(&model, grown, &payload);
                        match method {
                            "canister_query show" => prop_assert!(reply(mapped) == model),
                            "canister_query fill_and_show" => prop_assert!(reply(mapped) == after),
                            "canister_update trap" | "canister_update spin" => {
                                prop_assert!(mapped.outcome.is_err());
                            }
                            _ => {
                                reply(mapped);
                                model = after;
                            }
                        }
                    }
                    Act::Fork => other = (guest.clone(), copied.clone(), model.clone()),
                    Act::Save => saved = (guest.clone(), copied.clone(), model.clone()),
                    Act::Load { is_uploaded } => {
                        *guest.code() = saved.0.snapshot(is_uploaded);
                        *copied.code() = saved.1.snapshot(is_uploaded);
                        if is_uploaded {
                            copied.code().heap.images = Images::none();
                        }
                        model.clone_from(&saved.2);
                    }
                    Act::Switch => {
                        let now = (guest, copied, model);
                        (guest, copied, model) = std::mem::replace(&mut other, now);
                    }
                }
                prop_assert!(guest.contents() == model);
                prop_assert!(copied.contents() == model);
                let code = |guest: &Guest| guest.canister.code.as_ref().unwrap().heap.pages.clone();
                let pages = |guest: &Guest| code(guest).iter().map(|(i, _)| i).collect::<Vec<_>>();
                prop_assert_eq!(pages(&guest), pages(&copied));
            }
        }
    }

    #[test]
    fn the_pages_that_a_message_costs_do_not_depend_on_the_heap() {
        const WAT: &str = r#"
            (module
              (memory 1700)
              (func (export "canister_update all")
                (memory.fill (i32.const 65536) (i32.const 1) (i32.const 100000000)))
              (func (export "canister_update some")
                (i32.store (i32.const 10000000) (i32.const 2))
                (i32.store (i32.const 20000000) (i32.const 2))
                (i32.store (i32.const 30000000) (i32.const 0x01010101)))
              (func (export "canister_query none")))
        "#;
        let mut guest = Guest::new(WAT);
        let mut pages = |method: &str| {
            assert!(guest.run(method, Vec::new()).outcome.is_ok());
            statistics::taken()
        };
        pages("canister_update all");
        // One message copies all pages, and the next one puts them into an image.
        let all = 100_000_000 / PAGE as u64;
        assert!(pages("canister_query none") > all);
        assert!(pages("canister_query none") > all);
        assert_eq!(pages("canister_query none"), 0);
        // Three pages are compared; two of them have changed, and go into the image.
        assert_eq!(pages("canister_update some"), 3);
        assert_eq!(pages("canister_query none"), 2);
        assert_eq!(pages("canister_query none"), 0);
    }

    /// The pages that some messages copy or compare, and the entries of the nodes above pages, once
    /// a heap of this size is mapped. The last two messages run in a fork and in its origin.
    fn work(megabytes: usize) -> Vec<(u64, u64)> {
        const WAT: &str = r#"
            (module
              (memory PAGES)
              (func (export "canister_update all")
                (memory.fill (i32.const 65536) (i32.const 1) (i32.const BYTES)))
              (func (export "canister_update one")
                (i32.store (i32.const 800000)
                  (i32.add (i32.load (i32.const 800000)) (i32.const 1))))
              (func (export "canister_update trap")
                (i32.store (i32.const 700000) (i32.const 3)) (unreachable))
              (func (export "canister_query none")))
        "#;
        let bytes = megabytes * 1_000_000;
        let pages = bytes.div_ceil(WASM_PAGE as usize) + 1;
        let wat = WAT.replace("PAGES", &pages.to_string());
        let mut guest = Guest::new(&wat.replace("BYTES", &bytes.to_string()));
        let run = |guest: &mut Guest, method: &str| {
            guest.run(method, Vec::new());
            (statistics::taken(), statistics::taken_entries())
        };
        for method in ["update all", "update one", "update one", "update one"] {
            run(&mut guest, &format!("canister_{method}"));
        }
        let methods = ["query none", "update one", "update trap", "update one"];
        let here = methods.map(|method| run(&mut guest, &format!("canister_{method}")));
        let mut fork = guest.clone();
        let there = [
            run(&mut fork, "canister_update one"),
            run(&mut guest, "canister_update one"),
        ];
        [&here[..], &there].concat()
    }

    #[test]
    fn a_hundred_times_the_heap_is_at_most_a_third_more_work() {
        let (small, large) = (work(1), work(100));
        for (message, (small, large)) in std::iter::zip(small, large).enumerate() {
            assert!(small.0 <= 4, "message {message}: {small:?}");
            assert_eq!(small.0, large.0, "message {message}");
            let ratio = large.1 as f64 / small.1 as f64;
            assert!(ratio <= 1.3, "message {message}: {small:?}, {large:?}");
        }
    }

    #[test]
    fn forks_run_at_the_same_time() {
        let mut guest = Guest::new(CANISTER);
        let full = argument(65_536 + 8, BYTES - 65_536 - 8, 5);
        reply(guest.run("canister_update fill", full));
        let threads: Vec<_> = (0..4_u8)
            .map(|fork| {
                let mut guest = guest.clone();
                thread::spawn(move || {
                    let mut model = guest.contents();
                    for round in 0..60_usize {
                        let at = 65_536 + round * 7_000 + usize::from(fork);
                        let payload = argument(at, 9_000, fork);
                        model = filled(&model, 0, &payload);
                        reply(guest.run("canister_update fill", payload));
                        assert!(reply(guest.run("canister_query show", Vec::new())) == model);
                        assert!(guest.contents() == model);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    }
}
