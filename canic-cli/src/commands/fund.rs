//! `canic fund`: cycles of root for a member.

use candid::Principal;
use canic::api::{GrantError, GrantRequest, Granted};
use serde::Serialize;

use crate::{
    commands::find,
    failure::Failure,
    fleet::Fleet,
    output::{
        Out, Style, Text,
        format::{self, Cycles, parse_cycles},
    },
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
    let granted = answer.map_err(|error| {
        let failure = Failure::refused(error.to_string());
        match error {
            GrantError::Denied(denied) => fleet.denied(method, &denied.allowed),
            GrantError::Pending { operation } | GrantError::Failed { operation, .. } => {
                failure.with_advice(format!("`canic op {operation}` shows it."))
            }
            _ => failure,
        }
    })?;
    out.report(&Report {
        canister,
        operation: granted.operation,
        cycles: Cycles(granted.cycles),
    })
}

impl Text for Report {
    fn text(&self, _style: &Style) -> String {
        let cycles = format::cycles(self.cycles.0);
        let (canister, operation) = (self.canister, self.operation);
        format!("granted {cycles} to {canister}, by operation {operation}\n")
    }
}
