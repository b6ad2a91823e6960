//! No ICP and no cycle appears from nowhere or vanishes, whatever happens in what order: the
//! balances are those that follow from the blocks, the cycles ledger holds what it owes, and no
//! payment counts twice.

use std::collections::BTreeMap;

use candid::{CandidType, Deserialize, Nat, Principal};
use canic_replica::{Effect, Fault, RejectCode};
use proptest::prelude::{
    ProptestConfig, Strategy, TestCaseError, any, prop, prop_assert, prop_assert_eq, prop_oneof,
    proptest,
};

use crate::{
    common::T,
    system::{
        CYCLES_LEDGER, CYCLES_MINTING, HOUR, ICP, ICP_LEDGER, System, account, blob, id, user,
    },
};

const FEE: u128 = 10_000;
const CYCLES_FEE: u128 = 100_000_000;
/// The cycles for an e8.
const PER_E8: u128 = 35_200;
const MEMOS: [u64; 4] = [0x5055_5054, 0x544e_494d, 0x4145_5243, 3];

/// A step of a test.
#[derive(Clone, Debug)]
enum Step {
    /// An operation: its kind, who, whom, and how much.
    Operation(u8, u8, u8, u32),
    /// A fault at one of the next messages: its kind, and how many messages pass before it.
    Fault(u8, u8),
    /// The instance is forked; the fork goes on.
    Fork,
    /// The instance is written and read.
    Restart,
    /// So many hours pass.
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (any::<u8>(), 0_u8..3, 0_u8..3, any::<u32>())
            .prop_map(|(kind, from, to, amount)| Step::Operation(kind, from, to, amount)),
        3 => (any::<u8>(), 0_u8..6).prop_map(|(kind, skip)| Step::Fault(kind, skip)),
        1 => (0_u8..1).prop_map(|_| Step::Fork),
        1 => (0_u8..1).prop_map(|_| Step::Restart),
        1 => (0_u8..30).prop_map(Step::Wait),
    ]
}

/// A fault that the platform can have. It never loses the answer of a call that waits for it.
fn fault(kind: u8, skip: u8) -> Fault {
    let fault = match kind % 5 {
        0 => Fault::on_call(Effect::reject(RejectCode::SysTransient)),
        1 => Fault::on_call(Effect::trap()),
        // A callback of the cycles minting canister that traps would let a canister keep cycles for
        // which nobody has paid, there as here.
        2 => Fault::on_answer(Effect::trap()).caller(id(CYCLES_LEDGER)),
        3 => Fault::on_answer(Effect::OutOfCycles),
        _ => Fault::on_call(Effect::Delay { rounds: 3 }),
    };
    fault.skip(skip.into())
}

/// Three users with ICP and cycles, a canister that makes calls, and what was paid for cycles.
#[derive(Clone)]
struct World {
    system: System,
    proxy: Principal,
    /// The blocks of the payments, with their amounts in e8s.
    paid: Vec<(u64, u64)>,
    /// Cycles that were minted before the first payment.
    minted: u128,
}

impl World {
    fn new() -> Self {
        let mut system = System::new();
        let proxy = system.proxy();
        for number in 0..3 {
            system.give_icp(&account(user(number)), 50 * ICP);
            system.give_cycles(&account(user(number)), 20 * T);
        }
        let minted = system.net.replica.accounts().minted;
        Self {
            system,
            proxy,
            paid: Vec::new(),
            minted,
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Fault(kind, skip) => self.system.net.replica.inject(fault(kind, skip)),
            Step::Fork => {
                let fork = self.clone();
                let before = std::mem::replace(self, fork);
                drop(before);
            }
            Step::Restart => self.system.net.restart(),
            Step::Wait(hours) => {
                let later = self.system.now() + u64::from(hours) * HOUR;
                self.system.at(later);
            }
            Step::Operation(kind, from, to, amount) => self.operate(kind, from, to, amount),
        }
    }

