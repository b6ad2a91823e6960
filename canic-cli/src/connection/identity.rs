//! Identities, as `icp` keeps them: a list, a default, and a file with a private key for each.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use ic_agent::{
    Identity,
    identity::{AnonymousIdentity, BasicIdentity, Prime256v1Identity, Secp256k1Identity},
};
use k256::pkcs8::DecodePrivateKey;
use serde_json::Value;

use crate::failure::Failure;

/// The identity of a key file, or the one of `icp` with a name, or `icp`'s default.
///
/// # Errors
/// There is no such identity, or its key can't be read.
pub(crate) fn load(name: Option<&str>, pem: Option<&Path>) -> Result<Arc<dyn Identity>, Failure> {
    if let Some(file) = pem {
        return from_file(file);
    }
    if name == Some("anonymous") {
        return Ok(Arc::new(AnonymousIdentity));
    }
    let Some(home) = home() else {
        return match name {
            None => Ok(Arc::new(AnonymousIdentity)),
            Some(name) => Err(unknown(name)),
        };
    };
    let folder = home.join("identity");
    let name = match name {
        Some(name) => name.to_string(),
        None => default_name(&folder)?,
    };
    if name == "anonymous" {
        return Ok(Arc::new(AnonymousIdentity));
    }
    named(&folder, &name)
}

/// The folder in which `icp` keeps what belongs to the user.
fn home() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("ICP_HOME") {
        return Some(folder.into());
    }
    let home = PathBuf::from(env::var_os("HOME")?);
    if cfg!(target_os = "macos") {
        return Some(home.join("Library/Application Support/org.dfinity.icp-cli"));
    }
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.filter(|folder| folder.is_absolute());
    let data = data.unwrap_or_else(|| home.join(".local/share"));
    Some(data.join("icp-cli"))
}

fn default_name(folder: &Path) -> Result<String, Failure> {
    let defaults = json(&folder.join("identity_defaults.json"))?;
    let name = defaults.as_ref().and_then(|all| all["default"].as_str());
    Ok(name.unwrap_or("anonymous").to_string())
}

fn named(folder: &Path, name: &str) -> Result<Arc<dyn Identity>, Failure> {
    let list = json(&folder.join("identity_list.json"))?;
    let spec = list.as_ref().and_then(|list| list["identities"].get(name));
    let Some(spec) = spec else {
        return Err(unknown(name));
    };
    match (spec["kind"].as_str(), spec["format"].as_str()) {
        (Some("anonymous"), _) => Ok(Arc::new(AnonymousIdentity)),
        (Some("pem"), Some("plaintext") | None) => {
            from_file(&folder.join("keys").join(format!("{name}.pem")))
        }
        (Some("internet-identity" | "hsm"), _) => Err(Failure::setup(format!(
            "the key of `{name}` is in a device or a browser, which this program can't ask"
        ))
        .with_advice("Use an identity with a key of its own, and make it a controller of root.")),
        _ => Err(Failure::setup(format!(
            "the key of `{name}` is encrypted or in a keyring, which this program can't open"
        ))
        .with_advice(format!(
            "Write it to a file that only you can read: `icp identity export {name} > {name}.pem`, \
             then give `--pem {name}.pem`."
        ))),
    }
}

fn unknown(name: &str) -> Failure {
    Failure::setup(format!("`icp` has no identity `{name}`")).with_advice(
        "`icp identity list` lists them, `icp identity new` makes one; `--pem FILE` takes a key.",
    )
}

/// A file of JSON; none if there is no such file.
fn json(file: &Path) -> Result<Option<Value>, Failure> {
    let failed = |reason: String| Failure::setup(format!("{}: {reason}", file.display()));
    match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|e| failed(e.to_string())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed(e.to_string())),
    }
}

fn from_file(file: &Path) -> Result<Arc<dyn Identity>, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|e| Failure::setup(format!("the key file {}: {e}", file.display())))?;
    from_pem(&text).ok_or_else(|| {
        Failure::setup(format!(
            "{} has no private key that this program reads",
            file.display()
        ))
        .with_advice("It reads Ed25519, secp256k1 and P-256 in PEM, unencrypted.")
    })
}

/// The identity of a private key in PEM: Ed25519, secp256k1 or P-256.
fn from_pem(text: &str) -> Option<Arc<dyn Identity>> {
    // Older tools write the curve's parameters in front of the key.
    let begins = text.find("-----BEGIN EC PRIVATE KEY");
    let text = begins.map_or(text, |at| &text[at..]).trim();
    if let Ok(key) = ic_ed25519::PrivateKey::deserialize_pkcs8_pem(text) {
        return Some(Arc::new(BasicIdentity::from_raw_key(&key.serialize_raw())));
    }
    let k256 = k256::SecretKey::from_sec1_pem(text)
        .ok()
        .or_else(|| k256::SecretKey::from_pkcs8_pem(text).ok());
    if let Some(key) = k256 {
        return Some(Arc::new(Secp256k1Identity::from_private_key(key)));
    }
    let p256 = p256::SecretKey::from_sec1_pem(text)
        .ok()
        .or_else(|| p256::SecretKey::from_pkcs8_pem(text).ok());
    let key = p256?;
    Some(Arc::new(Prime256v1Identity::from_private_key(key)))
}
