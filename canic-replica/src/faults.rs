//! Fault injection.
//!
//! A [`Fault`] selects messages and says how they fail. [`Chaos`] draws faults from a seed. Each
//! fault that fires is recorded as a [`FiredFault`]. Its fault fires on the same message again, if
//! a test injects it at the same point of the same sequence of calls.
//!
//! ```
//! use canic_replica::{Effect, Fault, RejectCode};
//! use candid::Principal;
//!
//! let root = Principal::from_text("rwlgt-iiaaa-aaaaa-aaaaa-cai").unwrap();
//! // The second canister that root creates comes into being, but root does not learn its id.
//! let lost = Fault::on_answer(Effect::reject(RejectCode::SysUnknown))
//!     .caller(root)
//!     .method("create_canister")
//!     .skip(1);
//! assert_eq!(lost.to_string().parse(), Ok(lost));
//! ```

use std::{collections::BTreeMap, fmt, str::FromStr};

use candid::Principal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    reject::{Reject, RejectCode},
    stored::in_json,
};

/// Fired faults that are kept; twice as many before the older half is dropped.
const MAX_FIRED: usize = 10_000;

/// Whether a fault fires on a call or on its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Before the execution of a message: a call of a user or a canister, a system task
    /// (`canister_heartbeat`, `canister_global_timer`, `canister_on_low_wasm_memory`), or a
    /// function that an installation runs.
    Call,
    /// Before the callback of an answer to a canister's call.
    Answer,
}

/// The effect of a fault on a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// A call is not delivered: the caller gets this reject and all attached cycles. An answer is
    /// lost: the callee has run, and the caller gets this reject and the refunded cycles.
    Reject {
        /// The code.
        code: RejectCode,
        /// The text.
        message: String,
    },
    /// The method, or the callback, traps and is rolled back. The management canister rejects, as
    /// it has no code.
    Trap {
        /// Traps after so many instructions; `None`: after the last. A message with fewer
        /// instructions does not trap.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// A call is rejected, as if the callee could not pay for its execution. A callback runs
    /// without cycles above the freezing threshold: it can neither send calls nor burn cycles.
    OutOfCycles,
    /// The message is delayed, while all other messages go on.
    Delay {
        /// The number of rounds.
        rounds: u64,
    },
}

/// A fault: the messages on which it fires, and its effect. `None` matches all.
///
/// Of several faults that match a message, the one injected first fires; the others count the
/// message. The caller of system tasks and of the functions of an installation is the management
/// canister. A fault skips a task in this round, unless its effect is a trap. A function of an
/// installation can only trap. No fault fires on queries from outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Call or answer.
    pub direction: Direction,
    /// The caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Principal>,
    /// The callee; `aaaaa-aa` is the management canister.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callee: Option<Principal>,
    /// The method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The number of matching messages that pass first.
    #[serde(default)]
    pub skip: u64,
    /// The number of messages after these on which the fault fires.
    #[serde(default = "once")]
    pub times: u64,
    /// The effect.
    pub effect: Effect,
}

/// Faults drawn from a seed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chaos {
    /// The same seed draws the same faults from the same sequence of calls.
    pub seed: u64,
    /// The number of faults per thousand messages.
    pub per_mille: u32,
    /// Only messages of calls that this canister made.
    #[serde(default)]
    pub caller: Option<Principal>,
    /// Only messages of calls to this canister.
    #[serde(default)]
    pub callee: Option<Principal>,
}

/// A fault that fired.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FiredFault {
    /// The round.
    pub round: u64,
    /// The number of the event of this message in the trace. There is no event if nothing ran and
    /// nothing was rejected.
    pub event: u64,
    /// A fault that fires on this message only, if a test injects it in place of the original fault
    /// or chaos.
    pub fault: Fault,
}

/// An injected fault, and its progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArmedFault {
    /// The fault.
    pub fault: Fault,
    /// Messages that matched it so far.
    pub seen: u64,
}

fn once() -> u64 {
    1
}

impl Effect {
    /// A reject with the text `injected fault`.
    pub fn reject(code: RejectCode) -> Self {
        let message = "injected fault".into();
        Self::Reject { code, message }
    }

    /// A trap after the last instruction.
    pub fn trap() -> Self {
        Self::Trap { after: None }
    }

