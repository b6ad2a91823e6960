//! The permissions of ingress messages to the management canister.

use candid::Principal;

use crate::{
    ingress::Ingress,
    management::call::target,
    network::Network,
    reject::{Reject, RejectCode, invalid, refused},
};

/// The users that may call a method by an ingress message.
enum IngressPermission {
    /// Any user. No canister pays for the message.
    Anyone,
    /// The controllers of the canister that the argument names. This canister pays.
    Controllers,
    /// The controllers, and principals that may read the canister's snapshots.
    SnapshotReaders,
    /// The controllers, and principals that may read the canister's status.
    StatusReaders,
    /// No user: the method is for canisters, and its argument names a canister.
    CanistersOnTarget,
    /// No user: the method is for canisters.
    Canisters,
}

/// The permission of a method; `None` if there is no such method.
fn ingress_permission(method: &str) -> Option<IngressPermission> {
    Some(match method {
        "provisional_create_canister_with_cycles" | "provisional_top_up_canister" => {
            IngressPermission::Anyone
        }
        "canister_status" => IngressPermission::StatusReaders,
        "start_canister"
        | "stop_canister"
        | "delete_canister"
        | "update_settings"
        | "install_code"
        | "install_chunked_code"
        | "uninstall_code"
        | "upload_chunk"
        | "stored_chunks"
        | "clear_chunk_store"
        | "take_canister_snapshot"
        | "load_canister_snapshot"
        | "delete_canister_snapshot"
        | "upload_canister_snapshot_metadata"
        | "upload_canister_snapshot_data" => IngressPermission::Controllers,
        "list_canister_snapshots"
        | "read_canister_snapshot_metadata"
        | "read_canister_snapshot_data" => IngressPermission::SnapshotReaders,
        "canister_info" | "canister_metadata" => IngressPermission::CanistersOnTarget,
        "create_canister"
        | "deposit_cycles"
        | "raw_rand"
        | "fetch_canister_logs"
        | "node_metrics_history"
        | "subnet_info"
        | "http_request"
        | "flexible_http_request"
        | "ecdsa_public_key"
        | "sign_with_ecdsa"
        | "schnorr_public_key"
        | "sign_with_schnorr"
        | "vetkd_public_key"
        | "vetkd_derive_key" => IngressPermission::Canisters,
        method if is_unsupported(method) => IngressPermission::Canisters,
        _ => return None,
    })
}

/// Whether this is a method of the network that this replica does not support.
pub(super) fn is_unsupported(method: &str) -> bool {
    matches!(
        method,
        "bitcoin_get_balance"
            | "bitcoin_get_utxos"
            | "bitcoin_send_transaction"
            | "bitcoin_get_current_fee_percentiles"
            | "bitcoin_get_block_headers"
            | "canister_metrics"
            | "subnet_metrics"
            | "list_canisters"
            | "rename_canister"
    )
}

/// Whether a canister pays for the reception after the call: a canister that froze itself by its
/// freezing threshold must be able to lower it.
pub(crate) fn is_charged_afterwards(method: &str, payload: usize) -> bool {
    const MAX_PAYLOAD: usize = 366;
    method == "update_settings" && payload <= MAX_PAYLOAD
}

impl Network {
    /// The canister that the argument of an ingress message names, if its method needs one. A
    /// method for canisters only, or an argument without a canister, is rejected.
    pub(crate) fn management_target(&self, ingress: &Ingress) -> Result<Option<Principal>, Reject> {
        let method = ingress.method.as_str();
        match ingress_permission(method) {
            Some(IngressPermission::Anyone) => Ok(None),
            Some(
                IngressPermission::Controllers
                | IngressPermission::SnapshotReaders
                | IngressPermission::StatusReaders
                | IngressPermission::CanistersOnTarget,
            ) => target(&ingress.payload).map(Some).map_err(|why| {
                invalid(format!(
                    "Failed to parse payload for ic00 method {method}: IC0408: {why}"
                ))
            }),
            Some(IngressPermission::Canisters) => Err(refused(format!(
                "ic00 method {method} can not be called via ingress messages"
            ))),
            None => Err(Reject::new(
                RejectCode::CanisterError,
                536,
                format!("ic00 interface does not expose method {method}"),
            )),
        }
    }

    /// Checks the permission of an ingress message. Only controllers may spend a canister's cycles.
    pub(crate) fn admit_management(
        &self,
        ingress: &Ingress,
        target: Option<Principal>,
    ) -> Result<(), Reject> {
        let method = &ingress.method;
        let Some(id) = target else { return Ok(()) };
        let canister = self.require_canister(id)?;
        match ingress_permission(method) {
            Some(IngressPermission::CanistersOnTarget) => Err(refused(format!(
                "Only canisters can call ic00 method {method}"
            ))),
            Some(IngressPermission::StatusReaders) => canister.check_status_reader(&ingress.sender),
            Some(IngressPermission::SnapshotReaders)
                if canister.is_snapshot_visible_to(&ingress.sender) =>
            {
                Ok(())
            }
            _ if canister.is_controller(&ingress.sender) => Ok(()),
            _ => {
                let why =
                    format!("Only controllers of canister {id} can call ic00 method {method}");
                Err(Reject::new(RejectCode::CanisterError, 512, why))
            }
        }
    }
}
