//! The operations on an instance: functions of the replica and of one argument.

use candid::Principal;
use sha2::{Digest, Sha256};

use crate::{
    http::{
        answer::{Answer, Failure},
        protocol::{
            CanisterCyclesCostSchedule, CanisterIdRange, RawAddCycles, RawCanisterCall,
            RawCanisterId, RawCanisterResult, RawCycles, RawEffectivePrincipal,
            RawIngressStatusArgs, RawMessageId, RawPrincipalId, RawSenderInfo, RawStableMemory,
            RawSubnetId, RawTickConfigs, RawTime, RejectResponse, SubnetConfig,
            SubnetInstructionConfig, Topology, error_code,
        },
    },
    ingress::{CallerInfo, EffectivePrincipal, Ingress, IngressStatus, MessageId},
    reject::Reject,
    replica::Replica,
    subnets::{Blockmakers, SubnetInfo},
};

pub(super) fn topology(replica: &mut Replica) -> Answer<Topology> {
    let subnet_configs = replica
        .subnets()
        .iter()
        .map(|subnet| (subnet.id, subnet_config(subnet)))
        .collect();
    let default_effective_canister_id = replica.default_effective_canister().into();
    Ok(Topology {
        subnet_configs,
        default_effective_canister_id,
    })
}

fn subnet_config(subnet: &SubnetInfo) -> SubnetConfig {
    SubnetConfig {
        subnet_kind: subnet.kind,
        subnet_admins: (!subnet.options.admins.is_empty()).then(|| {
            let admins = subnet.options.admins.iter();
            admins.map(|admin| (*admin).into()).collect()
        }),
        cost_schedule: match subnet.options.is_free {
            true => CanisterCyclesCostSchedule::Free,
            false => CanisterCyclesCostSchedule::Normal,
        },
        // PocketIC derives a subnet's id from its seed. Here ids are fixed, and the seed only tells
        // subnets apart.
        subnet_seed: Sha256::digest(subnet.id.as_slice()).into(),
        instruction_config: match subnet.options.is_benchmarking {
            true => SubnetInstructionConfig::Benchmarking,
            false => SubnetInstructionConfig::Production,
        },
        canister_ranges: subnet
            .canister_ranges
            .iter()
            .map(|&(start, end)| CanisterIdRange {
                start: start.into(),
                end: end.into(),
            })
            .collect(),
    }
}

pub(super) fn get_time(replica: &mut Replica) -> Answer<RawTime> {
    Ok(RawTime {
        nanos_since_epoch: replica.time(),
    })
}

pub(super) fn set_time(replica: &mut Replica, time: RawTime) -> Answer<()> {
    replica
        .set_time(time.nanos_since_epoch)
        .map_err(Failure::bad_request)
}

pub(super) fn set_certified_time(replica: &mut Replica, time: RawTime) -> Answer<()> {
    replica
        .set_certified_time(time.nanos_since_epoch)
        .map_err(Failure::bad_request)
}

/// Executes one round. The nodes' metrics show the block makers.
pub(super) fn tick(replica: &mut Replica, configs: RawTickConfigs) -> Answer<()> {
    let blockmakers = configs.blockmakers.into_iter().flatten();
    let blockmakers = blockmakers.map(|makers| {
        Ok(Blockmakers {
            subnet: principal(&makers.subnet.subnet_id)?,
            blockmaker: principal(&makers.blockmaker.node_id)?,
            failed: makers
                .failed_blockmakers
                .iter()
                .map(|node| principal(&node.node_id))
                .collect::<Answer<_>>()?,
        })
    });
    replica
        .tick_with(blockmakers.collect::<Answer<_>>()?)
        .map_err(Failure::bad_request)
}

pub(super) fn get_cycles(replica: &mut Replica, canister: RawCanisterId) -> Answer<RawCycles> {
    let id = principal(&canister.canister_id)?;
    replica
        .cycles(id)
        .map(|cycles| RawCycles { cycles })
        .ok_or_else(|| no_canister(id))
}

