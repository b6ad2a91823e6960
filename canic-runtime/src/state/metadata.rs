//! The metadata of a module: what it tells of itself in custom sections.
//!
//! ```text
//! icp:public canic:crate       "worker 1.2.0": the name of its crate, and the version
//! icp:public canic:layout      "1": the layout of stable memory that it knows
//! icp:public candid:service    its Candid interface; `icp:private` counts as well
//! ```
//!
//! The macros write the first two, tools such as `ic-wasm` the third. Root has the chunks of each
//! module in its own stable memory, and reads them one by one: no caller tells root what is in a
//! module, and no module is on the heap as a whole, gzipped or not.

use std::io::{self, BufRead, ErrorKind, Read};

use minicbor::{Decode, Encode};
use miniz_oxide::{
    DataFormat, MZFlush, MZStatus,
    inflate::stream::{InflateState, inflate},
};
use sha2::{Digest, Sha256};

use crate::operation::Hash;

/// What a module tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub(crate) struct Metadata {
    /// The name of its crate.
    #[n(0)]
    pub(crate) name: Option<String>,
    /// The version of its crate.
    #[n(1)]
    pub(crate) version: Option<String>,
    /// The SHA-256 of its Candid interface, as it stands there.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) interface: Option<Hash>,
    /// The layout of stable memory that it knows.
    #[n(3)]
    pub(crate) layout: Option<u32>,
}

/// The first bytes of a module, and those of a gzipped file.
const WASM: [u8; 8] = *b"\0asm\x01\0\0\0";
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The largest module that the platform takes is smaller, in bytes.
const MAX_UNPACKED: u64 = 200 << 20;

/// Bytes of a section's name, or of a text in a section, at most. Longer ones are passed over.
const MAX_TEXT: u64 = 200;

/// Bytes of a module that are unpacked at a time.
const UNPACKED: usize = 16 * 1024;

impl Metadata {
    /// The metadata of a module that comes in pieces.
    pub(super) fn of(chunks: impl Iterator<Item = Vec<u8>>) -> Self {
        Self::within(MAX_UNPACKED, chunks)
    }

    fn within(limit: u64, mut chunks: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut metadata = Self::default();
        let mut module = Chunks {
            chunks: &mut chunks,
            chunk: Vec::new(),
            at: 0,
        };
        // A broken module tells what stands before the break. The platform installs none.
        metadata.read_file(&mut module, limit).ok();
        metadata
    }

    /// Reads a module or a gzipped one, of which `limit` bytes are unpacked.
    fn read_file(&mut self, file: &mut dyn BufRead, limit: u64) -> io::Result<()> {
        let mut head = [0; GZIP.len()];
        file.read_exact(&mut head)?;
        if head != GZIP {
            return self.read_module(&mut head.as_slice().chain(file));
        }
        skip_header(file)?;
        let unpacked = Unpacked {
            packed: file,
            state: InflateState::new_boxed(DataFormat::Raw),
            ready: vec![0; UNPACKED],
            at: 0,
            end: 0,
            is_over: false,
        };
        self.read_module(&mut unpacked.take(limit))
    }

    fn read_module(&mut self, module: &mut dyn BufRead) -> io::Result<()> {
        let mut head = [0; WASM.len()];
        module.read_exact(&mut head)?;
        if head != WASM {
            return Ok(());
        }
        while !module.fill_buf()?.is_empty() {
            let id = byte(module)?;
            let length = length(module)?;
            let mut section = module.take(length);
            if id == 0 {
                self.read_custom(&mut section)?;
            }
            skip(&mut section)?;
        }
        Ok(())
    }

    /// Reads a custom section. Of two with the same name the first one counts.
    fn read_custom(&mut self, section: &mut dyn BufRead) -> io::Result<()> {
        let length = length(section)?;
        let Some(name) = text(&mut section.take(length))? else {
            return Ok(());
        };
        match name.as_str() {
            "icp:public canic:crate" if self.name.is_none() => {
                let text = text(section)?.unwrap_or_default();
                if let Some((name, version)) = text.split_once(' ')
                    && !text.contains(char::is_control)
                {
                    self.name = Some(name.to_string());
                    self.version = Some(version.to_string());
                }
            }
            "icp:public canic:layout" if self.layout.is_none() => {
                self.layout = text(section)?.and_then(|digits| digits.parse().ok());
            }
            "icp:public candid:service" | "icp:private candid:service"
                if self.interface.is_none() =>
            {
                self.interface = Some(hash(section)?);
            }
            _ => {}
        }
        Ok(())
    }
}