    /// The reject of a call that this effect keeps from its callee. `None`: the call is delivered.
    pub(crate) fn reject_of_call(&self, callee: Principal) -> Option<Reject> {
        use RejectCode::{
            CanisterError, CanisterReject, DestinationInvalid, SysFatal, SysTransient, SysUnknown,
        };
        match self {
            Self::Reject { code, message } => {
                // The platform's code that is nearest in meaning.
                let error_code = match code {
                    SysFatal => 101,
                    SysTransient => 201,
                    DestinationInvalid => 301,
                    CanisterReject => 406,
                    CanisterError => 502,
                    SysUnknown => 601,
                };
                Some(Reject::new(*code, error_code, message))
            }
            Self::OutOfCycles => {
                let why = format!("Canister {callee} is out of cycles: injected fault");
                Some(Reject::new(SysTransient, 207, why))
            }
            Self::Trap { .. } | Self::Delay { .. } => None,
        }
    }
}

impl Fault {
    /// Fires on the next call of any caller.
    pub fn on_call(effect: Effect) -> Self {
        Self {
            direction: Direction::Call,
            caller: None,
            callee: None,
            method: None,
            skip: 0,
            times: 1,
            effect,
        }
    }

    /// Fires on the next answer to any caller.
    pub fn on_answer(effect: Effect) -> Self {
        Self {
            direction: Direction::Answer,
            ..Self::on_call(effect)
        }
    }

    /// Fires on calls of this canister or user only.
    #[must_use]
    pub fn caller(mut self, caller: Principal) -> Self {
        self.caller = Some(caller);
        self
    }

    /// Fires on calls to this canister only.
    #[must_use]
    pub fn callee(mut self, callee: Principal) -> Self {
        self.callee = Some(callee);
        self
    }

    /// Fires on calls of this method only.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Lets so many matching messages pass first.
    #[must_use]
    pub fn skip(mut self, messages: u64) -> Self {
        self.skip = messages;
        self
    }

    /// Fires on so many messages in sequence.
    #[must_use]
    pub fn times(mut self, messages: u64) -> Self {
        self.times = messages;
        self
    }

    fn matches(&self, site: &Site) -> bool {
        self.direction == site.direction
            && self.caller.is_none_or(|caller| caller == site.caller)
            && self.callee.is_none_or(|callee| callee == site.callee)
            && self
                .method
                .as_ref()
                .is_none_or(|method| *method == site.method)
    }
}

/// One line of JSON, which [`str::parse`] reads back.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Reads a fault as [`fmt::Display`] writes it. The error names the invalid part and its position.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("not a fault: {error}"))
    }
}

/// A site of faults: the messages of one direction, caller, callee and method.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Site {
    pub(crate) direction: Direction,
    pub(crate) caller: Principal,
    pub(crate) callee: Principal,
    pub(crate) method: String,
}

/// All faults of an instance.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Faults {
    #[serde(with = "in_json")]
    pub(crate) armed: Vec<ArmedFault>,
    #[serde(with = "in_json")]
    pub(crate) chaos: Option<Chaos>,
    #[serde(with = "in_json")]
    pub(crate) fired: Vec<FiredFault>,
    /// The number of messages for which the chaos drew.
    pub(crate) chaos_draws: u64,
    /// The number of messages at each site, since the first fault was injected.
    pub(crate) passed: BTreeMap<Site, u64>,
}

impl Faults {
    /// Whether there are faults at all.
    pub(crate) fn has_any(&self) -> bool {
        self.chaos.is_some() || !self.armed.is_empty()
    }

