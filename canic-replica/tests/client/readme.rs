//! The roads of the README and of the examples, with the real `icp`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

use crate::{
    common::{only_ours, server},
    fetched::{Folder, ICP, print, run},
};

/// The folder of the whole project.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The files of a README: each block whose line before begins with the file's name.
fn files(readme: &str) -> Vec<(&str, String)> {
    let mut lines = readme.lines().peekable();
    let mut files = Vec::new();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix('`').and_then(|line| line.split_once('`'));
        let is_before_block = lines.peek().is_some_and(|next| next.starts_with("```"));
        if let Some((name, _)) = name
            && is_before_block
        {
            let block = lines.by_ref().skip(1).take_while(|line| *line != "```");
            files.push((name, block.flat_map(|line| [line, "\n"]).collect()));
        }
    }
    files
}

/// The commands of a README that run `icp` on the local network.
fn commands(readme: &str) -> Vec<&str> {
    let commands = readme.lines().filter_map(|line| line.strip_prefix("$ "));
    commands
        .filter(|command| command.starts_with("icp ") && !command.contains(" -e ic "))
        .collect()
}

/// An empty folder beside a link to this project, as the README has them. Only what cargo built
/// there stays for the next time.
fn empty_folder() -> io::Result<PathBuf> {
    let around = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let folder = around.join("fleet");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    for path in [&folder, &around.join("built")] {
        fs::create_dir_all(path)?;
    }
    link(Path::new(REPOSITORY), &around.join("canic"))?;
    link(&around.join("built"), &folder.join("target"))?;
    Ok(folder)
}

fn link(original: &Path, link: &Path) -> io::Result<()> {
    match std::os::unix::fs::symlink(original, link) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// Lets the network of a project listen on any free port.
fn use_any_port(project: &Path) {
    let network = "\nnetworks: [{ name: local, mode: managed, gateway: { port: 0 } }]\n";
    let text = fs::read_to_string(project).unwrap();
    fs::write(project, text + network).unwrap();
}

/// The folder of `icp`; none if npm does not have it here.
fn icp(folder: &Folder) -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return None;
    }
    let mut npm = Command::new("npm");
    npm.current_dir(&folder.0);
    npm.args([
        "install",
        "--no-save",
        "--no-audit",
        "--fetch-retries=0",
        ICP,
    ]);
    let installed = npm.output().is_ok_and(|output| output.status.success());
    let name = ICP.rsplit_once('@')?.0;
    installed.then(|| folder.0.join("node_modules").join(name).join("bin"))
}

/// A fleet of the README, whose network ends with its test.
struct Fleet {
    folder: PathBuf,
    home: Folder,
    icp: PathBuf,
}

impl Fleet {
    fn run(&self, line: &str) -> Output {
        let path = env::var_os("PATH").unwrap_or_default();
        let path = [self.icp.clone()]
            .into_iter()
            .chain(env::split_paths(&path));
        run(Command::new("sh")
            .args(["-c", line])
            .current_dir(&self.folder)
            .env("PATH", env::join_paths(path).unwrap())
            .env("ICP_HOME", &self.home.0)
            .env("ICP_TELEMETRY_DISABLED", "1")
            .env("ICP_CLI_NETWORK_LAUNCHER_PATH", server()))
    }

    /// Runs a command that must succeed; returns what it printed.
    fn ok(&self, line: &str) -> String {
        let begun = Instant::now();
        let output = self.run(line);
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{line}: {text}");
        print(&format!("{line}: {:?}", begun.elapsed()));
        text
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // It may have ended already.
        self.run("icp network stop");
    }
}

