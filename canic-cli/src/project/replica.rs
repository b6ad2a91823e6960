//! The program `canic-replica`: the local network, and what reads interfaces from modules.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use candid::Principal;
use serde_json::Value;

use crate::failure::Failure;

/// The variable that names the program.
const VARIABLE: &str = "CANIC_REPLICA";

/// The program: the one that `CANIC_REPLICA` names, the one beside this program, or the one on the
/// path.
pub(crate) fn program() -> PathBuf {
    if let Some(named) = env::var_os(VARIABLE) {
        return named.into();
    }
    let name = format!("canic-replica{}", env::consts::EXE_SUFFIX);
    let beside = env::current_exe().ok();
    let beside = beside.and_then(|this| Some(this.parent()?.join(&name)));
    match beside {
        Some(beside) if beside.is_file() => beside,
        _ => name.into(),
    }
}

/// The failure of a program that can't be run.
fn missing(e: &io::Error) -> Failure {
    Failure::setup(format!("{} can't be run: {e}", program().display())).with_advice(format!(
        "Install it with `cargo install --path ../canic/canic-replica`, or name it in {VARIABLE}."
    ))
}

/// Writes a module with its interface as metadata.
///
/// # Errors
/// The program can't be run, or the module has no interface.
pub(crate) fn embed_interface(module: &Path, to: &Path) -> Result<(), Failure> {
    let output = Command::new(program())
        .arg("did")
        .arg(module)
        .arg("--embed")
        .arg(to)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| missing(&e))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(Failure::refused(format!(
        "{}: {}",
        module.display(),
        why.trim()
    )))
}

/// A local network that runs. It ends with this value.
pub(crate) struct LocalNetwork {
    child: Child,
    pub(crate) port: u16,
    /// The public key of the network in hexadecimal digits.
    pub(crate) root_key: String,
    /// A canister id of the subnet on which canisters are created.
    pub(crate) near: Principal,
}

impl LocalNetwork {
    /// Starts one on a port, 0 for any free one. `folder` keeps its state and its status.
    ///
    /// # Errors
    /// The program can't be run, or ends at once.
    pub(crate) fn start(port: u16, folder: &Path) -> Result<Self, Failure> {
        let failed = |e: io::Error| Failure::setup(format!("{}: {e}", folder.display()));
        let status = folder.join("status.json");
        match fs::remove_file(&status) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        fs::create_dir_all(folder).map_err(failed)?;
        let mut child = Command::new(program())
            .args(["--interface-version", "1.1.0", "--gateway-port"])
            .arg(port.to_string())
            .arg("--state-dir")
            .arg(folder.join("state"))
            .arg("--status-dir")
            .arg(folder)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|e| missing(&e))?;
        // The file is complete once it ends in a newline.
        let text = loop {
            let text = fs::read_to_string(&status).unwrap_or_default();
            if text.ends_with('\n') {
                break text;
            }
            if let Some(ended) = child.try_wait().map_err(failed)? {
                let what = format!("the local network ended at once: {ended}");
                return Err(Failure::refused(what).with_advice("Its message is above."));
            }
            sleep(Duration::from_millis(20));
        };
        let mut network = Self {
            child,
            port: 0,
            root_key: String::new(),
            near: Principal::anonymous(),
        };
        network.read(&text).ok_or_else(|| {
            Failure::refused("canic-replica wrote a status that this program does not know")
        })?;
        Ok(network)
    }

    fn read(&mut self, text: &str) -> Option<()> {
        let status: Value = serde_json::from_str(text).ok()?;
        self.port = u16::try_from(status["gateway_port"].as_u64()?).ok()?;
        self.root_key = status["root_key"].as_str()?.to_string();
        let near = status["default_effective_canister_id"].as_str()?;
        self.near = Principal::from_text(near).ok()?;
        Some(())
    }

    /// Ends it, once it has written its state. Ctrl-C at a terminal has reached it already.
    pub(crate) fn end(mut self) {
        if cfg!(unix) {
            let id = self.child.id().to_string();
            let asked = Command::new("kill").args(["-INT", &id]).status();
            if asked.is_ok() {
                // A network that has ended already needs no waiting.
                let _ = self.child.wait();
            }
        }
    }
}

impl Drop for LocalNetwork {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It may end just now.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
