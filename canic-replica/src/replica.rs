//! One instance, seen from outside: a face that holds no state of its own and hands on to the
//! network.

use std::collections::BTreeSet;

use candid::Principal;

use crate::{
    faults::{ArmedFault, Chaos, Fault, FiredFault},
    ingress::{EffectivePrincipal, Ingress, IngressStatus, MessageId},
    management::outcalls::{OutcallAnswer, PendingOutcall},
    network::{Config, Network, read_state::ReadStateError},
    reject::Reject,
    subnets::{Blockmakers, SubnetInfo},
    trace::{Accounts, Event},
};

/// One instance: a network of subnets with canisters. A clone is a fork.
#[derive(Clone)]
pub struct Replica {
    network: Network,
}

impl Replica {
    /// A fresh instance.
    ///
    /// # Errors
    /// The configuration has no subnet, a named subnet twice, or a time beyond the year 2262.
    pub fn new(config: Config) -> Result<Self, String> {
        Network::new(config).map(|network| Self { network })
    }

    /// The instance of a state that [`Self::to_bytes`] wrote. It goes on where that was, bit for
    /// bit, but has no record of executed messages.
    ///
    /// # Errors
    /// The bytes are no state of this version: a sentence that says so.
    pub fn from_bytes(state: &[u8]) -> Result<Self, String> {
        Network::from_bytes(state).map(|network| Self { network })
    }

