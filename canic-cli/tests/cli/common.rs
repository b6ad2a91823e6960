//! A fleet on a live port, and the program `canic` as an operator runs it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use candid::Principal;
use canic_fleet_tests::Fleet;
use ic_agent::{Identity, identity::BasicIdentity};
use serde_json::Value;

/// A folder that is deleted with this value.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("canic-cli-{}-{number}", std::process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        let parent = path.parent().expect("a folder");
        fs::create_dir_all(parent).expect("a folder");
        fs::write(&path, content).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Keeps other tests from running a local network in this workspace's target folder: there is one
/// for each project.
pub(crate) fn only_local_network() -> MutexGuard<'static, ()> {
    static ONLY: Mutex<()> = Mutex::new(());
    ONLY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The private key of an operator, and its principal.
pub(crate) fn operator(seed: u8) -> (String, Principal) {
    let key = ic_ed25519::PrivateKey::generate_from_seed(&[seed]);
    let pem = key.serialize_pkcs8_pem(ic_ed25519::PrivateKeyFormat::Pkcs8v2);
    let identity = BasicIdentity::from_raw_key(&key.serialize_raw());
    (pem, identity.sender().expect("a principal"))
}

/// A fleet on a live port, with an operator among root's controllers.
pub(crate) struct Live {
    pub(crate) fleet: Fleet,
    pub(crate) url: String,
    pub(crate) folder: Folder,
}

impl Live {
    /// A fleet, once `prepare` has made it what it is.
    pub(crate) fn start(root_package: &str, prepare: impl FnOnce(&Fleet)) -> Self {
        Self::start_ago(root_package, Duration::ZERO, prepare)
    }

    /// A fleet that began so long ago, once `prepare` has made it what it is. Its time is no later
    /// than now then.
    pub(crate) fn start_ago(
        root_package: &str,
        ago: Duration,
        prepare: impl FnOnce(&Fleet),
    ) -> Self {
        let mut fleet = Fleet::start_ago(root_package, ago);
        prepare(&fleet);
        let (pem, operator) = operator(1);
        let (root, controller) = (fleet.root, fleet.controller);
        fleet
            .pic
            .set_controllers(root, Some(controller), vec![controller, root, operator])
            .expect("controllers");
        let folder = Folder::new();
        folder.write("operator.pem", pem);
        let url = fleet.pic.make_live(None).to_string();
        Self { fleet, url, folder }
    }

    /// Runs `canic` with these words as the operator.
    pub(crate) fn canic(&self, line: &str) -> Ran {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.run(&words)
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        let pem = self.folder.0.join("operator.pem");
        let root = self.fleet.root.to_text();
        let pem = pem.to_str().expect("a path");
        let options = ["--network", &self.url, "--root", &root, "--pem", pem];
        canic(&self.folder.0, &[&options, words].concat())
    }

    /// The text of a command that succeeds, of words that may contain spaces.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
        ran.text()
    }

    /// The JSON of a command that succeeds.
    pub(crate) fn json(&self, line: &str) -> Value {
        let ran = self.canic(&format!("{line} --json"));
        assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{line}: {e}: {}", ran.stdout))
    }

    /// Waits until the JSON of a command fulfils a condition.
    pub(crate) fn until(&self, line: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let value = self.json(line);
            if holds(&value) {
                return value;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "{line}: {value}"
            );
            sleep(Duration::from_millis(200));
        }
    }
}

/// What a run of the program left.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The text that was printed, if the command succeeded.
    pub(crate) fn text(&self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        redact(&self.stdout)
    }

    /// The message of a command that failed with this code.
    pub(crate) fn fails(&self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        redact(&self.stderr)
    }
}

/// Runs `canic` in a folder.
pub(crate) fn canic(folder: &Path, words: &[&str]) -> Ran {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_canic"))
        .args(words)
        .current_dir(folder)
        .env("ICP_HOME", folder.join("home"))
        .stdin(Stdio::null())
        .output()
        .expect("canic runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// A text without what differs from run to run or from build to build: ages, cycles, sizes, hashes,
/// ports, and the widths of columns.
pub(crate) fn redact(text: &str) -> String {
    text.lines().map(|line| wrap(&redact_line(line))).collect()
}

/// A line in pieces that fit into a source file.
fn wrap(line: &str) -> String {
    let indent = " ".repeat(line.len() - line.trim_start().len());
    let (mut text, mut width) = (indent.clone(), indent.len());
    for (at, word) in line.split_whitespace().enumerate() {
        if width + word.len() > 86 && at > 0 {
            text += &format!("\n{indent}   ");
            width = indent.len() + 3;
        }
        let space = if at > 0 { " " } else { "" };
        text += &format!("{space}{word}");
        width += space.len() + word.len();
    }
    text.trim_end().to_string() + "\n"
}

fn redact_line(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let mut words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
    for at in 1..words.len() {
        let is_number = words[at - 1].parse::<f64>().is_ok();
        let unit = words[at].trim_end_matches([',', ';', ':', ')']).to_string();
        let kind = match unit.as_str() {
            "s" | "min" | "h" | "d" => "AGE",
            "T" | "B" | "M" => "CYCLES",
            "KiB" | "MiB" => "BYTES",
            _ => continue,
        };
        if is_number {
            words[at] = words[at].replacen(&unit, "", 1);
            words[at - 1] = kind.to_string();
        }
    }
    for word in &mut words {
        let is_hash = word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit() || c == ',');
        if is_hash {
            *word = "HASH".to_string();
        }
        let is_digit = |at: usize| matches!(word.as_bytes().get(at), Some(b'0'..=b'9'));
        let dashes = word.match_indices('-').map(|(at, _)| at);
        if word.len() == 10
            && dashes.eq([4, 7])
            && [0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(is_digit)
        {
            *word = "DATE".to_string();
        }
        let time = word.trim_end_matches(',');
        if time.len() == 9 && time.ends_with('Z') && time.matches(':').count() == 2 {
            *word = word.replace(time, "TIME");
        }
        if let Some((before, port)) = word.split_once("localhost:") {
            let rest = port.trim_start_matches(|c: char| c.is_ascii_digit());
            *word = format!("{before}localhost:PORT{rest}");
        }
    }
    let words = words
        .join(" ")
        .replace(" ,", ",")
        .replace(" ;", ";")
        .replace(" :", ":");
    format!("{}{words}", " ".repeat(indent))
        .trim_end()
        .to_string()
}

/// A JSON value without what differs from run to run.
pub(crate) fn without_times(mut value: Value) -> String {
    hide(&mut value);
    serde_json::to_string_pretty(&value).expect("JSON") + "\n"
}

fn hide(value: &mut Value) {
    const VARYING: [&str; 18] = [
        "size",
        "module",
        "since",
        "accepted",
        "updated",
        "started",
        "approved",
        "time",
        "cycles",
        "balance",
        "available",
        "paid",
        "burned_per_day",
        "memory",
        "days_left",
        "spent_per_day",
        "dry_at",
        "day",
    ];
    match value {
        Value::Array(rows) => rows.iter_mut().for_each(hide),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(_) | Value::Number(_) if VARYING.contains(&name.as_str()) => {
                        *field = Value::String("..".to_string());
                    }
                    // Cycles; elsewhere it is a number of members.
                    Value::String(_) if name == "frozen" => {
                        *field = Value::String("..".to_string());
                    }
                    field => hide(field),
                }
            }
        }
        _ => {}
    }
}
