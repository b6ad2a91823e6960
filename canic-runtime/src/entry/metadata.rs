//! What a module tells of itself in custom sections; the macros write them.

use crate::stable::memory;

/// The layout of stable memory that this version of canic knows, in digits.
pub const LAYOUT: &str = memory::LAYOUT_DIGITS;

/// A text as bytes, for a static that becomes a section.
///
/// # Panics
///
/// At compile time, if the text has another length.
#[must_use]
pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    match text.as_bytes().first_chunk() {
        Some(bytes) if text.len() == N => *bytes,
        _ => panic!("the text has another length"),
    }
}
