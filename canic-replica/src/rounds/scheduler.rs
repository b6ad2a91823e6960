//! The scheduler of rounds.
//!
//! A round begins at the time that was set, or one nanosecond after the last round. First the
//! replica charges for resources, checks deadlines, decides on answered HTTP outcalls, and sends
//! the signatures that the last round was asked for. Then messages between subnets arrive, and
//! calls to the management canister are executed. After that the canisters take turns, subnet by
//! subnet, in the order of their ids. A turn runs the hook for low memory, the due global timer and
//! the heartbeat, and then the messages in the input queues.
//!
//! Calls and answers between canisters of one subnet arrive at once. The turns go on until all
//! queues are empty, or until the subnet has used up its instructions for the round; the next round
//! begins after the canister that used them up. Messages to other subnets and to the management
//! canister arrive in the next round, and so do their answers. A message runs within one round,
//! however long it is.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use candid::Principal;

use crate::{
    canister::{
        Canister, Status,
        calls::{Input, Response},
        tasks::{LowMemory, Task},
    },
    ingress::{IngressStatus, MessageId},
    network::{Network, blocks::Blocks},
    prices::BENCHMARK_LIMIT,
    reject::Reject,
    subnets::Blockmakers,
};

/// The instructions of a subnet in one round.
const ROUND_INSTRUCTIONS: u64 = 7_000_000_000;
/// The overhead of a message, in instructions. It bounds the messages of a round.
const MESSAGE_OVERHEAD: u64 = 2_000_000;
/// The rounds between two checkpoints of a subnet: one more than the DKG interval of the network's
/// subnets.
const CHECKPOINT_ROUNDS: u64 = 500;
/// The limit of rounds in [`Network::await_ingress`].
const MAX_AWAIT_ROUNDS: u32 = 100;

impl Network {
    pub(crate) fn execute_round(&mut self, blockmakers: &[Blockmakers]) {
        self.time = self.time.max(self.certified_time + 1);
        self.round += 1;
        self.count_blocks(blockmakers);
        self.maintain();
        self.deliver();
        let mut tasks = self.due_tasks();
        self.ready.extend(tasks.keys());
        // Messages to other subnets arrive in the next round: no subnet waits for another subnet.
        let mut later = BTreeSet::new();
        let all = std::mem::take(&mut self.ready);
        for subnet in 0..self.subnets.len() {
            let here = |id: &&Principal| self.canisters.get(id).is_some_and(|c| c.subnet == subnet);
            self.ready = all.iter().filter(here).copied().collect();
            self.execute_subnet(subnet, &mut tasks);
            later.append(&mut self.ready);
        }
        self.ready = later;
        self.answer_stop_requests();
        if self.round.is_multiple_of(CHECKPOINT_ROUNDS) {
            self.forget_compiled_modules();
        }
        self.certify();
    }

    /// At a checkpoint a subnet forgets which modules it need not compile again.
    fn forget_compiled_modules(&mut self) {
        for subnet in &mut self.subnets {
            subnet.compiled.clear();
        }
    }

    /// Executes one round with these block makers, if they are nodes of their subnets.
    pub(crate) fn tick_with(&mut self, blockmakers: &[Blockmakers]) -> Result<(), String> {
        for Blockmakers {
            subnet,
            blockmaker,
            failed,
        } in blockmakers
        {
            let index = self.subnet_index(*subnet);
            let index = index.ok_or_else(|| format!("there is no subnet {subnet}"))?;
            let nodes = &self.infos[index].nodes;
            let mut makers = std::iter::once(blockmaker).chain(failed);
            if let Some(node) = makers.find(|node| !nodes.contains(node)) {
                return Err(format!("{node} is not a node of subnet {subnet}"));
            }
        }
        self.execute_round(blockmakers);
        Ok(())
    }

    /// Executes rounds until the message is answered.
    pub(crate) fn await_ingress(
        &mut self,
        id: &MessageId,
    ) -> Result<Result<Vec<u8>, Reject>, String> {
        for _ in 0..=MAX_AWAIT_ROUNDS {
            match self.ingress.get(id) {
                None => return Err("there is no such ingress message".into()),
                Some(IngressStatus::Done(result)) => return Ok(result.clone()),
                Some(_) => self.execute_round(&[]),
            }
        }
        Err(format!(
            "the update call was not answered within {MAX_AWAIT_ROUNDS} rounds"
        ))
    }

    /// Counts one block for each subnet. Its first node makes the block, unless `blockmakers` names
    /// another node.
    fn count_blocks(&mut self, blockmakers: &[Blockmakers]) {
        let now = self.time;
        for (subnet, info) in self.subnets.iter_mut().zip(&self.infos) {
            let makers = blockmakers.iter().find(|makers| makers.subnet == info.id);
            let (maker, failed) = makers.map_or((info.nodes[0], &[][..]), |makers| {
                (makers.blockmaker, &makers.failed)
            });
            Blocks::count(&mut subnet.blocks, now, maker, failed);
        }
    }

    /// Lets the ready canisters of a subnet take turns until all queues are empty, or the
    /// instructions of the round are used up. The canister that used them up comes last in the next
    /// round.
    fn execute_subnet(&mut self, subnet: usize, tasks: &mut BTreeMap<Principal, Vec<Task>>) {
        let mut spent = 0;
        let round = match self.infos[subnet].options.is_benchmarking {
            true => BENCHMARK_LIMIT,
            false => ROUND_INSTRUCTIONS,
        };
        let last = self.subnets[subnet].exhausted_by.take();
        while spent < round && !self.ready.is_empty() {
            let mut turns: Vec<_> = std::mem::take(&mut self.ready).into_iter().collect();
            let first = turns.partition_point(|id| last.is_some_and(|last| *id <= last));
            turns.rotate_left(first);
            for id in turns {
                if spent >= round {
                    self.ready.insert(id);
                    continue;
                }
                let tasks = tasks.remove(&id).unwrap_or_default();
                spent += self.run_canister(id, tasks, round - spent);
                if spent >= round {
                    self.subnets[subnet].exhausted_by = Some(id);
                }
            }
        }
    }

