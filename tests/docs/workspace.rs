//! Rust blocks of pages as workspaces, each of which cargo checks with one command.
//!
//! A block is a crate of its own. Blocks below the names of files, `worker/src/lib.rs` say, are the
//! files of the page's crates, which depend on each other as those of a fleet do.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    nested::cargo,
    page::{Block, Page, REPOSITORY},
};

/// A workspace of crates that blocks make.
pub(crate) struct Workspace {
    folder: PathBuf,
    /// Crates by the names of their folders.
    crates: BTreeMap<String, Crate>,
}

/// The files of a crate: paths and contents.
#[derive(Default)]
struct Crate(BTreeMap<String, String>);

/// The workspaces of pages: one with the blocks that are crates of their own, and one for each page
/// that has files.
pub(crate) fn workspaces<'a>(pages: impl Iterator<Item = &'a Page>) -> Vec<Workspace> {
    let mut single = Workspace::new("docs-blocks");
    let mut all = Vec::new();
    for page in pages {
        let mut own = Workspace::new(&format!("docs-{}", page.name()));
        for block in page.blocks().into_iter().filter(|block| block.is("rust")) {
            match block.file.as_deref().and_then(|file| file.split_once('/')) {
                Some((folder, file)) => own.add(folder, file, &block, page),
                None => {
                    let folder = format!("{}-line-{}", page.name(), block.line);
                    single.add(&folder, "src/lib.rs", &block, page);
                }
            }
        }
        all.push(own);
    }
    all.retain(|workspace| !workspace.crates.is_empty());
    all.push(single);
    all
}

impl Workspace {
    fn new(name: &str) -> Self {
        Self {
            folder: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name),
            crates: BTreeMap::new(),
        }
    }

    fn add(&mut self, folder: &str, file: &str, block: &Block, page: &Page) {
        let files = &mut self.crates.entry(folder.to_string()).or_default().0;
        let before = files.insert(file.to_string(), whole(&block.text));
        assert!(
            before.is_none(),
            "{} has `{folder}/{file}` twice",
            page.path
        );
    }

    /// Writes the files, and lets cargo check them; the error is its output.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).expect("the folder can be removed");
        }
        let members: Vec<&String> = self.crates.keys().collect();
        let lints = "[workspace.lints.rust]\nwarnings = \"deny\"\n";
        self.write(
            "Cargo.toml",
            &format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n{lints}"),
        );
        for (folder, files) in &self.crates {
            self.write(
                &format!("{folder}/Cargo.toml"),
                &self.manifest(folder, files),
            );
            for (file, text) in &files.0 {
                self.write(&format!("{folder}/{file}"), text);
            }
        }
        let lock = Path::new(REPOSITORY).join("Cargo.lock");
        fs::copy(lock, self.folder.join("Cargo.lock")).expect("the lock is there");
        let output = cargo(&self.folder)
            .args([
                "check",
                "--offline",
                "--quiet",
                "--workspace",
                "--keep-going",
            ])
            .output()
            .expect("cargo runs");
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.folder.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// The manifest of a crate. A canister depends on the page's libraries, and on the canisters
    /// that it embeds.
    fn manifest(&self, folder: &str, files: &Crate) -> String {
        let name = self.package(folder);
        let mut manifest = format!(
            "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [lints]\nworkspace = true\n"
        );
        if files.is_canister() {
            manifest += "[lib]\ncrate-type = [\"cdylib\"]\n";
        }
        manifest += &format!(
            "[dependencies]\ncanic = {{ path = {REPOSITORY:?} }}\ncandid = \"0.10\"\n\
             ic-cdk = \"0.20\"\nic-cdk-timers = \"1\"\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n"
        );
        let others = self.crates.iter().filter(|(other, its)| {
            let is_linked = files.is_canister() && !its.is_canister();
            *other != folder && (is_linked || files.embeds(other))
        });
        for (other, _) in others {
            let name = self.package(other);
            manifest += &format!("{name} = {{ path = \"../{other}\" }}\n");
        }
        manifest
    }

    /// The name of the package in a folder: that of the folder, unless other crates use it by a
    /// longer one, as `garden_types` for the crate in `types`.
    fn package(&self, folder: &str) -> String {
        let end = format!("_{folder}");
        let texts = self.crates.values().flat_map(|files| files.0.values());
        let mut imports = texts.flat_map(|text| text.lines()).filter_map(|line| {
            let (name, _) = line.strip_prefix("use ")?.split_once("::")?;
            name.ends_with(&end).then(|| name.to_string())
        });
        imports.next().unwrap_or(folder.to_string())
    }
}

impl Crate {
    fn is_canister(&self) -> bool {
        self.0.values().any(|text| is_canister(text))
    }

    fn embeds(&self, folder: &str) -> bool {
        let embedding = [format!("wasm = {folder},"), format!("wasm = {folder})")];
        let mut texts = self.0.values();
        texts.any(|text| embedding.iter().any(|words| text.contains(words)))
    }
}

fn is_canister(text: &str) -> bool {
    ["#[canic::root", "#[canic::role", "export_candid!"]
        .iter()
        .any(|words| text.contains(words))
}

/// A block as a file. A canister exports its interface, which blocks may leave out.
fn whole(text: &str) -> String {
    let lacks_export = is_canister(text) && !text.contains("export_candid!");
    let export = match lacks_export {
        true => "canic::export_candid!();\n",
        false => "",
    };
    format!("{text}{export}")
}