fn byte(module: &mut dyn BufRead) -> io::Result<u8> {
    let mut byte = [0];
    module.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// A number of bytes, in LEB128: five digits at most.
fn length(module: &mut dyn BufRead) -> io::Result<u64> {
    let mut length = 0;
    for shift in [0, 7, 14, 21, 28] {
        let digit = byte(module)?;
        length |= u64::from(digit & 0x7f) << shift;
        if digit & 0x80 == 0 {
            return Ok(length);
        }
    }
    Err(ErrorKind::InvalidData.into())
}

/// The rest as text. `None`: it is longer than [`MAX_TEXT`], or no text.
fn text(rest: &mut dyn BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    rest.take(MAX_TEXT + 1).read_to_end(&mut bytes)?;
    let fits = bytes.len() as u64 <= MAX_TEXT;
    Ok(String::from_utf8(bytes).ok().filter(|_| fits))
}

fn hash(rest: &mut dyn BufRead) -> io::Result<Hash> {
    let mut hash = Sha256::new();
    loop {
        let ready = rest.fill_buf()?;
        let length = ready.len();
        if length == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(ready);
        rest.consume(length);
    }
}

fn skip(rest: &mut dyn BufRead) -> io::Result<()> {
    loop {
        match rest.fill_buf()?.len() {
            0 => return Ok(()),
            length => rest.consume(length),
        }
    }
}

/// Skips the header of a gzipped file behind its first two bytes: eight more, then the fields that
/// its flags announce (RFC 1952).
fn skip_header(file: &mut dyn BufRead) -> io::Result<()> {
    const CHECKSUM: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let mut header = [0; 8];
    file.read_exact(&mut header)?;
    let flags = header[1];
    if flags & EXTRA != 0 {
        let length = u16::from_le_bytes([byte(file)?, byte(file)?]);
        skip(&mut file.take(length.into()))?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            while byte(file)? != 0 {}
        }
    }
    if flags & CHECKSUM != 0 {
        skip(&mut file.take(2))?;
    }
    Ok(())
}

/// The chunks of a module, as one reader.
struct Chunks<'a> {
    chunks: &'a mut dyn Iterator<Item = Vec<u8>>,
    chunk: Vec<u8>,
    /// Bytes of the chunk that were read.
    at: usize,
}

impl BufRead for Chunks<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.chunk.len()
            && let Some(next) = self.chunks.next()
        {
            self.chunk = next;
            self.at = 0;
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl Read for Chunks<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        read(self, out)
    }
}

/// The content of a gzipped file, behind its header.
struct Unpacked<'a> {
    packed: &'a mut dyn BufRead,
    state: Box<InflateState>,
    /// Bytes that are unpacked, from `at` to `end`.
    ready: Vec<u8>,
    at: usize,
    end: usize,
    is_over: bool,
}

impl BufRead for Unpacked<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.end && !self.is_over {
            let packed = self.packed.fill_buf()?;
            let result = inflate(&mut self.state, packed, &mut self.ready, MZFlush::None);
            self.packed.consume(result.bytes_consumed);
            (self.at, self.end) = (0, result.bytes_written);
            match result.status {
                Ok(MZStatus::StreamEnd) => self.is_over = true,
                // Without more input there is an error instead.
                Ok(_) => {}
                Err(_) => return Err(ErrorKind::InvalidData.into()),
            }
        }
        Ok(&self.ready[self.at..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        read(self, out)
    }
}

