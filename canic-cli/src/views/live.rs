//! Rows about cycles: the live state of canisters, and the levels of funding.

use canic::api::{
    FuelSource, GrantLimit, GrantPurpose, Level, LiveState, MemberLive, RoleFunding, RunState,
};
use serde::Serialize;

use crate::output::{
    Tone,
    format::{self, Cycles},
};

/// A canister as the platform sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct LiveRow {
    /// `running`, `stopping` or `stopped`.
    pub(crate) run: &'static str,
    pub(crate) cycles: Cycles,
    /// Cycles that its freezing threshold keeps.
    pub(crate) frozen: Cycles,
    /// Bytes of its memory, of all kinds.
    pub(crate) memory: u64,
    /// Cycles that it burns a day at rest.
    pub(crate) burned_per_day: Cycles,
    /// Days until it is frozen, at rest.
    pub(crate) days_left: Option<f64>,
}

impl From<LiveState> for LiveRow {
    fn from(live: LiveState) -> Self {
        Self {
            run: run_word(live.run),
            cycles: Cycles(live.cycles),
            frozen: Cycles(live.frozen),
            memory: u64::try_from(live.memory).unwrap_or(u64::MAX),
            burned_per_day: Cycles(live.burned_per_day),
            days_left: live.days_left.map(tenths),
        }
    }
}

/// A member as the platform sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct MemberSight {
    /// None: root can't see it, or was not asked.
    pub(crate) live: Option<LiveRow>,
    /// Whether it runs the module of its release.
    pub(crate) runs_release: Option<bool>,
    /// Why root can't see it.
    pub(crate) unseen: Option<String>,
}

impl From<MemberLive> for MemberSight {
    fn from(member: MemberLive) -> Self {
        let (live, unseen) = match member.live {
            Ok(live) => (Some(live.into()), None),
            Err(why) => (None, Some(why)),
        };
        Self {
            live,
            runs_release: member.runs_release,
            unseen,
        }
    }
}

impl MemberSight {
    /// What is unusual about it, for people; none if nothing is.
    pub(crate) fn remark(&self) -> Option<&'static str> {
        match (&self.live, &self.unseen) {
            (_, Some(_)) => Some("unseen"),
            (Some(live), _) if live.run != "running" => Some(live.run),
            (Some(live), _) if live.is_frozen() => Some("frozen"),
            (Some(_), _) if self.runs_release == Some(false) => Some("another module"),
            _ => None,
        }
    }
}

impl LiveRow {
    /// Whether it has no more than its freezing threshold keeps.
    fn is_frozen(&self) -> bool {
        self.cycles <= self.frozen
    }
}

fn run_word(run: RunState) -> &'static str {
    match run {
        RunState::Running => "running",
        RunState::Stopping => "stopping",
        RunState::Stopped => "stopped",
    }
}

/// What root knows of the cycles of a role's members, by its last looks at them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RoleFundingRow {
    pub(crate) role: String,
    /// `ok`, `warn` or `critical`.
    pub(crate) level: &'static str,
    /// Members, those being provisioned included.
    pub(crate) members: u64,
    /// Members that root has looked at.
    pub(crate) seen: u64,
    /// Cycles that these burn a day.
    pub(crate) burned_per_day: Cycles,
    /// Days until the first of them is frozen. None: two weeks or more.
    pub(crate) days_left: Option<f64>,
    /// Members that root last saw frozen.
    pub(crate) frozen: u64,
    /// Members to which a limit refuses the cycles that they need.
    pub(crate) refused: u64,
}

impl From<RoleFunding> for RoleFundingRow {
    fn from(role: RoleFunding) -> Self {
        Self {
            role: role.role,
            level: level_word(role.level),
            members: role.members,
            seen: role.seen,
            burned_per_day: Cycles(role.burned_per_day),
            days_left: role.days_left.map(tenths),
            frozen: role.frozen,
            refused: role.refused,
        }
    }
}

impl RoleFundingRow {
    /// What its members burn a day as text; `-` until root has looked at one.
    pub(crate) fn burn_text(&self) -> String {
        match self.seen {
            0 => "-".to_string(),
            _ => format::cycles(self.burned_per_day.0),
        }
    }

    /// The days left as text. Root tells none beyond two weeks.
    pub(crate) fn days_text(&self) -> String {
        match self.days_left {
            Some(days) => days_text(days),
            None if self.seen == 0 => "-".to_string(),
            None => "> 14 d".to_string(),
        }
    }
}

/// The word for a level.
pub(crate) fn level_word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Critical => "critical",
    }
}

/// The tone of a level's word.
pub(crate) fn level_tone(word: &str) -> Tone {
    match word {
        "critical" => Tone::Bad,
        "warn" => Tone::Warn,
        _ => Tone::Plain,
    }
}

/// The word for the reason of a grant.
pub(crate) fn purpose_word(purpose: GrantPurpose) -> &'static str {
    match purpose {
        GrantPurpose::Watch => "watch",
        GrantPurpose::Request => "request",
        GrantPurpose::Controller => "controller",
        GrantPurpose::Upgrade => "upgrade",
        GrantPurpose::Pool => "pool",
    }
}

/// The word for a limit.
pub(crate) fn limit_word(limit: GrantLimit) -> &'static str {
    match limit {
        GrantLimit::Member => "member",
        GrantLimit::Role => "role",
        GrantLimit::Budget => "budget",
        GrantLimit::Reserve => "reserve",
    }
}

/// The word for a source of root's cycles.
pub(crate) fn source_of_fuel(source: FuelSource) -> &'static str {
    match source {
        FuelSource::Cycles => "cycles",
        FuelSource::Icp => "icp",
    }
}

/// Days with one digit behind the point.
pub(crate) fn tenths(days: f64) -> f64 {
    (days * 10.0).floor() / 10.0
}

/// Days for people: `0.4 d`, `12 d`, `412 d`, `> 10 y`.
pub(crate) fn days_text(days: f64) -> String {
    match days {
        days if days < 10.0 => format!("{:.1} d", tenths(days)),
        days if days < 3_650.0 => format!("{} d", days as u64),
        _ => "> 10 y".to_string(),
    }
}