    /// The whole state. Only the same version of this crate reads it.
    ///
    /// # Errors
    /// A value has no form as bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, String> {
        self.network.to_bytes()
    }

    /// The number of messages that were executed so far.
    pub(crate) fn executed(&self) -> u64 {
        self.network.next_event
    }

    /// All subnets, in the order of the configuration.
    pub fn subnets(&self) -> Vec<&SubnetInfo> {
        self.network.present_subnets().collect()
    }

    /// The canister id whose subnet runs management calls without an effective principal: the first
    /// id of the first application subnet, or of the first subnet if there is no application
    /// subnet.
    pub fn default_effective_canister(&self) -> Principal {
        self.network.default_effective_canister()
    }

    /// The subnet whose ranges hold `canister`, whether the canister exists or not.
    pub fn subnet_of(&self, canister: Principal) -> Option<Principal> {
        self.network.subnet_of(canister)
    }

    /// The time of the next round, in nanoseconds since 1970.
    pub fn time(&self) -> u64 {
        self.network.time
    }

    /// Sets the time of the next round, in nanoseconds since 1970. Queries see the time of the last
    /// round.
    ///
    /// # Errors
    /// `ns` lies in the past, or beyond the year 2262.
    pub fn set_time(&mut self, ns: u64) -> Result<(), String> {
        self.network.set_time(ns)
    }

    /// Sets the time, in nanoseconds since 1970, and certifies it without executing a round:
    /// queries and certificates see it at once.
    ///
    /// # Errors
    /// As for [`Self::set_time`].
    pub fn set_certified_time(&mut self, ns: u64) -> Result<(), String> {
        self.network.set_certified_time(ns)
    }

    /// Executes one round.
    pub fn tick(&mut self) {
        self.network.execute_round(&[]);
    }

    /// Executes one round in which the given nodes, and not the first node of each subnet, make the
    /// blocks. `node_metrics_history` shows them.
    ///
    /// # Errors
    /// There is no such subnet, or it has no such node; no round is executed.
    pub fn tick_with(&mut self, blockmakers: Vec<Blockmakers>) -> Result<(), String> {
        self.network.tick_with(&blockmakers)
    }

    /// Whether a subnet answers for a principal.
    pub(crate) fn has_subnet_for(&self, effective: EffectivePrincipal) -> bool {
        self.network.hosts(effective)
    }

    /// Finds the subnet that a message from outside goes to. If the message creates a canister with
    /// an id of the mainnet, the mainnet's subnet of this id is created unless it is there.
    ///
    /// # Errors
    /// The message goes to no subnet.
    pub(crate) fn open_route(&mut self, ingress: &Ingress) -> Result<(), String> {
        self.network.open_route(ingress)
    }

    /// Submits an update call: checks that its callee accepts calls, runs
    /// `canister_inspect_message`, and charges the callee for the reception. The next round
    /// executes the call. A call that waits for more than five minutes expires. Two equal calls are
    /// two calls.
    ///
    /// # Errors
    /// The reject of a call that is not admitted.
    pub fn submit(&mut self, ingress: Ingress) -> Result<MessageId, Reject> {
        self.network.submit(ingress)
    }

    /// Submits an update call under the id that an agent gave it. The callee pays for the `bytes`
    /// bytes of the whole message. A call whose id is remembered is not submitted again.
    ///
    /// # Errors
    /// As for [`Self::submit`].
    pub fn submit_as(
        &mut self,
        id: MessageId,
        ingress: Ingress,
        bytes: usize,
    ) -> Result<(), Reject> {
        self.network.submit_as(id, ingress, bytes)
    }

    /// The status of a submitted call. The outcomes of the last 20,000 calls are remembered, up to
    /// 256 MiB in all.
    pub fn ingress_status(&self, id: &MessageId) -> IngressStatus {
        self.network.ingress_status(id)
    }

    /// The sender of a call that is remembered.
    pub fn ingress_sender(&self, id: &MessageId) -> Option<Principal> {
        self.network.ingress_sender(id)
    }

    /// The subnet that a remembered call was sent to.
    pub(crate) fn ingress_subnet(&self, id: &MessageId) -> Option<Principal> {
        let subnet = self.network.ingress_subnet(id)?;
        Some(self.network.infos[subnet].id)
    }

    /// Executes rounds until the call is answered.
    ///
    /// # Errors
    /// There is no such call, or it has no answer after 100 rounds.
    pub fn await_ingress(&mut self, id: &MessageId) -> Result<Result<Vec<u8>, Reject>, String> {
        self.network.await_ingress(id)
    }

    /// Executes a query call. Its changes to the canister's state are dropped.
    ///
    /// # Errors
    /// The reject of the query.
    pub fn query(&mut self, ingress: Ingress) -> Result<Vec<u8>, Reject> {
        self.network.answer_query(ingress)
    }

    /// Whether there is such a canister.
    pub fn canister_exists(&self, canister: Principal) -> bool {
        self.network.canisters.contains_key(&canister)
    }

    /// The controllers of a canister. `None`: there is no such canister.
    pub fn controllers(&self, canister: Principal) -> Option<Vec<Principal>> {
        let canister = self.network.canisters.get(&canister)?;
        Some(canister.settings.controllers.clone())
    }

    /// The balance of a canister, in cycles. `None`: there is no such canister.
    pub fn cycles(&self, canister: Principal) -> Option<u128> {
        Some(self.network.canisters.get(&canister)?.balance)
    }

    /// Mints cycles into a canister; answers the new balance. `None`: there is no such canister, or
    /// the sum exceeds 128 bits.
    pub fn add_cycles(&mut self, canister: Principal, amount: u128) -> Option<u128> {
        self.network.add_cycles(canister, amount)
    }

    /// The stable memory of a canister, as one piece. `None`: there is no such canister, or the
    /// memory exceeds 8 GiB.
    pub fn stable_memory(&self, canister: Principal) -> Option<Vec<u8>> {
        self.network.canisters.get(&canister)?.stable.to_vec()
    }

    /// Replaces the stable memory of a canister.
    ///
    /// # Errors
    /// There is no such canister, it has no code, or there are too many bytes.
    pub fn set_stable_memory(&mut self, canister: Principal, bytes: Vec<u8>) -> Result<(), String> {
        self.network.set_stable_memory(canister, &bytes)
    }

    /// All canisters, in the order of their ids.
    pub fn canisters(&self) -> Vec<Principal> {
        self.network.canisters.keys().copied().collect()
    }

    /// Deletes a subnet with its canisters and their cycles. Callers that wait for an answer of
    /// these canisters get a reject.
    ///
    /// # Errors
    /// There is no such subnet, the network has it by name, or its key verifies all certificates.
    pub fn delete_subnet(&mut self, subnet: Principal) -> Result<(), String> {
        self.network.delete_subnet(subnet)
    }

    /// The last events, oldest first; `Event::seq` numbers them. At least the last 10,000 are kept.
    pub fn trace(&self) -> &[Event] {
        &self.network.events
    }

    /// Arms a fault, behind the faults that are armed already.
    ///
    /// ```
    /// use canic_replica::{Config, Effect, Fault, RejectCode, Replica};
    ///
    /// let mut replica = Replica::new(Config::default()).unwrap();
    /// let mut fork = replica.clone();
    /// fork.inject(Fault::on_call(Effect::reject(RejectCode::SysTransient)).method("raw_rand"));
    /// assert_eq!((replica.armed_faults().len(), fork.armed_faults().len()), (0, 1));
    /// ```
    pub fn inject(&mut self, fault: Fault) {
        self.network.faults.arm(fault);
    }

    /// Draws faults from a seed from now on; `None` ends that.
    pub fn set_chaos(&mut self, chaos: Option<Chaos>) {
        self.network.faults.chaos = chaos;
    }

    /// The armed faults, with those that fired already.
    pub fn armed_faults(&self) -> &[ArmedFault] {
        &self.network.faults.armed
    }

    /// Disarms all faults, and ends the chaos.
    pub fn clear_faults(&mut self) {
        self.network.faults.clear();
    }

    /// The faults that fired, oldest first. At least the last 10,000 are kept.
    pub fn fired_faults(&self) -> &[FiredFault] {
        &self.network.faults.fired
    }

    /// Where all cycles are.
    pub fn accounts(&self) -> Accounts {
        self.network.accounts()
    }

    /// The public key that verifies all certificates of the instance, DER: that of the NNS, or of
    /// the first subnet if there is no NNS.
    pub fn root_key(&self) -> Vec<u8> {
        self.network.topology.root_key().to_vec()
    }

    /// The public key of a subnet, DER. `None`: there is no such subnet.
    pub fn public_key(&self, subnet: Principal) -> Option<Vec<u8>> {
        let subnet = self.network.subnet_index(subnet)?;
        Some(self.network.topology.public_key(subnet).to_vec())
    }

    /// A certificate, in CBOR, of the time and of all that lies at and below `paths` in the state
    /// tree of the subnet of `effective`, as it was after the last round. The management canister
    /// stands for the default subnet.
    ///
    /// # Errors
    /// There is no such subnet, a path does not exist, or the sender may not read it.
    pub fn read_state(
        &self,
        sender: Principal,
        effective: EffectivePrincipal,
        paths: &[Vec<Vec<u8>>],
    ) -> Result<Vec<u8>, ReadStateError> {
        self.network.read_state(sender, effective, paths, true)
    }

    /// Like [`Self::read_state`], without `/subnet/<id>/canister_ranges` of other subnets than the
    /// root subnet.
    pub(crate) fn read_state_without_legacy_ranges(
        &self,
        sender: Principal,
        effective: EffectivePrincipal,
        paths: &[Vec<Vec<u8>>],
    ) -> Result<Vec<u8>, ReadStateError> {
        self.network.read_state(sender, effective, paths, false)
    }

    /// A signature by the first node of a subnet, and the principal of that node.
    pub(crate) fn sign_as_node(
        &self,
        effective: EffectivePrincipal,
        message: &[u8],
    ) -> Option<(Principal, Vec<u8>)> {
        self.network.sign_as_node(effective, message)
    }

    /// Replaces the admins of a subnet: they may create canisters there, and start, stop, uninstall
    /// and delete all canisters and read their status and metrics.
    ///
    /// # Errors
    /// There is no such subnet, or it cannot have admins: only application subnets and cloud
    /// engines that charge nothing can.
    pub fn set_subnet_admins(
        &mut self,
        subnet: Principal,
        admins: BTreeSet<Principal>,
    ) -> Result<(), String> {
        self.network.set_subnet_admins(subnet, admins)
    }

    /// The HTTP outcalls that wait for an answer, by subnet and number.
    pub fn pending_outcalls(&self) -> Vec<PendingOutcall> {
        self.network.pending_outcalls()
    }

    /// Answers an outcall: with one answer for all nodes of the subnet, or with one for each node
    /// in the order of [`SubnetInfo::nodes`]. The next round decides on it.
    ///
    /// # Errors
    /// There is no such subnet, or no such outcall that waits; the number of answers is neither one
    /// nor that of the nodes; a reject exceeds 1 KiB.
    pub fn answer_outcall(
        &mut self,
        subnet: Principal,
        id: u64,
        answers: Vec<OutcallAnswer>,
    ) -> Result<(), String> {
        self.network.answer_outcall(subnet, id, answers)
    }

    /// Answers a flexible outcall for some of its nodes: each answer is that of another node. Nodes
    /// without an answer stay silent for ever.
    ///
    /// # Errors
    /// As for [`Self::answer_outcall`]; or the outcall is not flexible.
    pub fn answer_flexible_outcall(
        &mut self,
        subnet: Principal,
        id: u64,
        answers: Vec<OutcallAnswer>,
    ) -> Result<(), String> {
        self.network.answer_flexible_outcall(subnet, id, answers)
    }

    /// SHA-256 over all state that can make a difference to what comes: the time, the canisters
    /// with their memories, queues and settings, messages under way, the outcomes of messages from
    /// outside, and armed faults. The trace and the faults that fired are left out. With the same
    /// build of this crate the same inputs give the same hash.
    pub fn state_hash(&self) -> [u8; 32] {
        self.network.state_hash()
    }
}
