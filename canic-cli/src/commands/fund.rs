//! `canic fund`: cycles of root for a member.

use candid::Principal;
use canic::api::{GrantError, GrantLimit, GrantRequest, Granted};
use serde::Serialize;

use crate::{
    commands::find,
    failure::Failure,
    fleet::Fleet,
    output::{
        Out, Style, Text,
        format::{self, Cycles, parse_cycles},
    },
    views::live::limit_word,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The member, PRINCIPAL or ROLE/KEY
    member: String,
    /// The cycles: `2T`, `500B`, or digits
    #[arg(value_parser = parse_cycles)]
    cycles: u128,
}

/// A grant.
#[derive(Debug, Serialize)]
struct Report {
    canister: Principal,
    operation: u64,
    /// Cycles that the member got.
    cycles: Cycles,
}

pub(crate) async fn run(fleet: &Fleet, args: &Args, out: &Out) -> Result<(), Failure> {
    let canister = find::member(fleet, &args.member).await?.canister;
    let request = GrantRequest {
        canister,
        cycles: args.cycles,
    };
    let method = "canic_grant";
    let answer: Result<Granted, GrantError> = fleet.update(method, (request,)).await?;
    let granted = answer.map_err(|error| refused(fleet, method, error))?;
    out.report(&Report {
        canister,
        operation: granted.operation,
        cycles: Cycles(granted.cycles),
    })
}

fn refused(fleet: &Fleet, method: &str, error: GrantError) -> Failure {
    match error {
        GrantError::Denied(denied) => fleet.denied(method, &denied.allowed),
        GrantError::Pending { operation } | GrantError::Failed { operation, .. } => {
            Failure::refused(error.to_string())
                .with_advice(format!("`canic op {operation}` shows it."))
        }
        GrantError::InvalidAmount { min, max, .. } => {
            let min = format::cycles(min);
            let most = match max {
                u128::MAX => String::new(),
                max => format!(", and {} at most", format::cycles(max)),
            };
            Failure::refused(format!("a grant has {min} at least{most}"))
        }
        GrantError::LimitReached {
            limit: GrantLimit::Reserve,
            left,
            ..
        } => {
            let left = format::cycles(left);
            Failure::refused(format!(
                "root can spend {left} without going below its reserve"
            ))
            .with_advice("Send root cycles, or let it refuel itself: `canic costs` shows how.")
        }
        GrantError::LimitReached {
            limit,
            max,
            left,
            retry_after,
        } => {
            let (left, max) = (format::cycles(left), format::cycles(max));
            let limit = limit_word(limit);
            Failure::refused(format!(
                "of the {limit}'s limit of a day, {max}, {left} are left"
            ))
            .with_advice(format!(
                "Ask again in {}: `canic costs` shows what was granted.",
                format::duration(retry_after)
            ))
        }
        error => Failure::refused(error.to_string()),
    }
}

impl Text for Report {
    fn text(&self, _style: &Style) -> String {
        let cycles = format::cycles(self.cycles.0);
        let (canister, operation) = (self.canister, self.operation);
        format!("granted {cycles} to {canister}, by operation {operation}\n")
    }
}
