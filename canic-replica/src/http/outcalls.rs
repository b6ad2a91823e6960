//! HTTP outcalls of canisters: the pending outcalls, and the mocked answers of tests.

use crate::{
    http::{
        answer::{Answer, Failure},
        operations::principal,
        protocol::{
            CanisterHttpHeader, CanisterHttpPricingVersion, CanisterHttpReject,
            CanisterHttpReplication, CanisterHttpReply, CanisterHttpResponse,
            RawCanisterHttpRequest, RawMockCanisterHttpResponse,
            RawMockFlexibleCanisterHttpResponse,
        },
    },
    management::outcalls::{OutcallAnswer, PendingOutcall},
    prices::outcalls::Replication,
    reject::RejectCode,
    replica::Replica,
};

/// Outcalls of canisters that wait for an answer.
pub(super) fn pending(replica: &mut Replica) -> Answer<Vec<RawCanisterHttpRequest>> {
    Ok(replica
        .pending_outcalls()
        .into_iter()
        .map(to_rest)
        .collect())
}

/// Answers an outcall for all nodes of its subnet.
pub(super) fn mock(replica: &mut Replica, mock: RawMockCanisterHttpResponse) -> Answer<()> {
    let subnet = principal(&mock.subnet_id.subnet_id)?;
    let answers = std::iter::once(mock.response)
        .chain(mock.additional_responses)
        .map(from_rest)
        .collect::<Answer<_>>()?;
    replica
        .answer_outcall(subnet, mock.request_id, answers)
        .map_err(Failure::bad_request)
}

/// Answers a flexible outcall for some of the nodes that make it.
pub(super) fn mock_flexible(
    replica: &mut Replica,
    mock: RawMockFlexibleCanisterHttpResponse,
) -> Answer<()> {
    let subnet = principal(&mock.subnet_id.subnet_id)?;
    let answers = mock
        .responses
        .into_iter()
        .map(from_rest)
        .collect::<Answer<_>>()?;
    replica
        .answer_flexible_outcall(subnet, mock.request_id, answers)
        .map_err(Failure::bad_request)
}

fn from_rest(response: CanisterHttpResponse) -> Answer<OutcallAnswer> {
    match response {
        CanisterHttpResponse::CanisterHttpReply(CanisterHttpReply {
            status,
            headers,
            body,
        }) => Ok(OutcallAnswer::Reply {
            status,
            headers: headers
                .into_iter()
                .map(|CanisterHttpHeader { name, value }| (name, value))
                .collect(),
            body,
        }),
        CanisterHttpResponse::CanisterHttpReject(CanisterHttpReject {
            reject_code,
            message,
        }) => {
            let code = RejectCode::from_number(reject_code).ok_or_else(|| {
                Failure::bad_request(format!(
                    "InvalidRejectCode({reject_code}): reject codes are 1 to 6"
                ))
            })?;
            Ok(OutcallAnswer::reject(code, message))
        }
    }
}

fn to_rest(outcall: PendingOutcall) -> RawCanisterHttpRequest {
    RawCanisterHttpRequest {
        subnet_id: outcall.subnet.into(),
        request_id: outcall.id,
        http_method: outcall.method,
        url: outcall.url,
        headers: outcall
            .headers
            .into_iter()
            .map(|(name, value)| CanisterHttpHeader { name, value })
            .collect(),
        body: outcall.body,
        max_response_bytes: outcall.max_response_bytes,
        replication: match outcall.replication {
            Replication::FullyReplicated => CanisterHttpReplication::FullyReplicated,
            Replication::NonReplicated => CanisterHttpReplication::NonReplicated,
            Replication::Flexible {
                total_requests,
                min_responses,
                max_responses,
            } => CanisterHttpReplication::Flexible {
                total_requests,
                min_responses,
                max_responses,
            },
        },
        pricing_version: if outcall.pay_as_you_go {
            CanisterHttpPricingVersion::PayAsYouGo
        } else {
            CanisterHttpPricingVersion::Legacy
        },
    }
}
