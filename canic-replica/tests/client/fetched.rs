//! Software of other people for the ignored tests, from the public registries. It is fetched into
//! a temporary folder and never becomes a part of the repository.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sha2::{Digest, Sha256};

/// The npm package with the command line `icp`. It contains three modules too.
pub(crate) const ICP: &str = "@icp-sdk/icp-cli-linux-x64@1.5.0";

/// An empty folder outside of the repository, which is deleted with this value.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("canic-replica-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The file of an npm package, installed into this folder.
    pub(crate) fn npm(&self, package: &str, file: &str) -> PathBuf {
        let install = ["install", "--no-save", "--no-audit", package];
        succeed(Command::new("npm").current_dir(&self.0).args(install));
        let name = package.rsplit_once('@').unwrap().0;
        let path = self.0.join("node_modules").join(name).join(file);
        report(package, file, &fs::read(&path).unwrap());
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    command
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("this test needs {}: {error}", program.display()))
}

/// Runs a program, which must succeed.
pub(crate) fn succeed(command: &mut Command) {
    let output = run(command);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
}

/// Prints a line. The harness hides what `eprintln` writes if a test passes.
pub(crate) fn print(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Prints where a file comes from, and its hash.
pub(crate) fn report(package: &str, file: &str, bytes: &[u8]) {
    let hash = hex::encode(Sha256::digest(bytes));
    let length = bytes.len();
    print(&format!(
        "fetched {package}, {file}: {length} bytes, sha256 {hash}"
    ));
}

/// The modules that a program contains, in their order. Short ones are constants of the program.
pub(crate) fn embedded_modules(program: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(program).unwrap();
    let magic = b"\0asm\x01\0\0\0";
    let starts = bytes.windows(magic.len()).enumerate();
    let starts = starts.filter_map(|(at, window)| (window == magic).then_some(at));
    let modules = starts.map(|at| module_at(&bytes[at..]).to_vec());
    modules.filter(|module| module.len() > 1000).collect()
}

/// The module at the start of some bytes. It ends where no section follows.
fn module_at(bytes: &[u8]) -> &[u8] {
    let mut end = 8;
    while let Some(length) = section_length(&bytes[end..]) {
        end += length;
    }
    &bytes[..end]
}

/// The length of the section at the start of some bytes, if there is one.
fn section_length(bytes: &[u8]) -> Option<usize> {
    let (size, digits) = leb128(bytes.get(1..)?)?;
    let body = bytes.get(1 + digits..)?.get(..size)?;
    let named = || {
        let (length, digits) = leb128(body)?;
        let name = body.get(digits..)?.get(..length)?;
        Some(!name.is_empty() && name.is_ascii())
    };
    let is_section = match bytes[0] {
        0 => named().unwrap_or_default(),
        1..=12 => size > 0,
        _ => false,
    };
    is_section.then_some(1 + digits + size)
}

/// A number of at most 32 bits, and the count of its bytes.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}
