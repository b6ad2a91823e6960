//! The request of an outcall: its checks, the fee in advance, and the choice of nodes.

use candid::Principal;
use ic_management_canister_types as types;

use crate::{
    canister::{calls::Request, consumption::Purpose},
    management::call::{Answer, ManagementResult, decode},
    network::{
        Network,
        outcalls::{HttpMethod, MAX_RESPONSE, Outcall, bare},
    },
    prices::outcalls::{Counts, Replication},
    reject::{Reject, RejectCode, contract},
};

const MAX_URL: usize = 8192;
const MAX_HEADERS: usize = 64;
/// Bytes of a header's name, and of its value.
const MAX_HEADER: usize = 8192;
/// Bytes of all headers.
const MAX_HEADER_BYTES: usize = 48 * 1024;
/// Bytes of headers and body.
const MAX_REQUEST: usize = 2_000_000;
/// The limit of waiting outcalls of one subnet.
const MAX_WAITING: usize = 3_000;
/// The timeout of an outcall, in nanoseconds.
const TIMEOUT: u64 = 60_000_000_000;

/// The arguments of both methods. Each method lacks some of the fields.
#[derive(candid::CandidType, candid::Deserialize)]
struct Args {
    url: String,
    max_response_bytes: Option<u64>,
    method: Method,
    headers: Vec<types::HttpHeader>,
    body: Option<serde_bytes::ByteBuf>,
    transform: Option<types::TransformContext>,
    is_replicated: Option<bool>,
    pricing_version: Option<u32>,
    replication: Option<Counts>,
}

#[derive(Clone, Copy, candid::CandidType, candid::Deserialize)]
enum Method {
    #[serde(rename = "get")]
    Get,
    #[serde(rename = "post")]
    Post,
    #[serde(rename = "head")]
    Head,
    #[serde(rename = "put")]
    Put,
    #[serde(rename = "delete")]
    Delete,
    #[serde(rename = "patch")]
    Patch,
}

impl Network {
    /// `http_request` and `flexible_http_request`.
    pub(crate) fn http_request(&mut self, request: &Request) -> ManagementResult {
        let flexible = request.method == "flexible_http_request";
        let (args,) = decode::<(Args,)>(request)?;
        let own = self.canisters.get(&request.sender).map(|c| c.subnet);
        let Some(subnet) = own.filter(|own| request.subnet == Some(*own)) else {
            return Err(refused(
                "A canister can make HTTP outcalls on its own subnet only.",
            ));
        };
        // Where outcalls are free, there is nothing to be priced by use.
        let prices = self.subnets[subnet].context.prices;
        let has_beta = self.beta_features || prices.unless_free(1) == 0;
        if flexible && !has_beta {
            return Err(contract("This API is not enabled on this subnet"));
        }
        let nodes = self.infos[subnet].nodes.clone();
        let replication = check(&args, request.sender, nodes.len() as u32, flexible)?;
        let waiting = self
            .outcalls
            .range((subnet, 0)..=(subnet, u64::MAX))
            .count();
        if waiting >= MAX_WAITING {
            let why = format!("max number ({MAX_WAITING}) of http requests in-flight reached.");
            return Err(refused(why));
        }
        let mut outcall = Outcall {
            request: request.clone(),
            method: args.method.into(),
            url: args.url,
            headers: args
                .headers
                .into_iter()
                .map(|h| (h.name, h.value))
                .collect(),
            body: args
                .body
                .map(serde_bytes::ByteBuf::into_vec)
                .unwrap_or_default(),
            max_response_bytes: args.max_response_bytes,
            transform: args
                .transform
                .map(|transform| (transform.function.0.method, transform.context)),
            replication,
            nodes: Vec::new(),
            // An unknown version means the default one.
            pay_as_you_go: has_beta && (flexible || args.pricing_version == Some(2)),
            allowance: None,
            deadline: self.time.saturating_add(TIMEOUT),
            reports: None,
        };
        self.charge_in_advance(&mut outcall, subnet)?;
        outcall.nodes = match replication {
            Replication::FullyReplicated => nodes,
            _ => {
                let count = replication.requests(nodes.len() as u32);
                self.choose(nodes, count as usize)
            }
        };
        let id = self.subnets[subnet].outcalls;
        self.subnets[subnet].outcalls += 1;
        self.outcalls.insert((subnet, id), outcall);
        Ok(Answer::Deferred)
    }

