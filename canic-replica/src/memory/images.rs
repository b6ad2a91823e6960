//! Images: the contents of heaps in a file in memory, so that an instance can map them instead of
//! copying each page.
//!
//! An image is a cache. The pages of a [`crate::memory::Heap`] are the truth, and an image is
//! brought up to date from them when a message needs it: only pages that differ are written.
//!
//! One file has all images, each in a part of its own: a file descriptor for each of them would use
//! up those of the process.

use std::{
    fs::{self, File},
    io,
    sync::{
        Arc, LazyLock, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::memory::pages::{PAGE, Pages, ZERO, statistics};

/// Heaps with fewer pages are copied into each instance: that is faster than mapping them.
const MIN_PAGES: usize = 64;

/// The images of all heaps in this process. A quarter of the machine's memory may hold them.
static SHELF: LazyLock<Shelf> = LazyLock::new(|| {
    Shelf::new(Limits {
        bytes: (memory() / 4).max(2 << 30),
        images: 1_000,
        age: 1_000,
    })
});

/// The file of all images.
static FILE: LazyLock<io::Result<File>> = LazyLock::new(os::create_file);

/// Bytes of the file for one image. No heap is longer.
const PART: u64 = 1 << 36;
/// The longest file that a system has, in bytes.
const MAX_FILE: u64 = i64::MAX as u64;

/// The next part that no image has had. They last for a hundred million images.
static NEXT_PART: AtomicU64 = AtomicU64::new(0);

/// The contents of one heap, which messages map.
pub(crate) struct Image {
    file: &'static File,
    /// Where it begins in the file.
    offset: u64,
    /// What it holds. Absent pages are zero.
    pages: Pages,
    /// The number of those that are present.
    present: u64,
    /// When a message last asked for it.
    last_used: AtomicU64,
    shelf: &'static Shelf,
}

impl Image {
    fn new(shelf: &'static Shelf) -> io::Result<Self> {
        let file = FILE.as_ref().map_err(io::Error::kind)?;
        let next = |offset: u64| offset.checked_add(PART).filter(|end| *end <= MAX_FILE);
        let offset = NEXT_PART.fetch_update(Relaxed, Relaxed, next);
        let offset = offset.map_err(|_| io::ErrorKind::FileTooLarge)?;
        shelf.images.fetch_add(1, Relaxed);
        Ok(Self {
            file,
            offset,
            pages: Pages::new(),
            present: 0,
            last_used: AtomicU64::new(0),
            shelf,
        })
    }

    pub(crate) fn file(&self) -> &File {
        self.file
    }

    /// Where the image begins in its file.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes up to the last page that is present. The file is at least this long.
    pub(crate) fn bytes(&self) -> usize {
        self.pages.end() * PAGE
    }

    /// Whether more than a quarter of these pages differs.
    fn mostly_differs_from(&self, pages: &Pages) -> bool {
        let most = self.present as usize / 4;
        pages.differences(&self.pages).nth(most).is_some()
    }

    /// Writes the pages that differ. After an error, the image is of no use.
    fn update(&mut self, pages: &Pages) -> io::Result<()> {
        for index in pages.differences(&self.pages) {
            let page = pages.get(index);
            let at = self.offset + index as u64 * PAGE as u64;
            os::write_page(self.file, page.unwrap_or(&ZERO), at)?;
            statistics::count(1);
            match (self.pages.get(index), page) {
                (None, Some(_)) => {
                    self.present += 1;
                    self.shelf.pages.fetch_add(1, Relaxed);
                }
                (Some(_), None) => {
                    self.present -= 1;
                    self.shelf.pages.fetch_sub(1, Relaxed);
                }
                _ => {}
            }
        }
        self.pages = pages.clone();
        Ok(())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.shelf.images.fetch_sub(1, Relaxed);
        // What the system does not take back stays counted.
        if os::free(self.file, self.offset, PART).is_ok() {
            self.shelf.pages.fetch_sub(self.present, Relaxed);
        }
    }
}

/// The images of one heap, of its forks, and of the states that it had or will have.
pub(crate) struct Images {
    state: Mutex<State>,
    shelf: &'static Shelf,
}

#[derive(Default)]
struct State {
    images: Vec<Arc<Image>>,
    worth: Worth,
}

/// Whether a new image is worth its while. To write one takes longer than to copy the heap: it only
/// pays if further messages find most pages as they are now.
#[derive(Default)]
struct Worth {
    /// Messages that copied the heap instead.
    copied: u32,
    /// The last images that were of no use to any further message.
    useless: u32,
}

impl Worth {
    /// The limit of copies before another image is tried, as a power of two.
    const MAX_PATIENCE: u32 = 6;

    /// Whether to try one now. Each that was of no use doubles the wait for the next one.
    fn try_image(&mut self) -> bool {
        if self.copied < 1 << self.useless {
            self.copied += 1;
            return false;
        }
        self.copied = 0;
        self.useless = Self::MAX_PATIENCE.min(self.useless + 1);
        true
    }

    /// A message found most pages in place.
    fn record_hit(&mut self) {
        *self = Self::default();
    }
}

impl Default for Images {
    fn default() -> Self {
        Self::on(&SHELF)
    }
}

impl Images {
    fn on(shelf: &'static Shelf) -> Self {
        Self {
            state: Mutex::default(),
            shelf,
        }
    }

    /// An image with these contents, which the caller maps from page `start` on. It does not change
    /// while the caller holds it. `None` if the caller had better copy the pages.
    pub(crate) fn image_of(self: &Arc<Self>, pages: &Pages, start: usize) -> Option<Arc<Image>> {
        let mut mapped = pages.iter().skip_while(|(index, _)| *index < start);
        mapped.nth(MIN_PAGES - 1)?;
        let now = self.shelf.clock.fetch_add(1, Relaxed);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { images, worth } = &mut *state;
        let current = images.iter().find(|image| image.pages.is_same(pages));
        let image = match current {
            Some(image) => {
                worth.record_hit();
                Arc::clone(image)
            }
            None => {
                // An image that no message uses can change.
                let free = images
                    .iter()
                    .position(|image| Arc::strong_count(image) == 1);
                let free = free.and_then(|index| Arc::into_inner(images.swap_remove(index)));
                let mut image = match free.filter(|image| !image.mostly_differs_from(pages)) {
                    Some(image) => {
                        worth.record_hit();
                        image
                    }
                    None if worth.try_image() && self.shelf.has_room_for(pages, now, self) => {
                        Image::new(self.shelf).ok()?
                    }
                    None => return None,
                };
                image.update(pages).ok()?;
                let image = Arc::new(image);
                images.push(Arc::clone(&image));
                image
            }
        };
        image.last_used.store(now, Relaxed);
        Some(image)
    }

    /// Drops the images that no message has used since `time`.
    fn evict(&self, time: u64) {
        // Whoever holds the lock uses an image.
        if let Ok(mut state) = self.state.try_lock() {
            (state.images).retain(|image| {
                Arc::strong_count(image) > 1 || image.last_used.load(Relaxed) >= time
            });
        }
    }
}

/// The limits of all images. If they are reached, and each image was used lately, further heaps are
/// copied.
struct Limits {
    bytes: u64,
    /// Whoever makes room looks at all of them.
    images: u64,
    /// An image is no longer needed once so many others were asked for.
    age: u64,
}

/// All images, for their limits.
struct Shelf {
    limits: Limits,
    /// Counts the requests.
    clock: AtomicU64,
    images: AtomicU64,
    /// Pages of all images.
    pages: AtomicU64,
    owners: Mutex<Vec<Weak<Images>>>,
}

impl Shelf {
    const fn new(limits: Limits) -> Self {
        Self {
            limits,
            clock: AtomicU64::new(0),
            images: AtomicU64::new(0),
            pages: AtomicU64::new(0),
            owners: Mutex::new(Vec::new()),
        }
    }

    /// Whether `owner` may have one more image, with these contents.
    fn has_room_for(&self, pages: &Pages, now: u64, owner: &Arc<Images>) -> bool {
        let bytes = pages.iter().count() as u64 * PAGE as u64;
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.retain(|owner| owner.strong_count() > 0);
        if !self.holds(bytes) {
            let time = now.saturating_sub(self.limits.age);
            for owner in owners.iter().filter_map(Weak::upgrade) {
                owner.evict(time);
            }
        }
        let has_room = self.holds(bytes);
        if has_room && !owners.iter().any(|o| o.as_ptr() == Arc::as_ptr(owner)) {
            owners.push(Arc::downgrade(owner));
        }
        has_room
    }

    /// Whether the limits allow one more image of this size. A single image may be larger.
    fn holds(&self, bytes: u64) -> bool {
        let taken = self.pages.load(Relaxed) * PAGE as u64;
        self.images.load(Relaxed) < self.limits.images
            && (taken == 0 || taken + bytes <= self.limits.bytes)
    }
}

/// The memory of the machine in bytes, or 0 if the system does not tell.
fn memory() -> u64 {
    let read = || {
        let text = fs::read_to_string("/proc/meminfo").ok()?;
        let total = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        total.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    read().map_or(0, |kib| kib * 1024)
}

#[cfg(target_os = "linux")]
mod os {
    use std::{
        fs::{self, File},
        io,
        os::unix::fs::FileExt,
    };

    use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};

    use crate::memory::pages::Page;

    /// A file of any length. The system kills a process that writes beyond its limit of files, so
    /// there is no file if there is such a limit.
    pub(super) fn create_file() -> io::Result<File> {
        let limits = fs::read_to_string("/proc/self/limits")?;
        let limit = (limits.lines()).find_map(|line| line.strip_prefix("Max file size"));
        if !limit.is_some_and(|limit| limit.trim_start().starts_with("unlimited")) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(memfd_create("canister heaps", MemfdFlags::CLOEXEC)?.into())
    }

    pub(super) fn write_page(file: &File, page: &Page, at: u64) -> io::Result<()> {
        file.write_all_at(page, at)
    }

    /// Gives the memory of a part of the file back to the system.
    pub(super) fn free(file: &File, at: u64, bytes: u64) -> io::Result<()> {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(file, hole, at, bytes)?)
    }
}

/// Without such files there are no images.
#[cfg(not(target_os = "linux"))]
mod os {
    use std::{fs::File, io};

    use crate::memory::pages::Page;

    pub(super) fn create_file() -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn write_page(_: &File, _: &Page, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn free(_: &File, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    impl Images {
        /// No image at all: each message copies the heap.
        pub(crate) fn none() -> Arc<Self> {
            shelf_of(0, 0)
        }
    }

    /// The images of a heap, on a shelf of their own.
    fn shelf_of(images: u64, bytes: u64) -> Arc<Images> {
        Arc::new(Images::on(Box::leak(Box::new(Shelf::new(Limits {
            bytes,
            images,
            age: 10,
        })))))
    }

    fn pages(count: usize) -> Pages {
        let mut pages = Pages::new();
        (0..count).for_each(|index| pages.set(index, [index as u8; PAGE]));
        pages
    }

    /// An image of these pages. Two messages need one.
    fn second(images: &Arc<Images>, pages: &Pages) -> Option<Arc<Image>> {
        let first = images.image_of(pages, 0);
        assert!(first.is_none());
        images.image_of(pages, 0)
    }

    fn check(image: &Image, pages: &Pages) {
        let mut bytes = vec![7; image.bytes()];
        image
            .file()
            .read_exact_at(&mut bytes, image.offset())
            .unwrap();
        for (index, page) in bytes.as_chunks::<PAGE>().0.iter().enumerate() {
            assert!(page == pages.get(index).unwrap_or(&ZERO), "page {index}");
        }
        assert_eq!(image.present, pages.iter().count() as u64);
    }

    #[test]
    fn a_small_heap_has_no_image() {
        let images = shelf_of(1, 1 << 30);
        for _ in 0..3 {
            assert!(images.image_of(&pages(MIN_PAGES - 1), 0).is_none());
            assert!(images.image_of(&pages(MIN_PAGES + 9), 10).is_none());
        }
    }

    #[test]
    fn an_image_follows_the_pages() {
        let images = shelf_of(1, 1 << 30);
        let mut now = pages(400);
        drop(second(&images, &now));
        let old = now.clone();
        statistics::taken();
        for round in 0..20 {
            now.get_mut(round * 7)[round] ^= 1;
            now.set(500 + round, [1; PAGE]);
            check(&images.image_of(&now, 0).unwrap(), &now);
            assert_eq!(statistics::taken(), 2);
        }
        // A rollback: new pages are gone again.
        check(&images.image_of(&old, 0).unwrap(), &old);
        check(&images.image_of(&now, 0).unwrap(), &now);
    }

    #[test]
    fn an_image_in_use_is_shared_and_does_not_change() {
        let images = shelf_of(2, 1 << 30);
        let before = pages(300);
        let image = second(&images, &before).unwrap();
        let same = images.image_of(&before, 0).unwrap();
        assert!(Arc::ptr_eq(&image, &same));
        let mut after = before.clone();
        after.set(3, [9; PAGE]);
        // The fork waits for an image of its own.
        assert!(images.image_of(&after, 0).is_none());
        let other = images.image_of(&after, 0).unwrap();
        check(&image, &before);
        check(&other, &after);
    }

    #[test]
    fn a_heap_that_each_message_rewrites_is_copied_more_and_more_often() {
        let images = shelf_of(1, 1 << 30);
        let made = (0..1000).filter(|_| images.image_of(&pages(300), 0).is_some());
        assert_eq!(made.count(), 20);
    }

    #[test]
    fn an_image_that_is_dropped_gives_its_memory_back() {
        let images = shelf_of(1, 1 << 30);
        let image = second(&images, &pages(300)).unwrap();
        let (file, offset) = (image.file, image.offset());
        let byte = || {
            let mut byte = [0];
            file.read_exact_at(&mut byte, offset + 299 * PAGE as u64)
                .unwrap();
            byte[0]
        };
        assert_eq!(byte(), 299_usize as u8);
        drop((image, images));
        assert_eq!(byte(), 0);
    }

    #[test]
    fn many_images_take_one_file() {
        let files = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let images: Vec<_> = (0..200).map(|_| shelf_of(1, 1 << 30)).collect();
        let before = files();
        let made: Vec<_> = images
            .iter()
            .map(|images| second(images, &pages(64)))
            .collect();
        assert!(made.iter().all(Option::is_some));
        // Other tests of this process open files, too.
        assert!(files() < before + 100);
    }

    #[test]
    fn images_are_limited_and_the_unused_ones_go_first() {
        let first = shelf_of(2, 2 * 300 * PAGE as u64);
        let (second_heap, third) = (
            Arc::new(Images::on(first.shelf)),
            Arc::new(Images::on(first.shelf)),
        );
        let pages = pages(300);
        drop(second(&first, &pages).unwrap());
        drop(second(&second_heap, &pages).unwrap());
        assert!(second(&third, &pages).is_none());
        // From now on only the second one is used.
        for _ in 0..10 {
            second_heap.image_of(&pages, 0).unwrap();
        }
        let tries = (0..20).find(|_| third.image_of(&pages, 0).is_some());
        assert!(tries.is_some());
        assert!(first.state.lock().unwrap().images.is_empty());
        assert_eq!(first.shelf.images.load(Relaxed), 2);
        drop(third);
        drop(second_heap);
        assert_eq!(first.shelf.pages.load(Relaxed), 0);
    }
}