    /// Executes a canister's tasks, and the messages in its queues, within `left` instructions.
    /// Answers the instructions spent.
    fn run_canister(&mut self, id: Principal, tasks: Vec<Task>, left: u64) -> u64 {
        let mut spent = 0;
        for task in tasks {
            spent += self.check_low_wasm_memory(id);
            if spent >= left {
                break;
            }
            spent += MESSAGE_OVERHEAD + self.run_task(id, task);
        }
        let count = self
            .canisters
            .get(&id)
            .map_or(0, |canister| canister.input_queues.len());
        for _ in 0..count {
            spent += self.check_low_wasm_memory(id);
            if spent >= left {
                break;
            }
            match self
                .canister_mut(id)
                .and_then(|canister| canister.input_queues.pop())
            {
                Some(Input::Request(request)) => {
                    spent += MESSAGE_OVERHEAD + self.run_request(id, request)
                }
                Some(Input::Response(response)) => {
                    spent += MESSAGE_OVERHEAD + self.run_response(id, response)
                }
                None => break,
            }
        }
        spent += self.check_low_wasm_memory(id);
        if self
            .canisters
            .get(&id)
            .is_some_and(|canister| !canister.input_queues.is_empty())
        {
            self.ready.insert(id);
        }
        spent
    }

    /// Checks whether a canister's memory is low, and runs the hook if it has just become low.
    /// Answers the instructions spent.
    fn check_low_wasm_memory(&mut self, id: Principal) -> u64 {
        let Some(canister) = self.canisters.get(&id) else {
            return 0;
        };
        let now = canister.low_memory();
        if now != canister.low_memory
            && let Some(canister) = self.canister_mut(id)
        {
            canister.low_memory = now;
        }
        match now {
            LowMemory::Ready => self.run_task(id, Task::LowMemory),
            LowMemory::Enough | LowMemory::Executed => 0,
        }
    }

    /// Charges for resources, expires best-effort calls and stop requests, settles outcalls, and
    /// answers calls for signatures.
    fn maintain(&mut self) {
        let now = self.time;
        let has_expired = |canister: &&Arc<Canister>| {
            let mut callbacks = canister.callbacks.values();
            callbacks.any(|callback| callback.has_expired(now))
        };
        let expired = self.canisters.active().filter(has_expired);
        let expired: Vec<_> = expired.map(|canister| canister.id).collect();
        for id in self.canisters.payers(now) {
            self.pay_resources(id);
        }
        for id in expired {
            self.expire_calls(id);
        }
        self.expire_stop_requests();
        self.settle_outcalls();
        self.answer_signatures();
    }

    /// The system tasks of this round, by canister. A canister whose low memory begins or ends is
    /// in the map, too, even without tasks.
    fn due_tasks(&mut self) -> BTreeMap<Principal, Vec<Task>> {
        let now = self.time;
        let mut due = BTreeMap::new();
        let mut rotated = Vec::new();
        for canister in self.canisters.active() {
            let id = canister.id;
            let memory = canister.low_memory();
            if memory != canister.low_memory || memory == LowMemory::Ready {
                due.insert(id, Vec::new());
            }
            let (Some(code), Status::Running) = (&canister.code, &canister.status) else {
                continue;
            };
            let timer = canister.timer.is_some_and(|at| at <= now)
                && code.module.has_export("canister_global_timer");
            let messages = !canister.input_queues.is_empty();
            let (tasks, next) = canister
                .rotation
                .turn(timer, code.module.heartbeat, messages);
            if next != canister.rotation {
                rotated.push((id, next));
            }
            if !tasks.is_empty() {
                due.insert(id, tasks);
            }
        }
        for (id, next) in rotated {
            if let Some(canister) = self.canister_mut(id) {
                canister.rotation = next;
            }
        }
        self.canisters.settle();
        due
    }

    /// Rejects the expired best-effort calls of a canister. Answers that arrive later are dropped.
    fn expire_calls(&mut self, id: Principal) {
        let now = self.time;
        let Some(canister) = self.canisters.get(&id) else {
            return;
        };
        let late = canister.callbacks.iter();
        let late: Vec<_> = late
            .filter(|(_, callback)| callback.has_expired(now))
            .map(|(number, _)| *number)
            .collect();
        for callback in late {
            self.deliver_response(Response {
                to: id,
                callback,
                refund: 0,
                result: Err(Reject::expired()),
                fault_checked: true,
            });
        }
    }

    /// Delivers the messages that arrive in this round.
    fn deliver(&mut self) {
        let on_their_way = std::mem::take(&mut self.transit).into_iter();
        let (arrived, rest): (VecDeque<_>, _) =
            on_their_way.partition(|(round, _)| *round <= self.round);
        self.transit = rest;
        for (_, input) in arrived {
            match input {
                Input::Request(request) if self.is_management(request.callee) => {
                    match self.check_deadline(&request) {
                        Ok(()) => self.manage(request),
                        Err(reject) => {
                            let subnet = request.subnet;
                            self.reject_request(request, reject, subnet);
                        }
                    }
                }
                Input::Request(request) => self.deliver_request(request),
                Input::Response(response) => self.deliver_response(response),
            }
        }
    }
}
