//! The present build, as far as rustc's command line tells.
//!
//! A macro runs within rustc. Cargo names there the folders of dependencies, whatever target folder
//! and profile it uses. Other tools that expand macros, such as rust-analyzer, have no such command
//! line; to them the build makes no modules.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

/// The present build.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Build {
    /// Whether it makes a Wasm module, unlike `cargo check` and builds for the host.
    makes_module: bool,
    /// The folders of what was built before, for this target and for the host.
    folders: Vec<PathBuf>,
    /// The libraries among the dependencies.
    libraries: Vec<Library>,
}

#[derive(Debug, PartialEq)]
struct Library {
    name: String,
    file: PathBuf,
}

/// The module of a dependency.
#[derive(Debug, PartialEq)]
pub(super) enum Dependency {
    /// The build makes no modules.
    NotNeeded,
    /// Its path.
    Module(PathBuf),
    /// Cargo built none.
    Missing,
}

impl Build {
    pub(super) fn present() -> Self {
        Self::read(env::args_os().flat_map(in_file))
    }

    fn read(arguments: impl Iterator<Item = OsString>) -> Self {
        let mut build = Self::default();
        let (mut links, mut is_wasm) = (false, false);
        // Cargo writes no argument that is not UTF-8, unless a path has such a name.
        let mut arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
        while let Some(argument) = arguments.next() {
            let (option, value) = match argument.split_once('=') {
                Some((option, value)) if option.starts_with("--") => {
                    (option.to_owned(), value.to_owned())
                }
                _ if ["-L", "--emit", "--extern", "--out-dir", "--target"]
                    .contains(&&*argument) =>
                {
                    (argument, arguments.next().unwrap_or_default())
                }
                _ => continue,
            };
            match &*option {
                "--emit" => links |= value.split(',').any(|output| output == "link"),
                "--target" => is_wasm = is_wasm_target(&value),
                "--out-dir" => build.folders.push(value.into()),
                "-L" => {
                    let folder = value.strip_prefix("dependency=").map(PathBuf::from);
                    build.folders.extend(folder);
                }
                "--extern" => build.libraries.extend(library(&value)),
                _ => {}
            }
        }
        build.makes_module = links && is_wasm;
        build
    }

    /// The module of the crate with this name.
    ///
    /// A crate that is a library and no `cdylib` has no module, but an earlier build may have left
    /// one. Cargo puts no hash into the name of a library that is built together with a module.
    pub(super) fn dependency(&self, name: &str) -> Dependency {
        if !self.makes_module {
            return Dependency::NotNeeded;
        }
        let library = self.libraries.iter().find(|library| library.name == name);
        if library.is_some_and(|library| !library.file.ends_with(format!("lib{name}.rlib"))) {
            return Dependency::Missing;
        }
        let files = self.folders.iter().map(|folder| folder.join(name));
        files
            .map(|file| file.with_extension("wasm"))
            .find(|file| file.is_file())
            .map_or(Dependency::Missing, Dependency::Module)
    }
}

/// The argument, or the arguments in a file that stands for them: cargo writes one if the command
/// line would be too long.
fn in_file(argument: OsString) -> Vec<OsString> {
    let content = argument
        .to_str()
        .and_then(|argument| argument.strip_prefix('@'))
        .and_then(|file| fs::read_to_string(file).ok());
    match content {
        Some(content) => content.lines().map(OsString::from).collect(),
        None => vec![argument],
    }
}

/// Whether this is a target of the family `wasm`: its name, or the file that defines it.
fn is_wasm_target(target: &str) -> bool {
    let name = Path::new(target).file_name();
    name.is_some_and(|name| name.to_string_lossy().starts_with("wasm"))
}

/// The library in `--extern name=file`; options may stand before the name.
fn library(value: &str) -> Option<Library> {
    let (name, file) = value.split_once('=')?;
    let name = name.rsplit(':').next().unwrap_or(name).to_owned();
    let file = file.into();
    Some(Library { name, file })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command line of a build, in the form that cargo writes, with other arguments left out.
    fn build(line: &str) -> Build {
        Build::read(line.split(' ').map(OsString::from))
    }

    const WASM: &str = "rustc --crate-type cdylib --emit=dep-info,link -C metadata=1 \
        --out-dir /t/wasm/deps --target wasm32-unknown-unknown -L dependency=/t/wasm/deps \
        -L native=/lib --extern canic=/t/wasm/deps/libcanic-9.rlib";

    #[test]
    fn a_build_for_wasm_makes_a_module() {
        let build = build(WASM);
        assert!(build.makes_module);
        assert_eq!(build.folders, ["/t/wasm/deps"; 2].map(PathBuf::from));
        assert_eq!(build.libraries[0].name, "canic");
    }

    #[test]
    fn checks_and_builds_for_the_host_make_none() {
        let check = WASM.replace("dep-info,link", "dep-info,metadata");
        let host = WASM.replace(" --target wasm32-unknown-unknown", "");
        for line in [&check, &host, "rust-analyzer-proc-macro-srv"] {
            assert_eq!(build(line).dependency("worker"), Dependency::NotNeeded);
        }
    }

    #[test]
    fn the_file_of_a_target_is_read_by_its_name() {
        assert!(is_wasm_target("/targets/wasm64-unknown-unknown.json"));
        assert!(!is_wasm_target("/wasm/x86_64-unknown-linux-gnu.json"));
    }

    #[test]
    fn a_library_without_a_module_leaves_an_old_module_alone() {
        let folder = env::temp_dir().join(format!("canic-macros-build-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the folder can be made");
        fs::write(folder.join("worker.wasm"), "").expect("the module can be written");
        let found = |library: &str| {
            let line = WASM.replace("/t/wasm/deps", folder.to_str().expect("it is UTF-8"));
            build(&format!("{line}{library}")).dependency("worker")
        };
        let module = Dependency::Module(folder.join("worker.wasm"));
        assert_eq!(found(""), module);
        assert_eq!(found(" --extern worker=/t/libworker.rlib"), module);
        assert_eq!(
            found(" --extern priv:worker=/t/libworker-1.rlib"),
            Dependency::Missing
        );
        fs::remove_dir_all(&folder).expect("the folder can be removed");
    }
}