    /// Charges the fee in advance, and sets the allowances of the nodes.
    fn charge_in_advance(&mut self, outcall: &mut Outcall, subnet: usize) -> Result<(), Reject> {
        let prices = self.subnets[subnet].context.prices;
        let size = outcall.request_size();
        let fee = if outcall.pay_as_you_go {
            prices.outcall_base(size, outcall.replication)
        } else {
            prices.outcall(size, outcall.max_response())
        };
        let Some(left) = outcall.request.cycles.checked_sub(fee) else {
            return Err(refused(format!(
                "{} request sent with {} cycles, but {fee} cycles are required.",
                outcall.request.method, outcall.request.cycles
            )));
        };
        outcall.request.cycles = left;
        self.ledger.fees.outcalls += fee;
        if let Some(sender) = self.canister_mut(outcall.request.sender) {
            sender.consumption.add(Purpose::Outcalls, fee);
        }
        if outcall.pay_as_you_go && fee > 0 {
            let limit = prices.outcall_usage_limit(outcall.replication, outcall.max_response());
            let nodes = self.infos[subnet].nodes.len() as u32;
            let requests = outcall.replication.requests(nodes);
            outcall.allowance = Some(left.min(limit) / u128::from(requests));
        }
        Ok(())
    }

    /// Chooses `count` nodes at random.
    fn choose(&mut self, mut nodes: Vec<Principal>, count: usize) -> Vec<Principal> {
        let first = usize::from(self.random_bytes()[0]) % nodes.len().max(1);
        nodes.rotate_left(first);
        nodes.truncate(count);
        nodes
    }
}

/// Checks the arguments. Answers the replication of the outcall on a subnet with `nodes` nodes.
fn check(
    args: &Args,
    caller: Principal,
    nodes: u32,
    flexible: bool,
) -> Result<Replication, Reject> {
    if let Some(transform) = &args.transform
        && transform.function.0.principal != caller
    {
        return Err(refused(format!(
            "transform principal id expected to be {caller}, got {}",
            transform.function.0.principal
        )));
    }
    if args.url.len() > MAX_URL {
        return Err(refused(format!(
            "url size {} exceeds {MAX_URL}",
            args.url.len()
        )));
    }
    let headers = args.headers.iter();
    let headers = headers.map(|header| (header.name.len(), header.value.len()));
    check_size(headers, args.body.as_ref().map_or(0, |body| body.len())).map_err(refused)?;
    if let Some(bytes) = args.max_response_bytes
        && bytes > MAX_RESPONSE
    {
        return Err(refused(format!(
            "max_response_bytes expected to be in the range [0..{MAX_RESPONSE}], got {bytes}"
        )));
    }
    let replication = if flexible {
        Replication::flexible(args.replication, nodes).map_err(refused)?
    } else if args.is_replicated == Some(false) {
        Replication::NonReplicated
    } else {
        Replication::FullyReplicated
    };
    let once = match replication {
        Replication::FullyReplicated => false,
        Replication::NonReplicated => true,
        Replication::Flexible {
            total_requests,
            min_responses,
            ..
        } => total_requests == min_responses,
    };
    if matches!(args.method, Method::Put | Method::Delete | Method::Patch) && !once {
        return Err(refused(
            "The requested HTTP method is only allowed for non-replicated requests.",
        ));
    }
    Ok(replication)
}

/// Checks the sizes of headers (names and values) and body, in a request or in a response.
pub(super) fn check_size(
    headers: impl Iterator<Item = (usize, usize)>,
    body: usize,
) -> Result<(), String> {
    let (mut count, mut name, mut value, mut all) = (0, 0, 0, 0);
    for (name_size, value_size) in headers {
        count += 1;
        name = name_size.max(name);
        value = value_size.max(value);
        all += name_size + value_size;
    }
    let limits = [
        (count, MAX_HEADERS, "number of all http headers"),
        (
            name,
            MAX_HEADER,
            "number of bytes to represent some http header name",
        ),
        (
            value,
            MAX_HEADER,
            "number of bytes to represent some http header value",
        ),
        (
            all,
            MAX_HEADER_BYTES,
            "total number of bytes to represent all http header names and values",
        ),
        (
            all + body,
            MAX_REQUEST,
            "total number of bytes to represent all http header names and values and http body",
        ),
    ];
    match limits.into_iter().find(|(size, most, _)| size > most) {
        Some((size, most, what)) => Err(format!("{what} {size} exceeds {most}")),
        None => Ok(()),
    }
}

fn refused(why: impl Into<String>) -> Reject {
    bare(RejectCode::CanisterReject, why)
}

impl From<Method> for HttpMethod {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Post => Self::POST,
            Method::Head => Self::HEAD,
            Method::Put => Self::PUT,
            Method::Delete => Self::DELETE,
            Method::Patch => Self::PATCH,
        }
    }
}
