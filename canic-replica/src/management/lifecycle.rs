//! The lifecycle of canisters: start, stop, deletion, and payment for resources.

use candid::Principal;
use ic_management_canister_types as types;

use crate::{
    canister::{
        Status, StopRequest,
        calls::{Origin, Request},
        consumption::Purpose,
    },
    ingress::IngressStatus,
    management::call::{Answer, ManagementResult, decode, encode, reply},
    network::Network,
    reject::{Reject, RejectCode},
};

/// The timeout of a stop request, in nanoseconds.
const STOP_TIMEOUT: u64 = 300_000_000_000;

impl Network {
    pub(super) fn start_canister(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let canister = self.require_managed(args.canister_id, request)?;
        canister.version += 1;
        if let Status::Stopping(stoppers) = std::mem::replace(&mut canister.status, Status::Running)
        {
            for stopper in stoppers {
                let reject = stop_cancelled(args.canister_id, stopper.request.origin);
                self.answer_management(&stopper.request, Err(reject), stopper.request.cycles);
            }
        }
        self.stopping.remove(&args.canister_id);
        reply(())
    }

    pub(super) fn stop_canister(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let deadline = self.time + STOP_TIMEOUT;
        let canister = self.require_managed(args.canister_id, request)?;
        canister.version += 1;
        let stopper = StopRequest {
            request: request.clone(),
            deadline,
        };
        match &mut canister.status {
            Status::Stopped => return reply(()),
            Status::Stopping(stoppers) => stoppers.push(stopper),
            Status::Running => canister.status = Status::Stopping(vec![stopper]),
        }
        self.stopping.insert(args.canister_id);
        if let Origin::Ingress(id) = request.origin {
            self.ingress.insert(id, IngressStatus::Processing);
        }
        // The end of the round answers, if there are no open calls.
        Ok(Answer::Deferred)
    }

    /// Answers the stop requests of all canisters that have stopped.
    pub(crate) fn answer_stop_requests(&mut self) {
        let quiet = |id: &&Principal| {
            self.canisters
                .get(id)
                .is_some_and(|canister| canister.is_quiet())
        };
        let stopped: Vec<_> = self.stopping.iter().filter(quiet).copied().collect();
        for id in stopped {
            self.stopping.remove(&id);
            let Some(canister) = self.canister_mut(id) else {
                continue;
            };
            let Status::Stopping(stoppers) =
                std::mem::replace(&mut canister.status, Status::Stopped)
            else {
                continue;
            };
            for StopRequest { request, .. } in stoppers {
                let result = encode(());
                self.answer_management(&request, result, request.cycles);
            }
        }
    }

    /// Rejects the stop requests that have timed out. Their canisters may still stop.
    pub(crate) fn expire_stop_requests(&mut self) {
        let now = self.time;
        for id in self.stopping.clone() {
            let Some(canister) = self.canister_mut(id) else {
                continue;
            };
            let Status::Stopping(stoppers) = &mut canister.status else {
                continue;
            };
            let late: Vec<_> = stoppers
                .extract_if(.., |stopper| stopper.deadline <= now)
                .collect();
            for StopRequest { request, .. } in late {
                let reject = Reject::new(
                    RejectCode::SysTransient,
                    206,
                    "Stop canister request timed out",
                );
                self.answer_management(&request, Err(reject), request.cycles);
            }
        }
    }

    pub(crate) fn pay_resources(&mut self, id: Principal) {
        let now = self.time;
        let Some(canister) = self.canisters.get(&id) else {
            return;
        };
        let seconds = (now - canister.paid_until) / 1_000_000_000;
        let idle_burn = self.prices(canister).idle_burn(&canister.resources());
        let (cost, compute) = (idle_burn.over(seconds), idle_burn.compute_over(seconds));
        let Some(canister) = self.canister_mut(id) else {
            return;
        };
        let paid = cost.min(canister.balance);
        if paid < cost {
            canister.pay(Purpose::Uninstall, paid);
        } else {
            canister.pay(Purpose::Memory, cost - compute);
            canister.pay(Purpose::ComputeAllocation, compute);
        }
        canister.paid_until = now;
        self.ledger.fees.resources += paid;
        if paid < cost {
            // As on the network, a canister that cannot pay loses code, memory, snapshots,
            // allocations and history. It keeps its id and the number of changes.
            self.uninstall(id);
            if let Some(canister) = self.canister_mut(id) {
                canister.settings.compute_allocation = 0;
                canister.settings.memory_allocation = 0;
                canister.snapshots.clear();
                canister.history.clear();
                canister.version += 1;
            }
        }
    }

    pub(super) fn delete_canister(&mut self, request: &Request) -> ManagementResult {
        let (args,) = decode::<(types::CanisterIdRecord,)>(request)?;
        let id = args.canister_id;
        if id == request.sender {
            let why = format!("Canister {id} cannot delete itself.");
            return Err(Reject::new(RejectCode::CanisterError, 512, why));
        }
        let canister = self.require_managed(id, request)?;
        if !matches!(canister.status, Status::Stopped) {
            let why = format!("Canister {id} must be stopped before it is deleted.");
            return Err(Reject::new(RejectCode::CanisterError, 510, why));
        }
        if !canister.input_queues.is_empty() || !canister.is_quiet() {
            let why = format!(
                "Canister {id} has messages in its queues and cannot be deleted now. Please retry \
                 after some time."
            );
            return Err(Reject::new(RejectCode::SysTransient, 203, why));
        }
        self.pay_resources(id);
        if let Some(canister) = self.canisters.remove(id) {
            self.subnets[canister.subnet]
                .counters
                .add_deleted(&canister);
            self.ledger.destroyed += canister.balance;
        }
        self.ready.remove(&id);
        reply(())
    }
}

/// The reject of a stop request whose canister is started again.
fn stop_cancelled(id: Principal, origin: Origin) -> Reject {
    match origin {
        Origin::Callback(_) => Reject::bare(
            RejectCode::CanisterError,
            format!("Canister {id}'s stop request cancelled"),
        ),
        Origin::Ingress(_) | Origin::System => Reject::new(
            RejectCode::CanisterError,
            511,
            format!("Canister {id}'s stop request was cancelled."),
        ),
    }
}
