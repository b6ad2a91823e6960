//! Who may call which method of the management canister from outside.

use candid::Principal;

use crate::{
    ingress::Ingress,
    management::call::target,
    network::Network,
    reject::{Reject, RejectCode, invalid, refused},
};

/// Who may call a method from outside.
enum IngressPermission {
    /// Nobody pays for it.
    Anyone,
    /// Those of the canister that the argument names, which pays.
    Controllers,
    /// The same, and those to whom the canister shows its snapshots.
    SnapshotReaders,
    /// The same, and those to whom the canister shows its status.
    StatusReaders,
    /// It is for canisters, and about one.
    CanistersOnTarget,
    /// It is for canisters.
    Canisters,
}

/// The door of a method; `None` if there is no such method.
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
        | "flexible_http_request" => IngressPermission::Canisters,
        method if is_unsupported(method) => IngressPermission::Canisters,
        _ => return None,
    })
}

/// Whether the network has this method, and this replica refuses it by name.
pub(super) fn is_unsupported(method: &str) -> bool {
    matches!(
        method,
        "ecdsa_public_key"
            | "sign_with_ecdsa"
            | "schnorr_public_key"
            | "sign_with_schnorr"
            | "vetkd_public_key"
            | "vetkd_derive_key"
            | "bitcoin_get_balance"
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

/// Whether a canister pays for the reception after the call: one that froze itself by too high a freezing threshold
/// must be able to lower it.
pub(crate) fn charged_afterwards(method: &str, payload: usize) -> bool {
    const MAX_PAYLOAD: usize = 366;
    method == "update_settings" && payload <= MAX_PAYLOAD
}

impl Network {
    /// The canister that a call from outside is about, if its method is about one. Errors: the method is not for callers
    /// from outside, or the argument names no canister.
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

    /// Whether a call from outside about a canister may come in: nobody but its controllers spends its cycles.
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
                if canister.shows_snapshots_to(&ingress.sender) =>
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
