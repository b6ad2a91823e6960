//! The heap in an instance's memory: mapped from an image if it is large, else copied.
//!
//! A mapping is private: the kernel copies a page when the guest writes to it, so that the image
//! stays as it is, and the kernel's page map tells which pages were written.

use std::ops::Range;

use wasmtime::Store;

use crate::{
    canister::execution_state::ExecutionState,
    execution::system_api::host::Host,
    memory::{PAGE, WASM_PAGE},
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

/// The pages of an instance's memory that may differ from what [`with_heap`] put there.
pub(super) fn written_pages(memory: &[u8]) -> Vec<Range<usize>> {
    os::written_pages(memory).unwrap_or_else(|| vec![0..memory.len() / PAGE])
}

#[cfg(target_os = "linux")]
mod os {
    use std::{
        fs::File,
        ops::Range,
        os::unix::fs::FileExt,
        process,
        sync::{Arc, LazyLock},
    };

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
        _image: Arc<Image>,
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
            let image = heap.image()?;
            let length = image
                .bytes()
                .checked_sub(offset)
                .filter(|length| *length > 0)?;
            let mapping = Self {
                start: memory.get_mut(..length)?.as_mut_ptr(),
                length,
                _image: image,
            };
            // SAFETY: the range lies within memory that we borrow, and stays readable and writable.
            // The file has these bytes, and they do not change.
            let mapped = unsafe {
                mmap(
                    mapping.start.cast(),
                    length,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE,
                    mapping._image.file(),
                    offset as u64,
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

    static PAGE_MAP: LazyLock<Option<File>> = LazyLock::new(|| {
        let map = File::open("/proc/self/pagemap").ok();
        map.filter(|_| page_size() == PAGE)
    });

    /// Bits of an entry of the page map: in memory, or swapped out.
    const PRESENT: u64 = 3 << 62;
    /// A page of a file. A private mapping has them until it writes.
    const FILE: u64 = 1 << 61;

    /// The pages that the process has written since they were mapped, as the kernel knows them.
    /// `None`: the kernel does not tell.
    pub(super) fn written_pages(memory: &[u8]) -> Option<Vec<Range<usize>>> {
        let mut entries = vec![0; memory.len() / PAGE * 8];
        let first = (memory.as_ptr().addr() / PAGE) as u64;
        (PAGE_MAP.as_ref()?.read_exact_at(&mut entries, first * 8)).ok()?;
        let (entries, _) = entries.as_chunks::<8>();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let entry = u64::from_le_bytes(*entry);
            if entry & PRESENT == 0 || entry & FILE != 0 {
                continue;
            }
            match ranges.last_mut() {
                Some(range) if range.end == index => range.end += 1,
                _ => ranges.push(index..index + 1),
            }
        }
        Some(ranges)
    }
}

/// Elsewhere all pages are copied and compared.
#[cfg(not(target_os = "linux"))]
mod os {
    use std::{convert::Infallible, ops::Range};

    use crate::memory::Heap;

    pub(super) struct Mapping(Infallible);

    impl Mapping {
        /// # Safety
        /// None is needed.
        pub(super) unsafe fn new(_: &Heap, _: &mut [u8], _: usize) -> Option<Self> {
            None
        }
    }

    pub(super) fn written_pages(_: &[u8]) -> Option<Vec<Range<usize>>> {
        None
    }
}