pub(super) fn add_cycles(replica: &mut Replica, argument: RawAddCycles) -> Answer<RawCycles> {
    let id = principal(&argument.canister_id)?;
    if !replica.canister_exists(id) {
        return Err(no_canister(id));
    }
    let cycles = replica.add_cycles(id, argument.amount).ok_or_else(|| {
        Failure::bad_request(format!(
            "{id} can't hold another {} cycles",
            argument.amount
        ))
    })?;
    Ok(RawCycles { cycles })
}

pub(super) fn get_controllers(
    replica: &mut Replica,
    canister: RawCanisterId,
) -> Answer<Vec<RawPrincipalId>> {
    let id = principal(&canister.canister_id)?;
    let controllers = replica.controllers(id).ok_or_else(|| no_canister(id))?;
    Ok(controllers.into_iter().map(RawPrincipalId::from).collect())
}

pub(super) fn get_stable_memory(
    replica: &mut Replica,
    canister: RawCanisterId,
) -> Answer<RawStableMemory> {
    let id = principal(&canister.canister_id)?;
    replica
        .stable_memory(id)
        .map(|blob| RawStableMemory { blob })
        .ok_or_else(|| no_canister(id))
}

/// The subnet of a canister that exists; `null` where none does.
pub(super) fn get_subnet(
    replica: &mut Replica,
    canister: RawCanisterId,
) -> Answer<Option<RawSubnetId>> {
    let id = principal(&canister.canister_id)?;
    Ok(if replica.canister_exists(id) {
        replica.subnet_of(id).map(RawSubnetId::from)
    } else {
        None
    })
}

pub(super) fn delete_subnet(replica: &mut Replica, id: RawSubnetId) -> Answer<()> {
    let id = principal(&id.subnet_id)?;
    if !replica.subnets().iter().any(|subnet| subnet.id == id) {
        return Err(no_subnet(id));
    }
    replica.delete_subnet(id).map_err(Failure::bad_request)
}

/// The public key of a subnet, DER.
pub(super) fn pub_key(replica: &mut Replica, id: RawSubnetId) -> Answer<Vec<u8>> {
    let id = principal(&id.subnet_id)?;
    replica.public_key(id).ok_or_else(|| no_subnet(id))
}

pub(super) fn submit_ingress_message(
    replica: &mut Replica,
    call: RawCanisterCall,
) -> Answer<Result<RawMessageId, RejectResponse>> {
    let ingress = ingress(call)?;
    replica.open_route(&ingress).map_err(unroutable)?;
    match replica.submit(ingress) {
        Ok(id) => Ok(Ok(RawMessageId {
            effective_principal: match replica.ingress_subnet(&id) {
                Some(subnet) => RawEffectivePrincipal::SubnetId(subnet.as_slice().to_vec()),
                None => RawEffectivePrincipal::None,
            },
            message_id: id.to_vec(),
        })),
        Err(reject) => Ok(Err(reject_response(reject)?)),
    }
}

pub(super) fn await_ingress_message(
    replica: &mut Replica,
    id: RawMessageId,
) -> Answer<RawCanisterResult> {
    let message = message_id(&id)?;
    if !is_on_subnet(replica, &id, &message)? {
        return Err(Failure::bad_request(
            "the message was sent to another subnet than that of its effective principal",
        ));
    }
    canister_result(
        replica
            .await_ingress(&message)
            .map_err(Failure::bad_request)?,
    )
}

/// Whether a message was sent to the subnet of its effective principal. A subnet does not know the
/// messages of another one.
fn is_on_subnet(replica: &Replica, id: &RawMessageId, message: &MessageId) -> Answer<bool> {
    let effective = match effective(&id.effective_principal)? {
        None => return Ok(true),
        Some(effective) => effective,
    };
    if !replica.has_subnet_for(effective) {
        let (EffectivePrincipal::Canister(id) | EffectivePrincipal::Subnet(id)) = effective;
        return Err(unroutable(match effective {
            EffectivePrincipal::Canister(_) => {
                format!("Canister {id} does not belong to any subnet.")
            }
            EffectivePrincipal::Subnet(_) => format!("Subnet with ID {id} not found"),
        }));
    }
    let subnet = match effective {
        EffectivePrincipal::Subnet(id) => Some(id),
        EffectivePrincipal::Canister(id) => replica.subnet_of(id).or(Some(id)),
    };
    Ok(replica.ingress_subnet(message) == subnet)
}