fn read(from: &mut dyn BufRead, out: &mut [u8]) -> io::Result<usize> {
    let ready = from.fill_buf()?;
    let length = ready.len().min(out.len());
    out[..length].copy_from_slice(&ready[..length]);
    from.consume(length);
    Ok(length)
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec;

    use super::*;
    use crate::operation::sha256;

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        // Two digits, as linkers write them.
        let digits = [(length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
        [&[id], &digits[..], content].concat()
    }

    fn custom(name: &str, content: &str) -> Vec<u8> {
        section(
            0,
            &[&[name.len() as u8], name.as_bytes(), content.as_bytes()].concat(),
        )
    }

    fn module(sections: &[Vec<u8>]) -> Vec<u8> {
        [&WASM[..], &sections.concat()].concat()
    }

    fn gzipped(header: &[u8], module: &[u8]) -> Vec<u8> {
        [header, &compress_to_vec(module, 6), &[0; 8]].concat()
    }

    /// The metadata, however the module is cut.
    fn metadata(module: &[u8]) -> Metadata {
        let whole = Metadata::of([module.to_vec()].into_iter());
        for size in [1, 2, 3, 7, 100] {
            let chunks = module.chunks(size).map(<[u8]>::to_vec);
            assert_eq!(Metadata::of(chunks), whole, "chunks of {size}");
        }
        whole
    }

    fn sample() -> Vec<u8> {
        module(&[
            section(1, &[7; 300]),
            custom("name", "icp:public canic:crate"),
            custom("icp:public candid:service", "service : {}"),
            section(10, &[0; 1_000]),
            custom("icp:public canic:crate", "worker 1.2.0-rc.1+7"),
            custom("icp:public canic:layout", "1"),
        ])
    }

    fn told() -> Metadata {
        Metadata {
            name: Some("worker".to_string()),
            version: Some("1.2.0-rc.1+7".to_string()),
            interface: Some(sha256(b"service : {}")),
            layout: Some(1),
        }
    }

    #[test]
    fn a_module_tells_its_crate_its_layout_and_its_interface() {
        assert_eq!(metadata(&sample()), told());
        let private = custom("icp:private candid:service", "service : {}");
        let interface = metadata(&module(&[private])).interface;
        assert_eq!(interface, told().interface);
    }

    #[test]
    fn a_gzipped_module_tells_the_same() {
        let plain = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        let mut all = plain;
        all[3] = 2 | 4 | 8 | 16;
        let fields = b"\x03\0abcworker.wasm\0comment\0\x12\x34";
        for header in [&plain[..], &[&all[..], fields].concat()] {
            assert_eq!(metadata(&gzipped(header, &sample())), told());
        }
    }

    #[test]
    fn a_module_that_tells_nothing_or_nonsense_is_read_to_its_end() {
        let long = "x".repeat(201);
        let version = format!("worker {long}");
        let module = module(&[
            custom("icp:public canic:crate", "noversion"),
            custom("icp:public canic:crate", "worker 1.0.0\x1b[2J"),
            custom("icp:public canic:crate", &version),
            custom("icp:public canic:layout", "-1"),
            section(0, &[200, 1, 0xff]),
            section(0, &[2, 0xff, 0xff]),
            custom("icp:public candid:service", "service : {}"),
        ]);
        let only_interface = Metadata {
            interface: told().interface,
            ..Metadata::default()
        };
        assert_eq!(metadata(&module), only_interface);
        for nothing in [&b""[..], b"\x1f", b"\0asm", b"\0asm\x0d\0\x01\0", &WASM] {
            assert_eq!(metadata(nothing), Metadata::default());
        }
    }

    #[test]
    fn broken_bytes_end_the_reading_and_nothing_else() {
        let packed = gzipped(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], &sample());
        for whole in [sample(), packed] {
            for end in 0..whole.len() {
                metadata(&whole[..end]);
                let mut flipped = whole.clone();
                flipped[end] ^= 0xff;
                metadata(&flipped);
            }
        }
    }

    #[test]
    fn a_module_that_unpacks_to_more_than_any_module_is_given_up() {
        let module = module(&[
            section(11, &[0; 10_000]),
            custom("icp:public canic:crate", "bomb 1.0.0"),
        ]);
        let packed = gzipped(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], &module);
        let told = |limit| Metadata::within(limit, [packed.clone()].into_iter()).name;
        assert_eq!(told(10_000), None);
        assert_eq!(told(11_000).as_deref(), Some("bomb"));
    }
}
