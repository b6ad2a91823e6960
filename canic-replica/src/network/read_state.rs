//! Reads of the certified state from outside, with their permissions.

use candid::Principal;

use crate::{
    certification::{certificate::canister, tree::Wanted},
    ingress::{EffectivePrincipal, MessageId},
    network::Network,
};

/// The limits of paths in one request, and of labels in one path.
const MAX_PATHS: usize = 1000;
const MAX_LABELS: usize = 127;

/// The reason why a part of the state is not revealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadStateError {
    /// There is no such subnet, or no such path in any state tree.
    NotFound(String),
    /// The paths are invalid.
    Invalid(String),
    /// The sender may not read this.
    Forbidden(String),
}

/// Checks that a path below `/canister_ranges` is requested of a subnet, and that all such paths
/// name the same subnet.
fn check_ranges(
    effective: EffectivePrincipal,
    paths: &[Vec<Vec<u8>>],
    path: &[Vec<u8>],
) -> Result<(), ReadStateError> {
    let ranges = |path: &[Vec<u8>]| {
        path.first()
            .is_some_and(|label| label == b"canister_ranges")
    };
    if !ranges(path) {
        return Ok(());
    }
    let invalid = |why: &str| Err(ReadStateError::Invalid(why.into()));
    if matches!(effective, EffectivePrincipal::Canister(_)) {
        return invalid("Canister ranges are read at the subnet's path, not at a canister's.");
    }
    if paths
        .iter()
        .any(|other| ranges(other) && other.get(1) != path.get(1))
    {
        return invalid("All paths below /canister_ranges must refer to the same subnet id.");
    }
    Ok(())
}

/// Checks that the metrics of a subnet are requested at the path of that subnet.
fn check_metrics(effective: EffectivePrincipal, path: &[Vec<u8>]) -> Result<(), ReadStateError> {
    let labels: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
    match (labels.as_slice(), effective) {
        ([b"subnet", _, b"metrics"], EffectivePrincipal::Canister(_)) => {
            Err(ReadStateError::NotFound("Invalid path requested.".into()))
        }
        ([b"subnet", id, b"metrics"], EffectivePrincipal::Subnet(name))
            if *id != name.as_slice() =>
        {
            Err(other_principal(name, id))
        }
        _ => Ok(()),
    }
}

/// The path names another principal than the address of the request.
fn other_principal(effective: Principal, asked: &[u8]) -> ReadStateError {
    let asked = Principal::try_from_slice(asked)
        .map_or_else(|_| format!("0x{}", hex::encode(asked)), |id| id.to_string());
    ReadStateError::Invalid(format!(
        "Effective principal id in URL {effective} does not match requested principal id: {asked}."
    ))
}

impl Network {
    /// A certificate of `paths` in the state tree of the subnet of `effective`. The second version
    /// of the interface of agents reveals `legacy_ranges`, the third one does not (interface
    /// specification 0.50).
    pub(crate) fn read_state(
        &self,
        sender: Principal,
        effective: EffectivePrincipal,
        paths: &[Vec<Vec<u8>>],
        legacy_ranges: bool,
    ) -> Result<Vec<u8>, ReadStateError> {
        let (EffectivePrincipal::Canister(name) | EffectivePrincipal::Subnet(name)) = effective;
        let subnet = self.subnet_for(effective).ok_or_else(|| {
            ReadStateError::NotFound(format!("{name} does not belong to any subnet."))
        })?;
        if paths.len() > MAX_PATHS {
            return Err(ReadStateError::Invalid(format!(
                "Too many paths in read state request: got {} paths, but at most {MAX_PATHS} are \
                 allowed.",
                paths.len()
            )));
        }
        if let Some(path) = paths.iter().find(|path| path.len() > MAX_LABELS) {
            return Err(ReadStateError::Invalid(format!(
                "At least one path in read state request is too deep: got {} labels, but at most \
                 {MAX_LABELS} are allowed.",
                path.len()
            )));
        }
        let mut wanted = Wanted::default();
        let mut request = None;
        for path in paths {
            check_ranges(effective, paths, path)?;
            check_metrics(effective, path)?;
            self.check(sender, name, path, &mut request)?;
            self.want(&mut wanted, path, legacy_ranges);
        }
        let state = self.certified_state(subnet);
        Ok(state.certificate(
            &mut wanted,
            |label, wanted| {
                let id = Principal::try_from_slice(label).ok()?;
                Some(canister(self.canisters.get(&id)?, Some(wanted)))
            },
            |label| self.request_node(label),
        ))
    }

