//! Images: files in memory that hold the contents of a heap, so that an instance can map them
//! instead of copying each page.
//!
//! An image is a cache. The pages of a [`super::Heap`] are the truth, and an image is brought up to
//! date from them when a message needs it: only pages that differ are written.

use std::{
    fs::File,
    io,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::memory::{PAGE, Pages, ZERO, statistics};

/// Heaps with fewer pages are copied into each instance: that is faster than mapping them.
const MIN_PAGES: usize = 256;

/// The images of all heaps in this process.
static SHELF: Shelf = Shelf::new(Limits {
    bytes: 2 << 30,
    images: 128,
    age: 1_000,
});

/// The contents of one heap, which messages map.
pub(crate) struct Image {
    file: File,
    /// What the file holds. Absent pages are zero.
    pages: Pages,
    /// The number of those that are present.
    present: u64,
    /// When a message last asked for it.
    last_used: AtomicU64,
    shelf: &'static Shelf,
}

impl Image {
    fn new(shelf: &'static Shelf) -> io::Result<Self> {
        let file = create_file()?;
        shelf.images.fetch_add(1, Relaxed);
        Ok(Self {
            file,
            pages: Pages::new(),
            present: 0,
            last_used: AtomicU64::new(0),
            shelf,
        })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The bytes up to the last page that is present. The file is at least this long.
    pub(crate) fn bytes(&self) -> usize {
        self.pages.end() * PAGE
    }

    /// Writes the pages that differ. After an error, the image is of no use.
    fn update(&mut self, pages: &Pages) -> io::Result<()> {
        for index in pages.differences(&self.pages) {
            let page = pages.get(index);
            write_page(&self.file, page.unwrap_or(&ZERO), index)?;
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
        self.shelf.pages.fetch_sub(self.present, Relaxed);
    }
}

/// The images of one heap, of its forks, and of the states that it had or will have.
pub(crate) struct Images {
    all: Mutex<Vec<Arc<Image>>>,
    shelf: &'static Shelf,
}

impl Default for Images {
    fn default() -> Self {
        Self::on(&SHELF)
    }
}

impl Images {
    fn on(shelf: &'static Shelf) -> Self {
        Self {
            all: Mutex::default(),
            shelf,
        }
    }

    /// An image with these contents. It does not change while the caller holds it. `None` if the
    /// heap is small, or if there can be no image.
    pub(crate) fn image_of(self: &Arc<Self>, pages: &Pages) -> Option<Arc<Image>> {
        if pages.iter().nth(MIN_PAGES - 1).is_none() {
            return None;
        }
        let now = self.shelf.clock.fetch_add(1, Relaxed);
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let current = all.iter().find(|image| image.pages.is_same(pages));
        let image = match current {
            Some(image) => Arc::clone(image),
            None => {
                // An image that no message uses can change.
                let free = all
                    .iter()
                    .position(|image| Arc::strong_count(image) == 1)
                    .and_then(|index| Arc::into_inner(all.swap_remove(index)));
                let mut image = match free {
                    Some(image) => image,
                    None if self.shelf.has_room_for(pages, now, self) => {
                        Image::new(self.shelf).ok()?
                    }
                    None => return None,
                };
                image.update(pages).ok()?;
                let image = Arc::new(image);
                all.push(Arc::clone(&image));
                image
            }
        };
        image.last_used.store(now, Relaxed);
        Some(image)
    }

    /// Drops the images that no message has used since `time`.
    fn evict(&self, time: u64) {
        // Whoever holds the lock uses an image.
        if let Ok(mut all) = self.all.try_lock() {
            all.retain(|image| {
                Arc::strong_count(image) > 1 || image.last_used.load(Relaxed) >= time
            });
        }
    }
}

/// The limits of all images. If they are reached, and each image was used lately, further heaps are
/// copied.
struct Limits {
    bytes: u64,
    /// Each image takes a file descriptor.
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
        let images = self.images.load(Relaxed);
        images == 0 || (images < self.limits.images && taken + bytes <= self.limits.bytes)
    }
}

#[cfg(target_os = "linux")]
fn create_file() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(memfd_create("canister heap", MemfdFlags::CLOEXEC)?.into())
}

#[cfg(target_os = "linux")]
fn write_page(file: &File, page: &super::Page, index: usize) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    file.write_all_at(page, index as u64 * PAGE as u64)
}

/// Without such files there are no images.
#[cfg(not(target_os = "linux"))]
fn create_file() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn write_page(_: &File, _: &super::Page, _: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
