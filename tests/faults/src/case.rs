//! A case: a scenario, and what goes wrong in it. One line of JSON, which is the same case when it is read back.

use crate::world::{SECOND, World};
use canic_replica::{Direction, Effect, Fault, RejectCode};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A scenario, and what goes wrong in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The scenario's name.
    pub scenario: String,
    /// What goes wrong.
    pub blows: Vec<Blow>,
}

/// Something that goes wrong at one await.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blow {
    /// The fault, and the message that it strikes.
    pub fault: Fault,
    /// What is done while that message is delayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
}

/// What an operator, or somebody else, may do at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// All canisters that root controls are stopped.
    StopMembers,
    /// Root is stopped, and started again a little later.
    StopRoot,
    /// Root is stopped, and started again ten days later.
    LongOutage,
    /// Root is upgraded as it is; it may refuse.
    UpgradeRoot,
    /// Root is stopped, upgraded and started again.
    UpgradeStoppedRoot,
}

/// A call, or its answer, in the story of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site(
    /// A fault without an effect of its own: who called whom, by which method, for the how-manieth time.
    pub Fault,
);

impl Site {
    /// Everything that can go wrong there.
    #[must_use]
    pub fn blows(&self) -> Vec<Blow> {
        use RejectCode::{
            CanisterError, CanisterReject, DestinationInvalid, SysFatal, SysTransient, SysUnknown,
        };
        let effect = |effect, act| Blow {
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
            .map(|what| effect(what, None))
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
                ];
                let lost = lost.into_iter().map(|what| effect(what, None));
                let late = Effect::Delay { rounds: DELAY };
                let acts = acts.map(|act| effect(late.clone(), Some(act)));
                lost.chain(acts).collect()
            }
        }
    }
}

/// Rounds that an answer is delayed while something else is done: that takes fewer.
const DELAY: u64 = 8;

impl Act {
    /// Does it. What the platform or root refuses is not done.
    pub(crate) fn perform(self, world: &mut World) {
        match self {
            Self::StopMembers => world.all_members("stop_canister"),
            Self::StopRoot => outage(world, 10),
            Self::LongOutage => outage(world, 10 * 86_400),
            // Root refuses while it waits for an answer, but does not see the calls that its timers make to it; an answer that
            // comes to new code is nobody's, whatever root does. Operators stop a canister before they upgrade it.
            Self::UpgradeRoot if world.waits_for_its_timers() => {}
            Self::UpgradeRoot => drop(world.upgrade_root()),
            Self::UpgradeStoppedRoot => {
                drop(world.stop_root());
                drop(world.upgrade_root());
                world.start_root();
            }
        }
    }
}

/// Root is stopped for so many seconds.
fn outage(world: &mut World, seconds: u64) {
    drop(world.stop_root());
    world.pass(seconds * SECOND);
    world.start_root();
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// Reads a case as it is displayed. The error says what is wrong, and where.
impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("not a case: {error}"))
    }
}
