//! The guide's first chapter, `docs/first-fleet.md`: its files are written and its commands run, in
//! the order of the page.

use std::{
    env, fs, io,
    io::{BufRead, BufReader},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use canic_fleet_tests::artifacts;

use crate::common::only_local_network;

const CHAPTER: &str = "docs/first-fleet.md";

/// A step of the chapter.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    File {
        name: String,
        text: String,
    },
    /// A command, and the lines that it prints.
    Command(String, Vec<String>),
}

/// The blocks below the names of files, and the commands of the blocks that are not marked.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut before = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            before = line;
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let name = before
            .strip_prefix('`')
            .and_then(|line| line.split_once('`'));
        match (kind, name) {
            ("rust", Some((name, _))) => steps.push(Step::File {
                name: name.to_string(),
                text: block.iter().flat_map(|line| [line, "\n"]).collect(),
            }),
            ("console", _) => {
                for line in block {
                    match (line.strip_prefix("$ "), steps.last_mut()) {
                        (Some(line), _) => steps.push(Step::Command(line.to_string(), vec![])),
                        (None, Some(Step::Command(_, printed))) => printed.push(line.to_string()),
                        (None, _) => panic!("no command prints `{line}`"),
                    }
                }
            }
            _ => {}
        }
    }
    steps
}

/// The reader's shells: a folder, and what runs until the end.
struct Reader {
    folder: PathBuf,
    home: PathBuf,
    local: Option<Child>,
}

impl Reader {
    fn shell(&self, line: &str) -> Command {
        let programs = Path::new(env!("CARGO_BIN_EXE_canic")).parent();
        let programs = programs.expect("a folder").to_path_buf();
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([programs].into_iter().chain(env::split_paths(&path)));
        let mut shell = Command::new("sh");
        shell
            .args(["-c", line])
            .current_dir(&self.folder)
            .env("PATH", path.expect("a path"))
            .env("CANIC_REPLICA", artifacts::server())
            .env("ICP_HOME", &self.home)
            .env("CARGO_NET_OFFLINE", "true")
            .stdin(Stdio::null());
        shell
    }

    /// Runs a command, which prints lines as the page says.
    fn run(&mut self, line: &str, printed: &[String]) {
        if let Some(folder) = line.strip_prefix("cd ") {
            self.folder.push(folder);
            return;
        }
        if line == "canic local" {
            // Any port, since another network may run on this machine.
            let mut local = self.shell("exec canic local --port 0");
            let mut local = local.stdout(Stdio::piped()).spawn().expect("it starts");
            let output = BufReader::new(local.stdout.take().expect("its output"));
            self.local = Some(local);
            let mut lines = output.lines().map(|line| line.expect("text"));
            assert!(
                lines.any(|line| line.ends_with("Ctrl-C ends it.")),
                "{line}"
            );
            return;
        }
        let output = self.shell(line).output().expect("a shell");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let fails = line.ends_with("# fails");
        assert_eq!(output.status.success(), !fails, "{line}: {text}");
        println!("$ {line}\n{text}");
        let lines: Vec<String> = text.lines().map(without_ids).collect();
        for expected in printed {
            assert!(
                lines.contains(&without_ids(expected)),
                "{line}: {expected}\n{text}"
            );
        }
    }
}

/// A line in which every canister is the same, and every digit.
fn without_ids(line: &str) -> String {
    let words = line
        .split_whitespace()
        .map(|word| match word.ends_with("-cai") {
            true => "CANISTER".to_string(),
            false => word.replace(|c: char| c.is_ascii_digit(), "0"),
        });
    words.collect::<Vec<_>>().join(" ")
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(local) = &mut self.local {
            let id = local.id().to_string();
            // As the reader ends it, so that the network ends as well.
            drop(Command::new("kill").args(["-INT", &id]).status());
            drop(local.wait());
        }
    }
}