#[test]
fn the_fleet_of_the_readme_is_deployed_and_hires() {
    if !only_ours("another server is no launcher") {
        return;
    }
    let home = Folder::new("readme");
    let Some(icp) = icp(&home) else {
        print("skipped in the_fleet_of_the_readme_is_deployed_and_hires: npm has no `icp` here");
        return;
    };
    let folder = empty_folder().unwrap();
    let readme = fs::read_to_string(Path::new(REPOSITORY).join("README.md")).unwrap();
    for (name, text) in files(&readme) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    // The generations of crates that this project is tested with.
    let lock = Path::new(REPOSITORY).join("Cargo.lock");
    fs::copy(lock, folder.join("Cargo.lock")).unwrap();
    use_any_port(&folder.join("icp.yaml"));

    let fleet = Fleet { folder, home, icp };
    let commands = commands(&readme);
    let [start, hire, deploy, rollouts] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    fleet.ok(start);
    let hired = fleet.ok(hire);
    // The reply is the new member, which greets.
    let member = hired.split('"').find(|word| word.ends_with("-cai"));
    let greet = format!(
        "icp canister call {} greet '()' --query -n local",
        member.unwrap()
    );
    let greeting = fleet.ok(&greet);
    assert!(greeting.contains("I am alice"), "{greeting}");
    // A worker that changed: root embeds another module, and rolls it out.
    let worker = fleet.folder.join("worker/src/lib.rs");
    let text = fs::read_to_string(&worker).unwrap();
    let changed = text.replace("greeting.get().clone()", "format!(\"{}!\", greeting.get())");
    assert_ne!(text, changed);
    fs::write(&worker, changed).unwrap();
    fleet.ok(deploy);
    let rollouts = fleet.ok(rollouts);
    assert!(rollouts.contains("\"worker\""), "{rollouts}");
    fleet.ok("icp network stop");
}

/// A folder below this project with the examples' `icp.yaml` and `approve.sh`. Cargo finds the
/// workspace above it, and what is built already.
fn folder_of_examples() -> io::Result<PathBuf> {
    let around = Path::new(env!("CARGO_TARGET_TMPDIR")).join("examples");
    let folder = around.join("here");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    for path in [&folder, &around.join("target")] {
        fs::create_dir_all(path)?;
    }
    link(
        &Path::new(REPOSITORY).join("target"),
        &around.join("target/icp"),
    )?;
    for name in ["icp.yaml", "approve.sh"] {
        let original = Path::new(REPOSITORY).join("examples").join(name);
        fs::copy(original, folder.join(name))?;
    }
    Ok(folder)
}

#[test]
fn the_fleet_of_the_examples_is_deployed_with_all_modules_approved() {
    if !only_ours("another server is no launcher") {
        return;
    }
    let home = Folder::new("examples");
    let Some(icp) = icp(&home) else {
        print("skipped in the_fleet_of_the_examples_is_deployed: npm has no `icp` here");
        return;
    };
    let folder = folder_of_examples().unwrap();
    use_any_port(&folder.join("icp.yaml"));
    let fleet = Fleet { folder, home, icp };
    fleet.ok("icp identity new alice --storage plaintext");
    fleet.ok("icp identity default alice");
    fleet.ok("icp network start -d");
    fleet.ok("icp deploy --cycles 20t");
    let worker = fleet.ok("icp canister call root sign_up '()'");
    assert!(worker.contains("Ok"), "{worker}");
    let club = fleet.ok("icp canister call root open_club '(\"chess\")'");
    assert!(club.contains("Ok"), "{club}");
    let modules =
        fleet.ok("icp canister call root canic_modules '(record { limit = 10 })' --query");
    for role in ["worker", "club", "page"] {
        assert!(modules.contains(role), "{modules}");
    }
    fleet.ok("icp network stop");
}

#[test]
fn the_readme_names_its_files_and_commands() {
    let readme = "`a/b.rs`: what\n```rust\nfn b() {}\n\n```\n`c` is no file\n\n```console\n\
                  $ icp deploy   # locally\n$ icp deploy -e ic --cycles 20t\n$ rustup\n```\n";
    assert_eq!(files(readme), [("a/b.rs", "fn b() {}\n\n".to_owned())]);
    assert_eq!(commands(readme), ["icp deploy   # locally"]);
}