    fn operate(&mut self, kind: u8, from: u8, to: u8, amount: u32) {
        let (sender, other) = (user(from), user(to));
        let (mine, theirs) = (account(sender), account(other));
        // Now and then the fee makes it too much.
        let e8s = u128::from(amount) * 3;
        let cycles = u128::from(amount) * 5_000;
        let transfer =
            |amount: u128| format!("(record {{ to = {theirs}; amount = {amount} : nat }})");
        let approval =
            |amount: u128| format!("(record {{ spender = {theirs}; amount = {amount} : nat }})");
        let taking = |amount: u128| {
            format!("(record {{ from = {theirs}; to = {mine}; amount = {amount} : nat }})")
        };
        let targets = [self.proxy, id("aaaaa-aa")];
        let target = targets[usize::from(amount.is_multiple_of(3))];
        let system = &mut self.system;
        match kind % 14 {
            0 => drop(system.icp(sender, "icrc1_transfer", &transfer(e8s))),
            1 => drop(system.icp(sender, "icrc2_approve", &approval(e8s))),
            2 => drop(system.icp(sender, "icrc2_transfer_from", &taking(e8s / 2))),
            3 => drop(system.cycles(sender, "icrc1_transfer", &transfer(cycles))),
            4 => drop(system.cycles(sender, "icrc2_approve", &approval(cycles))),
            5 => drop(system.cycles(sender, "icrc2_transfer_from", &taking(cycles / 2))),
            6 => {
                let args =
                    format!("(record {{ to = principal \"{target}\"; amount = {cycles} : nat }})");
                system.cycles(sender, "withdraw", &args);
            }
            7 => {
                let args = format!(
                    "(record {{ from = {theirs}; to = principal \"{target}\"; amount = {} : nat \
                     }})",
                    cycles / 2
                );
                system.cycles(sender, "withdraw_from", &args);
            }
            8 => {
                let args = format!("(record {{ amount = {cycles} : nat }})");
                system.cycles(sender, "create_canister", &args);
            }
            9 => {
                let args = format!("(record {{ to = {mine} }})");
                let interface = &system.interfaces[&id(CYCLES_LEDGER)];
                let argument = [
                    id(CYCLES_LEDGER).as_slice(),
                    b"\x07deposit",
                    &(cycles / 10).to_le_bytes(),
                    &interface.encode("deposit", &args),
                ]
                .concat();
                // The canister itself may be hit by a fault.
                drop(system.net.update(self.proxy, "go", &argument));
            }
            10 | 11 => self.pay(sender, amount),
            _ => self.notify(sender, amount),
        }
    }

    fn pay(&mut self, sender: Principal, amount: u32) {
        let mut subaccount = [0; 32];
        let target = if amount.is_multiple_of(2) {
            self.proxy
        } else {
            sender
        };
        let bytes = target.as_slice();
        subaccount[0] = bytes.len() as u8;
        subaccount[1..=bytes.len()].copy_from_slice(bytes);
        let memo = MEMOS[amount as usize / 2 % 4];
        let amount = u64::from(amount) / 7;
        let args = format!(
            "(record {{ to = record {{ owner = principal \"{CYCLES_MINTING}\"; subaccount = opt \
             {} }}; \
             amount = {amount} : nat; memo = opt {} }})",
            blob(&subaccount),
            blob(&memo.to_le_bytes())
        );
        let reply = self.system.icp(sender, "icrc1_transfer", &args);
        if reply.contains("Ok") {
            self.paid.push((super::block(&reply), amount));
        }
        self.notify(sender, u32::MAX);
    }

