//! A case of the fault matrix: a scenario and the failures in it. It is displayed as one line of
//! JSON, which parses to the same case.

use std::{fmt, str::FromStr};

use canic_replica::{Direction, Effect, Fault, RejectCode};
use serde::{Deserialize, Serialize};

/// A scenario and the failures in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The scenario's name.
    pub scenario: String,
    /// The failures.
    pub failures: Vec<Failure>,
}

/// A failure at one await.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The fault, and the message at which it fires.
    pub fault: Fault,
    /// An act that is performed while the message is delayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
}

/// Something that an operator or another controller may do at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// All canisters that root controls are stopped.
    StopMembers,
    /// Root is stopped, and started again a little later.
    StopRoot,
    /// Root is stopped, and started again ten days later.
    LongOutage,
    /// Root is upgraded without being stopped; it may refuse.
    UpgradeRoot,
    /// Root is stopped, upgraded and started again.
    UpgradeStoppedRoot,
    /// All members are upgraded without being stopped; each may refuse.
    UpgradeMembers,
}

/// A call or its answer in the trace of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site(
    /// A fault without an effect of its own: caller, callee and method, and how many such messages
    /// come before it.
    pub Fault,
);

/// Rounds by which an answer is delayed while an act is performed, which takes fewer.
const DELAY: u64 = 8;

impl Site {
    /// Every failure that is possible there.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        use RejectCode::{
            CanisterError, CanisterReject, DestinationInvalid, SysFatal, SysTransient, SysUnknown,
        };
        let failure = |effect, act| Failure {
            fault: Fault {
                effect,
                ..self.0.clone()
            },
            act,
        };
        match self.0.direction {
            Direction::Call => [
                SysFatal,
                SysTransient,
                DestinationInvalid,
                CanisterReject,
                CanisterError,
                SysUnknown,
            ]
            .map(Effect::reject)
            .into_iter()
            .chain([Effect::OutOfCycles])
            .map(|effect| failure(effect, None))
            .collect(),
            Direction::Answer => {
                let lost = [
                    Effect::reject(SysUnknown),
                    Effect::trap(),
                    Effect::OutOfCycles,
                ];
                let acts = [
                    Act::StopMembers,
                    Act::StopRoot,
                    Act::LongOutage,
                    Act::UpgradeRoot,
                    Act::UpgradeStoppedRoot,
                    Act::UpgradeMembers,
                ];
                let lost = lost.into_iter().map(|effect| failure(effect, None));
                let late = Effect::Delay { rounds: DELAY };
                let acts = acts.map(|act| failure(late.clone(), Some(act)));
                lost.chain(acts).collect()
            }
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Parses a displayed case. The error names the mistake and its position.
impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("not a case: {error}"))
    }
}