    /// Requests a path in a certificate. Without `legacy_ranges`, the certificate reveals
    /// `/subnet/<id>/canister_ranges` of the root subnet only.
    fn want(&self, wanted: &mut Wanted, path: &[Vec<u8>], legacy_ranges: bool) {
        let root = self.topology.root_id();
        let labels: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
        let ids: Vec<&[u8]> = match labels.as_slice() {
            _ if legacy_ranges => return wanted.add(path),
            [b"subnet"] => {
                let present = self.infos.iter().filter(|info| !info.deleted);
                present.map(|info| info.id.as_slice()).collect()
            }
            [b"subnet", id] => vec![*id],
            [b"subnet", id, b"canister_ranges"] if *id != root.as_slice() => return,
            _ => return wanted.add(path),
        };
        for id in ids {
            for leaf in ["node", "public_key", "type"] {
                wanted.add([b"subnet", id, leaf.as_bytes()]);
            }
            if id == root.as_slice() {
                wanted.add([b"subnet", id, b"canister_ranges"]);
            }
        }
    }

    /// Checks that the sender may request a path under the effective principal. All paths name the
    /// same `request`.
    fn check<'a>(
        &self,
        sender: Principal,
        effective: Principal,
        path: &'a [Vec<u8>],
        request: &mut Option<&'a [u8]>,
    ) -> Result<(), ReadStateError> {
        let invalid = |why: String| Err(ReadStateError::Invalid(why));
        let unsupported = || Err(ReadStateError::NotFound("Invalid path requested.".into()));
        let labels: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
        match labels.as_slice() {
            [b"time"] | [b"subnet"] | [b"subnet" | b"canister_ranges", _] => Ok(()),
            [
                b"subnet",
                _,
                b"public_key" | b"canister_ranges" | b"type" | b"node" | b"metrics",
            ] => Ok(()),
            [b"subnet", _, b"node", _] | [b"subnet", _, b"node", _, b"public_key"] => Ok(()),
            [b"api_boundary_nodes", ..] if labels.len() <= 3 => Ok(()),
            [b"request_status", id] | [b"request_status", id, _] => {
                let Ok(message) = MessageId::try_from(*id) else {
                    return invalid(
                        "Invalid request id in paths. Maybe the request ID is not of 32 bytes in \
                         length?!"
                            .into(),
                    );
                };
                if let Some(other) = request.replace(id).filter(|other| other != id) {
                    return invalid(format!(
                        "More than one non-unique request ID exists in request_status paths: \
                         0x{} and 0x{}.",
                        hex::encode(other),
                        hex::encode(id)
                    ));
                }
                match self.submissions.get(&message) {
                    Some(submission) if submission.sender != sender => {
                        Err(ReadStateError::Forbidden(
                            "The user tries to access Request ID not signed by the caller.".into(),
                        ))
                    }
                    Some(submission) if submission.effective != effective => Err(
                        ReadStateError::Forbidden(
                            "The user tries to access a request that was sent to another effective \
                             canister id.".into(),
                        ),
                    ),
                    _ => Ok(()),
                }
            }
            [b"canister", id, leaf @ ..] => {
                if *id != effective.as_slice() {
                    return Err(other_principal(effective, id));
                }
                match leaf {
                    [
                        b"module_hash"
                        | b"controllers"
                        | b"canister_creation_timestamp"
                        | b"last_install_timestamp",
                    ] => Ok(()),
                    [b"metadata", name] => self.check_metadata(sender, effective, name),
                    _ => unsupported(),
                }
            }
            _ => unsupported(),
        }
    }

    /// Private sections are for controllers.
    fn check_metadata(
        &self,
        sender: Principal,
        id: Principal,
        name: &[u8],
    ) -> Result<(), ReadStateError> {
        let Ok(name) = std::str::from_utf8(name) else {
            return Err(ReadStateError::Invalid(
                "Could not parse the custom section name: it is not UTF-8.".into(),
            ));
        };
        let Some(canister) = self.canisters.get(&id) else {
            return Ok(());
        };
        let section = canister
            .code
            .as_ref()
            .and_then(|code| code.module.metadata.get(name));
        match section {
            Some((false, _)) if !canister.is_controller(&sender) => {
                Err(ReadStateError::Forbidden(format!(
                    "Custom section {name} can only be requested by the controllers of the \
                     canister."
                )))
            }
            _ => Ok(()),
        }
    }
}