    /// Notifies the canister of a payment, in all ways.
    fn notify(&mut self, sender: Principal, choice: u32) {
        let Some((block, _)) = self.paid.get(choice as usize % self.paid.len().max(1)) else {
            return;
        };
        let block = format!("block_index = {block} : nat64");
        let top_up = format!(
            "(record {{ {block}; canister_id = principal \"{}\" }})",
            self.proxy
        );
        self.system.minting(sender, "notify_top_up", &top_up);
        self.system.minting(
            sender,
            "notify_mint_cycles",
            &format!("(record {{ {block} }})"),
        );
        let create = format!("(record {{ {block}; controller = principal \"{sender}\" }})");
        self.system
            .minting(sender, "notify_create_canister", &create);
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        // Messages that were delayed arrive.
        for _ in 0..20 {
            self.system.net.replica.tick();
        }
        self.system.net.replica.clear_faults();
        self.check_icp()?;
        self.check_cycles()?;
        let accounts = self.system.net.replica.accounts();
        prop_assert!(accounts.balanced(), "{accounts:?}");
        let most: u128 = self
            .paid
            .iter()
            .map(|(_, e8s)| u128::from(*e8s) * PER_E8)
            .sum();
        // For `create_canister` the cycles minting canister mints first and keeps what it is paid.
        let kept = self.system.net.replica.cycles(id(CYCLES_MINTING));
        prop_assert!(accounts.minted - self.minted <= most + kept.unwrap());
        Ok(())
    }

    fn check_icp(&mut self) -> Result<(), TestCaseError> {
        let mut balances: BTreeMap<Vec<u8>, u128> = BTreeMap::new();
        for operation in icp_operations(&self.system) {
            let (debit, credit) = operation.unwrap().effect();
            if let Some((from, amount)) = debit {
                let balance = balances.entry(from).or_default();
                prop_assert!(*balance >= amount);
                *balance -= amount;
            }
            if let Some((to, amount)) = credit {
                *balances.entry(to).or_default() += amount;
            }
        }
        for (identifier, balance) in &balances {
            let args = format!("(record {{ account = {} }})", blob(identifier));
            let shown = self.system.icp(user(0), "account_balance", &args);
            prop_assert_eq!(
                super::number(shown.trim_start_matches("(record { e8s = ")),
                *balance
            );
        }
        let supply = self.system.icp(user(0), "icrc1_total_supply", "()");
        prop_assert_eq!(super::number(&supply), balances.values().sum::<u128>());
        Ok(())
    }

    fn check_cycles(&mut self) -> Result<(), TestCaseError> {
        let mut balances: BTreeMap<Vec<u8>, u128> = BTreeMap::new();
        for (debit, credit) in cycles_effects(&mut self.system) {
            if let Some((from, amount)) = debit {
                let balance = balances.entry(from).or_default();
                prop_assert!(*balance >= amount);
                *balance -= amount;
            }
            if let Some((to, amount)) = credit {
                *balances.entry(to).or_default() += amount;
            }
        }
        for (owner, balance) in &balances {
            let owner = account(Principal::from_slice(owner));
            prop_assert_eq!(self.system.balance(CYCLES_LEDGER, &owner), *balance);
        }
        let supply = self.system.cycles(user(0), "icrc1_total_supply", "()");
        let supply = super::number(&supply);
        prop_assert_eq!(supply, balances.values().sum::<u128>());
        // The canister holds what it owes, and the fees.
        prop_assert!(self.system.net.replica.cycles(id(CYCLES_LEDGER)).unwrap() >= supply);
        Ok(())
    }
}

/// What an account loses, and what an account gets.
type Change = (Option<(Vec<u8>, u128)>, Option<(Vec<u8>, u128)>);

#[derive(CandidType, Deserialize)]
struct Tokens {
    e8s: u64,
}

#[derive(CandidType, Deserialize)]
enum Operation {
    Mint {
        to: Vec<u8>,
        amount: Tokens,
    },
    Burn {
        from: Vec<u8>,
        amount: Tokens,
    },
    Transfer {
        from: Vec<u8>,
        to: Vec<u8>,
        amount: Tokens,
        fee: Tokens,
    },
    Approve {
        from: Vec<u8>,
        fee: Tokens,
    },
}

