//! The steps of a job: from the payment to the cycles or the canister, and to the burnt or refunded
//! ICP.

use candid::{CandidType, Deserialize, Principal};
use serde_bytes::ByteBuf;

use crate::{
    reject::RejectCode,
    system::{
        CYCLES_LEDGER, ICP_LEDGER,
        account::{AccountId, Subaccount},
        creation::{CanisterSettings, CmcArgs, CmcError},
        cycles_ledger::interface::{DepositArgs, DepositResult},
        cycles_minting::{
            CyclesMinting,
            job::{Job, Step, Task},
            notification::{
                FAILED_TO_FETCH_BLOCK, Found, MintSuccess, Notification, NotifyError, Outcome,
                Payment, Purpose, REFUND_FAILED, Status, Success,
            },
            subnets::{check_selection, shuffled},
        },
        icp_ledger::{
            FEE,
            blocks::GetBlocksArgs,
            minting_account,
            transfer::{TransferArgs, TransferError},
        },
        message::{Effects, Env, decode},
    },
};

/// The fees for refunds, which are burnt: those of a creation, and the others, in e8s.
const CREATION_REFUND_FEE: u64 = 4 * FEE;
const REFUND_FEE: u64 = 2 * FEE;
/// The least cycles of `create_canister`.
const LEAST_FOR_CREATION: u128 = 100_000_000_000;
/// What a call of `create_canister` pays that fails.
const PENALTY: u128 = 100_000_000;

