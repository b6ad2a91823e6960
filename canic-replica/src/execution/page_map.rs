//! The pages of a memory that were written, as the kernel's page map knows them.
//!
//! A guest may grow its memory to gigabytes and use little of it, or map a large image and write to
//! a few of its pages. Only those pages need to be compared.

use std::{iter, ops::Range};

use crate::memory::PAGE;

/// The pages of `memory` that were written since they were mapped. Some of them may have been
/// written with what they held before.
pub(super) fn written_pages(memory: &[u8]) -> Vec<Range<usize>> {
    os::written_pages(memory).unwrap_or_else(|| iter::once(0..memory.len() / PAGE).collect())
}

#[cfg(target_os = "linux")]
mod os {
    use std::{fs::File, io, ops::Range, os::unix::fs::FileExt, sync::LazyLock};

    use rustix::{
        ioctl::{Opcode, Updater, ioctl, opcode},
        param::page_size,
    };

    use crate::memory::PAGE;

    pub(super) static PAGE_MAP: LazyLock<Option<File>> = LazyLock::new(|| {
        let map = File::open("/proc/self/pagemap").ok();
        map.filter(|_| page_size() == PAGE)
    });

    /// The written pages, or `None` if the kernel does not tell.
    pub(super) fn written_pages(memory: &[u8]) -> Option<Vec<Range<usize>>> {
        let map = PAGE_MAP.as_ref()?;
        scan(map, memory).or_else(|_| read(map, memory)).ok()
    }

    /// The argument of the kernel's `PAGEMAP_SCAN`, as `linux/fs.h` declares it.
    #[derive(Default)]
    #[repr(C)]
    struct Scan {
        size: u64,
        flags: u64,
        start: u64,
        end: u64,
        /// Where the kernel stopped.
        walk_end: u64,
        regions: u64,
        regions_len: u64,
        max_pages: u64,
        inverted: u64,
        all_of: u64,
        any_of: u64,
        returned: u64,
    }

    /// Consecutive pages. They are followed by one of zeros if the kernel did not fill them all.
    #[derive(Clone, Copy, Default)]
    #[repr(C)]
    struct Region {
        start: u64,
        end: u64,
        categories: u64,
    }

    const PAGEMAP_SCAN: Opcode = opcode::read_write::<Scan>(b'f', 16);
    /// Categories of pages: of a file, which private mappings have until they write; in memory;
    /// swapped out; the kernel's page of zeros, which anonymous mappings have until they write.
    const IS_FILE: u64 = 1 << 2;
    const IS_PRESENT: u64 = 1 << 3;
    const IS_SWAPPED: u64 = 1 << 4;
    const IS_ZERO: u64 = 1 << 5;

    /// Asks for the written pages. Linux can do this since version 6.7.
    pub(super) fn scan(map: &File, memory: &[u8]) -> io::Result<Vec<Range<usize>>> {
        let base = memory.as_ptr().addr() as u64;
        let end = base + memory.len() as u64;
        let page = |address: u64| (address - base) as usize / PAGE;
        let mut written = Vec::new();
        let mut start = base;
        while start < end {
            let mut regions = [Region::default(); 64];
            let mut scan = Scan {
                size: size_of::<Scan>() as u64,
                start,
                end,
                regions: regions.as_mut_ptr().expose_provenance() as u64,
                regions_len: regions.len() as u64,
                inverted: IS_FILE | IS_ZERO,
                all_of: IS_FILE | IS_ZERO,
                any_of: IS_PRESENT | IS_SWAPPED,
                ..Scan::default()
            };
            // SAFETY: the request has this number and takes this argument. The kernel writes to the
            // argument, and at most `regions_len` regions.
            unsafe { ioctl(map, Updater::<PAGEMAP_SCAN, Scan>::new(&mut scan)) }?;
            let filled = regions.iter().take_while(|region| region.end > 0);
            written.extend(filled.map(|region| page(region.start)..page(region.end)));
            if scan.walk_end <= start {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            start = scan.walk_end;
        }
        Ok(written)
    }

    /// Bits of an entry of the page map: in memory or swapped out; a page of a file.
    const PRESENT: u64 = 3 << 62;
    const FILE: u64 = 1 << 61;

    /// Reads the entries of all pages: older kernels know no other way.
    pub(super) fn read(map: &File, memory: &[u8]) -> io::Result<Vec<Range<usize>>> {
        let mut entries = vec![0; memory.len() / PAGE * 8];
        let first = (memory.as_ptr().addr() / PAGE) as u64;
        map.read_exact_at(&mut entries, first * 8)?;
        let (entries, _) = entries.as_chunks::<8>();
        let mut written: Vec<Range<usize>> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let entry = u64::from_le_bytes(*entry);
            if entry & PRESENT == 0 || entry & FILE != 0 {
                continue;
            }
            match written.last_mut() {
                Some(range) if range.end == index => range.end += 1,
                _ => written.push(index..index + 1),
            }
        }
        Ok(written)
    }
}

/// Elsewhere all pages are compared.
#[cfg(not(target_os = "linux"))]
mod os {
    use std::ops::Range;

    pub(super) fn written_pages(_: &[u8]) -> Option<Vec<Range<usize>>> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_ask_for_written_pages_find_them() {
        let mut bytes = vec![0_u8; 4 << 20];
        let start = bytes.as_ptr().align_offset(PAGE);
        let memory = &mut bytes[start..][..900 * PAGE];
        let written = [0, 1, 2, 77, 500, 899];
        for page in written {
            memory[page * PAGE + 5] = 1;
        }
        assert_eq!(memory[300 * PAGE], 0);
        let Some(map) = os::PAGE_MAP.as_ref() else {
            return;
        };
        for found in [os::scan(map, memory), os::read(map, memory)]
            .into_iter()
            .flatten()
        {
            let found: Vec<usize> = found.into_iter().flatten().collect();
            assert!(found.is_sorted());
            assert!(written.iter().all(|page| found.contains(page)), "{found:?}");
        }
    }
}
