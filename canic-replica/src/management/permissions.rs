//! The permissions of ingress messages to the management canister.

use candid::Principal;

use crate::{
    ingress::Ingress,
    management::call::target,
    network::{Network, admins::check_admin},
    reject::{Reject, RejectCode, invalid, refused},
};

/// The users that may call a method by an ingress message.
enum IngressPermission {
    /// Any user. No canister pays for the message.
    Anyone,
    /// The controllers of the canister that the argument names. This canister pays.
    Controllers,
    /// The controllers, and the admins of the canister's subnet.
    Managers,
    /// The admins of the subnet that the message goes to.
    SubnetAdmins,
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
        "start_canister" | "stop_canister" | "delete_canister" | "uninstall_code"
        | "canister_metrics" => IngressPermission::Managers,
        "create_canister" => IngressPermission::SubnetAdmins,
        "update_settings"
        | "install_code"
        | "install_chunked_code"
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
        "deposit_cycles"
        | "raw_rand"
        | "fetch_canister_logs"
        | "node_metrics_history"
        | "subnet_info"
        | "subnet_metrics"
        | "list_canisters"
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
            Some(IngressPermission::Anyone | IngressPermission::SubnetAdmins) => Ok(None),
            Some(
                IngressPermission::Controllers
                | IngressPermission::Managers
                | IngressPermission::SnapshotReaders
                | IngressPermission::StatusReaders
                | IngressPermission::CanistersOnTarget,
            ) => target(&ingress.payload).map(Some).map_err(|why| {
                invalid(format!(
                    "Failed to parse payload for ic00 method {method}: IC0408: {why}"
                ))
            }),
            Some(IngressPermission::Canisters) => Err(no_ingress(method)),
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
        subnet: usize,
    ) -> Result<(), Reject> {
        let method = &ingress.method;
        let permission = ingress_permission(method);
        if let Some(IngressPermission::SubnetAdmins) = permission {
            return self.check_create_by_user(&ingress.sender, subnet);
        }
        let Some(id) = target else { return Ok(()) };
        let canister = self.require_canister(id)?;
        match permission {
            Some(IngressPermission::Managers)
                if self.is_subnet_admin(canister.subnet, &ingress.sender) =>
            {
                Ok(())
            }
            Some(IngressPermission::CanistersOnTarget) => Err(refused(format!(
                "Only canisters can call ic00 method {method}"
            ))),
            Some(IngressPermission::StatusReaders) => {
                self.check_status_reader(canister, &ingress.sender)
            }
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
    /// Checks that a user may create a canister on a subnet: its admins may.
    pub(super) fn check_create_by_user(
        &self,
        user: &Principal,
        subnet: usize,
    ) -> Result<(), Reject> {
        match self.subnet_admins(subnet) {
            Some(admins) => check_admin(admins, user),
            None => Err(no_ingress("create_canister")),
        }
    }
}

/// The reject of an ingress message for a method that users may not call.
fn no_ingress(method: &str) -> Reject {
    refused(format!(
        "ic00 method {method} can not be called via ingress messages"
    ))
}