impl Operation {
    fn effect(self) -> Change {
        match self {
            Self::Mint { to, amount } => (None, Some((to, amount.e8s.into()))),
            Self::Burn { from, amount } => (Some((from, amount.e8s.into())), None),
            Self::Transfer {
                from,
                to,
                amount,
                fee,
            } => {
                assert_eq!(u128::from(fee.e8s), FEE);
                let amount = u128::from(amount.e8s);
                (Some((from, amount + FEE)), Some((to, amount)))
            }
            Self::Approve { from, fee } => (Some((from, fee.e8s.into())), None),
        }
    }
}

fn icp_operations(system: &System) -> Vec<Option<Operation>> {
    #[derive(CandidType, Deserialize)]
    struct Blocks {
        blocks: Vec<Block>,
    }
    #[derive(CandidType, Deserialize)]
    struct Block {
        transaction: Transaction,
    }
    #[derive(CandidType, Deserialize)]
    struct Transaction {
        operation: Option<Operation>,
    }
    let args = "(record { start = 0 : nat64; length = 2_000 : nat64 })";
    let payload = system.interfaces[&id(ICP_LEDGER)].encode("query_blocks", args);
    let mut net = system.net.clone();
    let reply = net.query(id(ICP_LEDGER), "query_blocks", &payload).unwrap();
    let (blocks,) = candid::decode_args::<(Blocks,)>(&reply).unwrap();
    blocks
        .blocks
        .into_iter()
        .map(|block| block.transaction.operation)
        .collect()
}

#[derive(CandidType, Deserialize)]
enum Value {
    Map(Vec<(String, Value)>),
    Nat(Nat),
    Blob(Vec<u8>),
    Text(String),
    Array(Vec<Value>),
}

impl Value {
    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    fn nat(&self, key: &str) -> u128 {
        match self.get(key) {
            Some(Self::Nat(number)) => u128::try_from(&number.0).unwrap(),
            _ => 0,
        }
    }

    /// The owner of an account. No test uses a subaccount here.
    fn owner(&self, key: &str) -> Vec<u8> {
        match self.get(key) {
            Some(Self::Array(parts)) => match parts.as_slice() {
                [Self::Blob(owner)] => owner.clone(),
                _ => panic!("an account with a subaccount"),
            },
            _ => panic!("no account {key}"),
        }
    }
}

/// What each block of the cycles ledger changes.
fn cycles_effects(system: &mut System) -> Vec<Change> {
    #[derive(CandidType, Deserialize)]
    struct Blocks {
        log_length: Nat,
        blocks: Vec<Block>,
    }
    #[derive(CandidType, Deserialize)]
    struct Block {
        block: Value,
    }
    let mut effects = Vec::new();
    loop {
        let args = format!(
            "(vec {{ record {{ start = {} : nat; length = 50 : nat }} }})",
            effects.len()
        );
        let payload = system.interfaces[&id(CYCLES_LEDGER)].encode("icrc3_get_blocks", &args);
        let reply = system
            .net
            .query(id(CYCLES_LEDGER), "icrc3_get_blocks", &payload)
            .unwrap();
        let (blocks,) = candid::decode_args::<(Blocks,)>(&reply).unwrap();
        for Block { block } in &blocks.blocks {
            let transaction = block.get("tx").unwrap();
            let amount = transaction.nat("amt");
            let Some(Value::Text(name)) = transaction.get("op") else {
                panic!("no operation");
            };
            effects.push(match name.as_str() {
                "mint" => (None, Some((transaction.owner("to"), amount))),
                "burn" => (Some((transaction.owner("from"), amount + CYCLES_FEE)), None),
                "approve" => (Some((transaction.owner("from"), CYCLES_FEE)), None),
                _ => (
                    Some((transaction.owner("from"), amount + CYCLES_FEE)),
                    Some((transaction.owner("to"), amount)),
                ),
            });
        }
        if blocks.log_length == effects.len() {
            return effects;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn icp_and_cycles_are_conserved(steps in prop::collection::vec(step(), 1..40)) {
        // Types of Candid stay on their thread.
        thread_local! {
            static FRESH: World = World::new();
        }
        let mut world = FRESH.with(World::clone);
        for step in &steps {
            world.run(step);
        }
        world.check()?;
    }
}