/// The answer to a message, once there is one. A request with a caller is answered to the sender of
/// the message only.
pub(super) fn ingress_status(
    replica: &mut Replica,
    argument: RawIngressStatusArgs,
) -> Answer<Option<RawCanisterResult>> {
    let RawIngressStatusArgs {
        raw_message_id,
        raw_caller,
    } = argument;
    let id = message_id(&raw_message_id)?;
    if !is_on_subnet(replica, &raw_message_id, &id)? {
        return Ok(None);
    }
    if let (Some(caller), Some(sender)) = (raw_caller, replica.ingress_sender(&id))
        && principal(&caller.principal_id)? != sender
    {
        return Err(Failure::forbidden(
            "only the sender of a message may ask for its status",
        ));
    }
    match replica.ingress_status(&id) {
        IngressStatus::Unknown | IngressStatus::Received | IngressStatus::Processing => Ok(None),
        IngressStatus::Done(result) => canister_result(result).map(Some),
    }
}

pub(super) fn query(replica: &mut Replica, call: RawCanisterCall) -> Answer<RawCanisterResult> {
    let query = ingress(call)?;
    replica.open_route(&query).map_err(unroutable)?;
    canister_result(replica.query(query))
}

/// The refusal of a message that goes to no subnet, in PocketIC's words.
fn unroutable(why: String) -> Failure {
    Failure::bad_request(format!("BadIngressMessage({why:?})"))
}

fn ingress(call: RawCanisterCall) -> Answer<Ingress> {
    let RawCanisterCall {
        sender,
        canister_id,
        effective_principal,
        method,
        payload,
        sender_info,
    } = call;
    let caller_info = sender_info.map(|RawSenderInfo { info, signer }| {
        Ok(CallerInfo {
            data: info,
            signer: principal(&signer)?,
        })
    });
    Ok(Ingress {
        caller_info: caller_info.transpose()?,
        sender: principal(&sender)?,
        canister: principal(&canister_id)?,
        method,
        payload,
        effective: effective(&effective_principal)?,
    })
}

fn effective(principal_or_none: &RawEffectivePrincipal) -> Answer<Option<EffectivePrincipal>> {
    Ok(match principal_or_none {
        RawEffectivePrincipal::None => None,
        RawEffectivePrincipal::CanisterId(id) => Some(EffectivePrincipal::Canister(principal(id)?)),
        RawEffectivePrincipal::SubnetId(id) => Some(EffectivePrincipal::Subnet(principal(id)?)),
    })
}

fn canister_result(result: Result<Vec<u8>, Reject>) -> Answer<RawCanisterResult> {
    Ok(match result {
        Ok(reply) => RawCanisterResult::Ok(reply),
        Err(reject) => RawCanisterResult::Err(reject_response(reject)?),
    })
}

fn reject_response(reject: Reject) -> Answer<RejectResponse> {
    let number = reject.error_code.strip_prefix("IC");
    let name = number.and_then(|digits| error_code(digits.parse().ok()?));
    match name {
        Some(error_code) => Ok(RejectResponse {
            reject_code: reject.code,
            reject_message: reject.message,
            error_code,
            certified: reject.certified,
        }),
        None => Err(Failure::internal(format!(
            "a reject that PocketIC has no code for: {reject:?}"
        ))),
    }
}

fn message_id(id: &RawMessageId) -> Answer<MessageId> {
    id.message_id.as_slice().try_into().map_err(|_| {
        Failure::bad_request(format!(
            "a message id has 32 bytes, not {}",
            id.message_id.len()
        ))
    })
}

/// Reads a principal.
pub(super) fn principal(bytes: &[u8]) -> Answer<Principal> {
    Principal::try_from_slice(bytes).map_err(|e| {
        Failure::bad_request(format!("{} is not a principal: {e}", hex::encode(bytes)))
    })
}

fn no_subnet(id: Principal) -> Failure {
    Failure::not_found(format!("there is no subnet {id}"))
}

fn no_canister(id: Principal) -> Failure {
    Failure::not_found(format!("there is no canister {id}"))
}
