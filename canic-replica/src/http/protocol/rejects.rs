//! Rejects, and the names of their codes.

use serde::Serialize;

use super::base64;
use crate::reject::RejectCode;

/// The outcome of a call.
#[derive(Clone, Debug, Serialize)]
pub(in crate::http) enum RawCanisterResult {
    Ok(#[serde(with = "base64")] Vec<u8>),
    Err(RejectResponse),
}

/// A reject. The codes are written as their names.
#[derive(Clone, Debug, Serialize)]
pub(in crate::http) struct RejectResponse {
    pub(in crate::http) reject_code: RejectCode,
    pub(in crate::http) reject_message: String,
    pub(in crate::http) error_code: &'static str,
    pub(in crate::http) certified: bool,
}

/// The platform's error codes `IC0xxx`, and the names that PocketIC's client has for them.
const ERROR_CODES: [(u16, &str); 62] = [
    (101, "SubnetOversubscribed"),
    (102, "MaxNumberOfCanistersReached"),
    (201, "CanisterQueueFull"),
    (202, "IngressMessageTimeout"),
    (203, "CanisterQueueNotEmpty"),
    (204, "IngressHistoryFull"),
    (205, "CanisterIdAlreadyExists"),
    (206, "StopCanisterRequestTimeout"),
    (207, "CanisterOutOfCycles"),
    (208, "CertifiedStateUnavailable"),
    (209, "CanisterInstallCodeRateLimited"),
    (210, "CanisterHeapDeltaRateLimited"),
    (211, "SubnetCoolingDown"),
    (301, "CanisterNotFound"),
    (305, "CanisterSnapshotNotFound"),
    (402, "InsufficientMemoryAllocation"),
    (403, "InsufficientCyclesForCreateCanister"),
    (404, "SubnetNotFound"),
    (405, "CanisterNotHostedBySubnet"),
    (406, "CanisterRejectedMessage"),
    (407, "UnknownManagementMessage"),
    (408, "InvalidManagementPayload"),
    (409, "CanisterSnapshotImmutable"),
    (410, "InvalidSubnetAdmin"),
    (502, "CanisterTrapped"),
    (503, "CanisterCalledTrap"),
    (504, "CanisterContractViolation"),
    (505, "CanisterInvalidWasm"),
    (506, "CanisterDidNotReply"),
    (507, "CanisterOutOfMemory"),
    (508, "CanisterStopped"),
    (509, "CanisterStopping"),
    (510, "CanisterNotStopped"),
    (511, "CanisterStoppingCancelled"),
    (512, "CanisterInvalidController"),
    (513, "CanisterFunctionNotFound"),
    (514, "CanisterNonEmpty"),
    (517, "QueryCallGraphLoopDetected"),
    (520, "InsufficientCyclesInCall"),
    (521, "CanisterWasmEngineError"),
    (522, "CanisterInstructionLimitExceeded"),
    (524, "CanisterMemoryAccessLimitExceeded"),
    (525, "QueryCallGraphTooDeep"),
    (526, "QueryCallGraphTotalInstructionLimitExceeded"),
    (527, "CompositeQueryCalledInReplicatedMode"),
    (528, "QueryTimeLimitExceeded"),
    (529, "QueryCallGraphInternal"),
    (530, "InsufficientCyclesInComputeAllocation"),
    (531, "InsufficientCyclesInMemoryAllocation"),
    (532, "InsufficientCyclesInMemoryGrow"),
    (533, "ReservedCyclesLimitExceededInMemoryAllocation"),
    (534, "ReservedCyclesLimitExceededInMemoryGrow"),
    (535, "InsufficientCyclesInMessageMemoryGrow"),
    (536, "CanisterMethodNotFound"),
    (537, "CanisterWasmModuleNotFound"),
    (538, "CanisterAlreadyInstalled"),
    (539, "CanisterWasmMemoryLimitExceeded"),
    (540, "ReservedCyclesLimitIsTooLow"),
    (541, "CanisterInvalidControllerOrSubnetAdmin"),
    (542, "CanisterStatusAccessDenied"),
    (601, "DeadlineExpired"),
    (602, "ResponseDropped"),
];

/// The name of the error code with this number.
pub(in crate::http) fn error_code(number: u16) -> Option<&'static str> {
    let found = ERROR_CODES.binary_search_by_key(&number, |(known, _)| *known);
    found.ok().map(|index| ERROR_CODES[index].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name is one that the client reads, for the same number, and no number is missing.
    #[test]
    fn error_codes_are_those_of_the_client() {
        use pocket_ic::ErrorCode;

        for number in 0..1_000_u16 {
            let theirs = ErrorCode::try_from(u64::from(number)).ok();
            let ours = error_code(number).map(|name| {
                serde_json::from_value::<ErrorCode>(name.into()).expect("the client has the name")
            });
            assert_eq!(ours, theirs, "{number}");
        }
    }
}
