//! Modules that are gzipped, as some build recipes leave them.

use std::borrow::Cow;

use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// The first bytes of a gzipped file.
pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The largest module that the platform takes is smaller, in bytes.
const LIMIT: usize = 200 << 20;

/// The module in these bytes, gzipped or not; `None` if it can't be unpacked.
pub(super) fn unpacked(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !bytes.starts_with(&MAGIC) {
        return Some(Cow::Borrowed(bytes));
    }
    let content = decompress_to_vec_with_limit(after_header(bytes)?, LIMIT).ok()?;
    Some(Cow::Owned(content))
}

/// What follows the header: ten bytes, then the fields that its flags announce (RFC 1952).
fn after_header(bytes: &[u8]) -> Option<&[u8]> {
    const CHECKSUM: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let (header, mut rest) = bytes.split_at_checked(10)?;
    let flags = header[3];
    if flags & EXTRA != 0 {
        let (length, after) = rest.split_first_chunk()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & CHECKSUM != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec;

    use super::*;

    #[test]
    fn every_header_is_skipped() {
        let plain = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        let mut all = plain;
        all[3] = 2 | 4 | 8 | 16;
        let fields = b"\x03\0abcworker.wasm\0comment\0\x12\x34";
        for header in [&plain[..], &[&all[..], fields].concat()] {
            let file = [header, &compress_to_vec(b"module", 6), &[0; 8]].concat();
            assert_eq!(unpacked(&file).as_deref(), Some(&b"module"[..]));
        }
        assert_eq!(unpacked(b"module").as_deref(), Some(&b"module"[..]));
    }

    #[test]
    fn broken_files_are_not_unpacked() {
        let mut named = [0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3, b'w'];
        for length in 2..named.len() {
            assert_eq!(unpacked(&named[..length]), None);
        }
        assert_eq!(unpacked(&named), None, "the name has no end");
        named[3] = 0;
        assert_eq!(unpacked(&named), None, "the content is broken");
    }
}