/// An empty folder with a link to this project.
fn empty_folder() -> io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    symlink(artifacts::workspace(), folder.join("canic"))?;
    Ok(folder)
}

#[test]
fn the_first_fleet_of_the_guide_is_built_run_and_upgraded() {
    if !has_local_networks(&artifacts::server()) {
        println!(
            "skipped: `canic local` needs canic-replica, and POCKET_IC_BIN names another server"
        );
        return;
    }
    let _alone = only_local_network();
    let page = fs::read_to_string(artifacts::workspace().join(CHAPTER)).expect("the chapter");
    let folder = empty_folder().expect("a folder");
    let mut reader = Reader {
        home: folder.join("home"),
        folder,
        local: None,
    };
    for step in steps(&page) {
        match step {
            Step::File { name, text } => {
                let file = reader.folder.join(name);
                assert!(file.exists(), "`canic new` makes no {}", file.display());
                fs::write(file, text).expect("a file");
            }
            Step::Command(line, printed) => {
                reader.run(&line, &printed);
                if line.starts_with("cd ") {
                    prepare(&reader.folder);
                }
            }
        }
    }
    let releases = reader.shell("canic releases worker --json").output();
    let releases = releases.expect("canic runs").stdout;
    let releases = String::from_utf8_lossy(&releases).into_owned();
    assert!(releases.contains("\"release\": 2"), "{releases}");
}

/// Whether a server is `canic-replica`, which can be started as a network.
fn has_local_networks(server: &Path) -> bool {
    let help = Command::new(server).args(["start", "--help"]).output();
    help.is_ok_and(|output| output.status.success())
}

/// The generations of crates that this project is tested with, and what cargo has built of them.
fn prepare(fleet: &Path) {
    let lock = artifacts::workspace().join("Cargo.lock");
    fs::copy(lock, fleet.join("Cargo.lock")).expect("the lock is there");
    let built = artifacts::workspace().join("target");
    symlink(built, fleet.join("target")).expect("a link");
}

/// The words of a command line, up to a remark or another command.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    // Every other part is between two quotes.
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_string());
            continue;
        }
        for word in part.split_whitespace() {
            if ["#", "|", ">", "&&"].contains(&word) {
                return words;
            }
            words.push(word.to_string());
        }
    }
    words
}

/// Also those that no test runs: the program knows their commands and options.
#[test]
fn the_commands_of_all_pages_are_accepted() {
    let docs = fs::read_dir(artifacts::workspace().join("docs")).expect("a folder");
    let mut count = 0;
    for page in docs.map(|page| page.expect("a page").path()) {
        let text = fs::read_to_string(&page).unwrap_or_default();
        let lines = text.lines().map(|line| line.trim_start());
        for line in lines.filter_map(|line| line.strip_prefix("$ canic ")) {
            // Options are read in their order, so that `--help` comes after a mistake.
            let ran = Command::new(env!("CARGO_BIN_EXE_canic"))
                .args(words(line))
                .arg("--help")
                .output()
                .expect("canic runs");
            let error = String::from_utf8_lossy(&ran.stderr);
            assert!(
                ran.status.success(),
                "{}: canic {line}: {error}",
                page.display()
            );
            count += 1;
        }
    }
    assert!(count > 0, "no page has a command");
}

#[test]
fn a_chapter_has_files_and_commands() {
    let page = "`a.rs`\n```rust\nfn a() {}\n```\n```console,ignore\n$ no\n```\n\
                ```console\n$ one   # a remark\noutput 1\n$ two\n```\n";
    let printed = vec!["output 1".to_string()];
    let one = Step::Command("one   # a remark".to_string(), printed);
    let two = Step::Command("two".to_string(), Vec::new());
    let file = Step::File {
        name: "a.rs".to_string(),
        text: "fn a() {}\n".to_string(),
    };
    assert_eq!(steps(page), [file, one, two]);
    assert_eq!(
        without_ids("a-b-cai in 12 s"),
        without_ids("c-cai  in 34 s")
    );
}