    /// Arms a fault.
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.armed.push(ArmedFault { fault, seen: 0 });
    }

    /// Disarms all faults, and ends the chaos. The record of fired faults stays.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            fired: std::mem::take(&mut self.fired),
            ..Self::default()
        };
    }

    /// The effect of the fault that fires on a message, if any does.
    pub(crate) fn fire(&mut self, site: Site, round: u64, event: u64) -> Option<Effect> {
        let mut effect = None;
        for armed in &mut self.armed {
            if armed.fault.matches(&site) {
                let turn = armed.seen.checked_sub(armed.fault.skip);
                if effect.is_none() && turn.is_some_and(|turn| turn < armed.fault.times) {
                    effect = Some(armed.fault.effect.clone());
                }
                armed.seen += 1;
            }
        }
        effect = effect.or_else(|| self.draw_effect(&site));
        let passed = self.passed.entry(site.clone()).or_default();
        let skip = *passed;
        *passed += 1;
        let effect = effect?;
        let fault = Fault {
            direction: site.direction,
            caller: Some(site.caller),
            callee: Some(site.callee),
            method: Some(site.method),
            skip,
            times: 1,
            effect: effect.clone(),
        };
        if self.fired.len() >= 2 * MAX_FIRED {
            self.fired.drain(..MAX_FIRED);
        }
        self.fired.push(FiredFault {
            round,
            event,
            fault,
        });
        Some(effect)
    }

    fn draw_effect(&mut self, site: &Site) -> Option<Effect> {
        let chaos = self.chaos.as_ref()?;
        let concerns = |wanted: Option<Principal>, who| wanted.is_none_or(|wanted| wanted == who);
        if !concerns(chaos.caller, site.caller) || !concerns(chaos.callee, site.callee) {
            return None;
        }
        let mut hasher = Sha256::new();
        hasher.update(chaos.seed.to_be_bytes());
        hasher.update(self.chaos_draws.to_be_bytes());
        self.chaos_draws += 1;
        let hash: [u8; 32] = hasher.finalize().into();
        let number = |at: usize, below: u64| {
            let bytes: [u8; 8] = std::array::from_fn(|i| hash[at + i]);
            u64::from_be_bytes(bytes) % below
        };
        if number(0, 1_000) >= u64::from(chaos.per_mille) {
            return None;
        }
        const CODES: [RejectCode; 5] = [
            RejectCode::SysFatal,
            RejectCode::SysTransient,
            RejectCode::DestinationInvalid,
            RejectCode::CanisterReject,
            RejectCode::CanisterError,
        ];
        Some(match (number(8, 5), site.direction) {
            (0, Direction::Call) => Effect::reject(CODES[number(16, 5) as usize]),
            // An unknown outcome is the hardest case for a caller.
            (0, Direction::Answer) => Effect::reject(RejectCode::SysUnknown),
            (1, _) => Effect::trap(),
            (2, _) => Effect::Trap {
                after: Some(number(16, 1_000_000)),
            },
            (3, _) => Effect::OutOfCycles,
            _ => Effect::Delay {
                rounds: 1 + number(16, 5),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(method: &str) -> Site {
        let nobody = Principal::anonymous();
        Site {
            direction: Direction::Call,
            caller: nobody,
            callee: nobody,
            method: method.into(),
        }
    }

    #[test]
    fn a_fault_skips_some_messages_and_fires_on_others() {
        let mut faults = Faults::default();
        let fault = Fault::on_call(Effect::trap()).method("a").skip(1).times(2);
        faults.armed.push(ArmedFault { fault, seen: 0 });
        let methods = ["a", "b", "a", "b", "a", "a"];
        let fired = methods.map(|method| faults.fire(site(method), 0, 0).is_some());
        assert_eq!(fired, [false, false, true, false, true, false]);
    }

    #[test]
    fn faults_that_chaos_drew_fire_again_when_injected() {
        let story: Vec<_> = (0..2_000).map(|i| site(["a", "b", "c"][i % 3])).collect();
        let mut chaos = Faults {
            chaos: Some(Chaos {
                seed: 7,
                per_mille: 20,
                caller: None,
                callee: None,
            }),
            ..Faults::default()
        };
        let drawn: Vec<_> = story
            .iter()
            .map(|site| chaos.fire(site.clone(), 0, 0))
            .collect();
        let count = drawn.iter().flatten().count();
        assert!((10..100).contains(&count), "{count}");
        let mut again = Faults::default();
        for fired in &chaos.fired {
            let fault = fired.fault.to_string().parse().unwrap();
            again.armed.push(ArmedFault { fault, seen: 0 });
        }
        let same: Vec<_> = story
            .iter()
            .map(|site| again.fire(site.clone(), 0, 0))
            .collect();
        assert_eq!(drawn, same);
    }

    #[test]
    fn an_invalid_fault_is_reported_with_the_reason() {
        let error = r#"{"direction":"sideways"}"#.parse::<Fault>().unwrap_err();
        assert!(error.contains("unknown variant `sideways`"), "{error}");
        let error = r#"{"direction":"call","effect":"out_of_cycles","calee":"aaaaa-aa"}"#
            .parse::<Fault>()
            .unwrap_err();
        assert!(error.contains("unknown field `calee`"), "{error}");
    }
}