/// An answer: the reply, or the code and the text of the reject.
type Answer<'a> = Result<&'a [u8], (RejectCode, &'a str)>;

#[derive(CandidType, Deserialize)]
struct CanisterId {
    canister_id: Principal,
}

/// Puts minting before the effects of a message.
fn minting(minted: u128, effects: Effects) -> Effects {
    Effects { minted, ..effects }
}

impl CyclesMinting {
    /// Begins with a notification: fetches the block.
    pub(super) fn notify(&mut self, notification: Notification) -> Result<Effects, String> {
        let args = GetBlocksArgs {
            start: notification.block,
            length: 1,
        };
        let job = self.jobs.add(Job {
            task: Task::Notified(notification, None),
            step: Step::Block,
        });
        Effects::call(ICP_LEDGER, "query_blocks", (args,), 0, job)
    }

    /// Begins with a call of `create_canister`, whose cycles stay available until the end.
    pub(super) fn create(&mut self, args: CmcArgs, env: &Env<'_>) -> Result<Effects, String> {
        let refunded = |create_error: String| CmcError::Refunded {
            refund_amount: env.available,
            create_error,
        };
        let error = if env.available < LEAST_FOR_CREATION {
            Some(refunded("Insufficient cycles attached.".into()))
        } else {
            check_selection(&args).err().map(refunded)
        };
        if let Some(error) = error {
            return Effects::reply((Err::<Principal, _>(error),));
        }
        let caller = env.caller;
        let args = Box::new(args);
        self.draw(Task::Create { caller, args })
    }

    /// Asks for the randomness that orders the subnets.
    fn draw(&mut self, task: Task) -> Result<Effects, String> {
        let step = Step::Randomness;
        let job = self.jobs.add(Job { task, step });
        Effects::call(Principal::management_canister(), "raw_rand", (), 0, job)
    }

    /// Goes on with a job.
    pub(super) fn resume(
        &mut self,
        number: u64,
        answer: Answer<'_>,
        env: &Env<'_>,
    ) -> Result<Effects, String> {
        let Job { task, step } = self.jobs.take(number)?;
        match (step, task) {
            (Step::Block, Task::Notified(notification, _)) => self.found(notification, answer, env),
            (Step::Deposit, Task::Notified(notification, Some(payment))) => {
                self.deposited(notification, payment, answer)
            }
            (Step::Randomness, task) => match answer {
                Ok(reply) => {
                    let (seed,) = decode::<(ByteBuf,)>(reply)?;
                    self.choose(task, &seed, env)
                }
                Err((code, text)) => {
                    let why = format!(
                        "Getting random bytes failed with code {}: {text:?}",
                        code as u8
                    );
                    self.not_created(task, why, env)
                }
            },
            (Step::Creation { subnet, others }, task) => {
                self.tried(task, subnet, others, answer, env)
            }
            (
                Step::Refund {
                    reason,
                    burn,
                    is_automatic,
                },
                Task::Notified(notification, Some(payment)),
            ) => match transferred(answer) {
                Ok(block) => {
                    let outcome = Err(NotifyError::Refunded {
                        reason,
                        block_index: Some(block),
                    });
                    self.burn(notification, burn, outcome, is_automatic)
                }
                Err((code, why)) => {
                    let to = payment.from;
                    let error = NotifyError::other(
                        REFUND_FAILED,
                        format!("Refund to {to} failed with code {code}: {why}"),
                    );
                    self.end(&notification, Err(error), is_automatic)
                }
            },
            (
                Step::Burn {
                    outcome,
                    is_automatic,
                },
                Task::Notified(notification, _),
            ) => self.end(&notification, outcome, is_automatic),
            _ => Err(format!("job {number} is in no step of its task")),
        }
    }

    pub(super) fn drop_job(&mut self, number: u64) {
        self.jobs.drop_job(number);
    }

    /// The block is known.
    fn found(
        &mut self,
        notification: Notification,
        answer: Answer<'_>,
        env: &Env<'_>,
    ) -> Result<Effects, String> {
        let found = match answer {
            Ok(reply) => notification.look(reply),
            Err((_, text)) => Err(NotifyError::other(
                FAILED_TO_FETCH_BLOCK,
                format!("Failed to fetch block: {text}"),
            )),
        };
        match found {
            Err(error) => notification.answer(Err(error)),
            Ok(Found::NotMeaningful(payment, reason)) => {
                match self.begin_refund(notification.block, &reason) {
                    Some(error) => notification.answer(Err(error)),
                    None => self.refund(notification, payment, reason, 0, true),
                }
            }
            Ok(Found::Payment(payment)) => match self.begin(&notification) {
                Some(outcome) => notification.answer(outcome),
                None => self.process(notification, payment, env),
            },
        }
    }

    /// Mints for a payment, and hands on the cycles.
    fn process(
        &mut self,
        notification: Notification,
        payment: Payment,
        env: &Env<'_>,
    ) -> Result<Effects, String> {
        let cycles = Self::cycles_for(payment.amount);
        let (callee, method) = match &notification.purpose {
            Purpose::Create { .. } => {
                return self.draw(Task::Notified(notification, Some(payment)));
            }
            Purpose::TopUp { .. } => (Principal::management_canister(), "deposit_cycles"),
            Purpose::Mint { .. } if !self.has_cycles_ledger => {
                let why = "No cycles ledger canister id configured.".into();
                return self.refund(notification, payment, why, REFUND_FEE, false);
            }
            Purpose::Mint { .. } => (CYCLES_LEDGER, "deposit"),
        };
        let minted = match self.cover(cycles, env.balance, env.now) {
            Ok(minted) => minted,
            Err(why) => return self.refund(notification, payment, why, REFUND_FEE, false),
        };
        let purpose = notification.purpose.clone();
        let job = self.jobs.add(Job {
            task: Task::Notified(notification, Some(payment)),
            step: Step::Deposit,
        });
        let effects = match purpose {
            Purpose::Mint { to, memo } => {
                let memo = memo.map(ByteBuf::from);
                Effects::call(callee, method, (DepositArgs { to, memo },), cycles, job)
            }
            Purpose::TopUp { canister }
            | Purpose::Create {
                controller: canister,
                ..
            } => {
                let canister_id = canister;
                Effects::call(callee, method, (CanisterId { canister_id },), cycles, job)
            }
        };
        Ok(minting(minted, effects?))
    }

    /// The deposit of minted cycles is answered.
    fn deposited(
        &mut self,
        notification: Notification,
        payment: Payment,
        answer: Answer<'_>,
    ) -> Result<Effects, String> {
        let cycles = Self::cycles_for(payment.amount);
        let is_mint = matches!(notification.purpose, Purpose::Mint { .. });
        let success = match answer {
            Ok(_) if !is_mint => Ok(Success::TopUp(cycles)),
            Ok(reply) => decode::<(DepositResult,)>(reply).map(|(result,)| {
                Success::Mint(MintSuccess {
                    block_index: result.block_index,
                    minted: cycles.into(),
                    balance: result.balance,
                })
            }),
            Err((code, text)) if is_mint => Err(format!(
                "Cycles ledger rejected deposit call with code {}: {text:?}",
                code as u8
            )),
            Err((code, text)) => Err(format!(
                "Depositing cycles failed with code {}: {text:?}",
                code as u8
            )),
        };
        match success {
            Ok(success) => self.burn(notification, payment.amount, Ok(success), false),
            Err(why) => self.refund(notification, payment, why, REFUND_FEE, false),
        }
    }

    /// Chooses the subnets for a creation, in a random order, and tries the first.
    fn choose(&mut self, task: Task, seed: &[u8], env: &Env<'_>) -> Result<Effects, String> {
        let (args, controller) = match &task {
            Task::Create { caller, args } => (args, *caller),
            Task::Notified(notification, _) => match &notification.purpose {
                Purpose::Create { controller, args } => (args, *controller),
                _ => return Err("this is no creation".into()),
            },
        };
        let subnets = self.eligible_subnets(args, controller);
        let subnets = subnets.map(|subnets| shuffled(subnets, seed));
        let first = subnets.and_then(|mut subnets| {
            let first = subnets.pop();
            let first = first.ok_or("No subnets in which to create a canister.")?;
            Ok((first, subnets))
        });
        match first {
            Ok((subnet, others)) => {
                let minted = self.cover(cycles_of(&task, env), env.balance, env.now);
                match minted {
                    Ok(minted) => Ok(minting(minted, self.try_subnet(task, subnet, others, env)?)),
                    Err(why) => self.not_created(task, why, env),
                }
            }
            Err(why) => self.not_created(task, why, env),
        }
    }

    fn try_subnet(
        &mut self,
        task: Task,
        subnet: Principal,
        others: Vec<Principal>,
        env: &Env<'_>,
    ) -> Result<Effects, String> {
        #[derive(CandidType)]
        struct Args {
            settings: Option<CanisterSettings>,
            sender_canister_version: Option<u64>,
        }
        let cycles = cycles_of(&task, env);
        let (args, controller) = match &task {
            Task::Create { caller, args } => (args, *caller),
            Task::Notified(notification, _) => match &notification.purpose {
                Purpose::Create { controller, args } => (args, *controller),
                _ => return Err("this is no creation".into()),
            },
        };
        let mut settings = args.settings.clone().unwrap_or_default();
        settings.controllers.get_or_insert_with(|| vec![controller]);
        let argument = Args {
            settings: Some(settings),
            sender_canister_version: Some(env.version),
        };
        let step = Step::Creation { subnet, others };
        let job = self.jobs.add(Job { task, step });
        Effects::call(subnet, "create_canister", (argument,), cycles, job)
    }

    /// The creation on a subnet is answered.
    fn tried(
        &mut self,
        task: Task,
        subnet: Principal,
        mut others: Vec<Principal>,
        answer: Answer<'_>,
        env: &Env<'_>,
    ) -> Result<Effects, String> {
        let why = match answer {
            Ok(reply) => {
                let (created,) = decode::<(CanisterId,)>(reply)?;
                return self.created(task, created.canister_id, env);
            }
            Err((code, text)) => format!(
                "Creating canister in subnet {subnet} failed with code {}: {text}",
                code as u8
            ),
        };
        match others.pop() {
            Some(next) => self.try_subnet(task, next, others, env),
            None => self.not_created(task, why, env),
        }
    }

    fn created(
        &mut self,
        task: Task,
        canister: Principal,
        env: &Env<'_>,
    ) -> Result<Effects, String> {
        match task {
            Task::Create { .. } => Ok(Effects {
                accepted: env.available,
                ..Effects::reply((Ok::<_, CmcError>(canister),))?
            }),
            Task::Notified(notification, payment) => {
                let amount = payment.map_or(0, |payment| payment.amount);
                self.burn(notification, amount, Ok(Success::Create(canister)), false)
            }
        }
    }

    fn not_created(&mut self, task: Task, why: String, env: &Env<'_>) -> Result<Effects, String> {
        match task {
            Task::Create { .. } => {
                let accepted = PENALTY.min(env.available);
                let error = CmcError::Refunded {
                    refund_amount: env.available - accepted,
                    create_error: why,
                };
                Ok(Effects {
                    accepted,
                    ..Effects::reply((Err::<Principal, _>(error),))?
                })
            }
            Task::Notified(notification, Some(payment)) => {
                self.refund(notification, payment, why, CREATION_REFUND_FEE, false)
            }
            Task::Notified(_, None) => Err("the payment is not known".into()),
        }
    }

    /// Sends a payment back, less the fee of the transfer and another fee that is burnt. Payments
    /// that do not cover them are burnt.
    fn refund(
        &mut self,
        notification: Notification,
        payment: Payment,
        reason: String,
        fee: u64,
        is_automatic: bool,
    ) -> Result<Effects, String> {
        let rest = payment.amount.saturating_sub(FEE).saturating_sub(fee);
        if rest == 0 {
            let outcome = Err(NotifyError::Refunded {
                reason,
                block_index: None,
            });
            return self.burn(notification, payment.amount, outcome, is_automatic);
        }
        let (from, to) = (notification.subaccount(), payment.from);
        let step = Step::Refund {
            reason,
            burn: fee,
            is_automatic,
        };
        let task = Task::Notified(notification, Some(payment));
        self.transfer(Job { task, step }, from, to, rest, FEE)
    }

    /// Burns ICP, if it is not too little, and ends the job.
    fn burn(
        &mut self,
        notification: Notification,
        amount: u64,
        outcome: Outcome,
        is_automatic: bool,
    ) -> Result<Effects, String> {
        if amount < FEE {
            return self.end(&notification, outcome, is_automatic);
        }
        let from = notification.subaccount();
        let step = Step::Burn {
            outcome,
            is_automatic,
        };
        let task = Task::Notified(notification, None);
        self.transfer(Job { task, step }, from, minting_account().id(), amount, 0)
    }

    fn transfer(
        &mut self,
        job: Job,
        from: Subaccount,
        to: AccountId,
        amount: u64,
        fee: u64,
    ) -> Result<Effects, String> {
        let args = TransferArgs::new(from, to, amount, fee);
        let job = self.jobs.add(job);
        Effects::call(ICP_LEDGER, "transfer", (args,), 0, job)
    }

    fn end(
        &mut self,
        notification: &Notification,
        outcome: Outcome,
        is_automatic: bool,
    ) -> Result<Effects, String> {
        match &outcome {
            Err(NotifyError::Refunded { block_index, .. }) if is_automatic => {
                let status = Status::NotMeaningful(*block_index);
                self.statuses.insert(notification.block, status);
            }
            _ => self.remember(notification, &outcome),
        }
        notification.answer(outcome)
    }
}

/// The cycles for a creation.
fn cycles_of(task: &Task, env: &Env<'_>) -> u128 {
    match task {
        Task::Create { .. } => env.available,
        Task::Notified(_, payment) => {
            let amount = payment.as_ref().map_or(0, |payment| payment.amount);
            CyclesMinting::cycles_for(amount)
        }
    }
}

/// The block of a transfer, or the code and the text of its failure.
fn transferred(answer: Answer<'_>) -> Result<u64, (u8, String)> {
    const CANISTER_ERROR: u8 = RejectCode::CanisterError as u8;
    match answer {
        Ok(reply) => match decode::<(Result<u64, TransferError>,)>(reply) {
            Ok((result,)) => result.map_err(|error| (CANISTER_ERROR, error.to_string())),
            Err(error) => Err((CANISTER_ERROR, error)),
        },
        Err((code, text)) => Err((code as u8, text.to_owned())),
    }
}
