//! The codes of findings: what each means, why it matters, and what to do.

use crate::medic::finding::{Finding, Severity};

/// Evidence of a finding at most, in lines.
const EVIDENCE: usize = 10;

/// A kind of findings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
}

/// A finding of this kind, with its evidence and the command that mends it.
pub(crate) fn finding(
    entry: Entry,
    what: String,
    mut evidence: Vec<String>,
    mend: String,
) -> Finding {
    if evidence.len() > EVIDENCE {
        let more = evidence.len() - EVIDENCE;
        evidence.truncate(EVIDENCE);
        evidence.push(format!("and {more} more"));
    }
    Finding {
        code: entry.code,
        severity: entry.severity,
        what,
        evidence,
        mend,
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal, $severity:ident, $title:literal, $text:literal;)*) => {
        $(pub(crate) const $name: Entry = Entry {
            code: $code,
            severity: Severity::$severity,
            title: $title,
            text: $text,
        };)*

        /// All of them, by code.
        pub(crate) const ALL: &[Entry] = &[$($name),*];
    };
}

codes! {
    QUARANTINED = "C101", Error, "an operation is in quarantine",
"Root could neither finish nor undo this operation. It keeps the canister on record, with its
cycles and data, and does nothing more with it until a controller says what.
`canic op NUMBER` tells the reason. `canic retire CANISTER` tries again to empty it for the pool,
`--delete` drains its cycles and deletes it, `--destroy` gives up what can't be drained. Without a
canister the record only says that cycles were sent whose fate is unknown.";
    STUCK = "C102", Warning, "an operation has been open for long",
"Operations take seconds; root repeats a step that fails, with pauses that grow to a minute.
One that is open for a quarter of an hour waits for something: a subnet that is busy, a member that
does not stop because it awaits an answer, or cycles that root lacks.
`canic op NUMBER` tells its step and its tries, `canic logs --warnings` the reasons.";
    ABANDONED = "C103", Error, "a member was left by an upgrade",
"Root could put neither the new release nor the old one in place, and started the member with the
module that it has. It stays a member. `canic op NUMBER` tells all reasons. Release a module that
can be upgraded to, or retire the member.";
    OLD_RELEASE = "C201", Warning, "members have another release than the current one",
"No rollout is under way, and these members were left on another release: a rollout was aborted,
failed on them, or never reached them. `canic members --role ROLE --release NUMBER` lists them,
`canic rollout history` tells why. Roll the current release out again, or a mended one.";
    PAUSED = "C202", Error, "a rollout is paused",
"More members failed than the plan tolerates, or a controller paused it. Nothing more is upgraded,
and new members get the old release, until a controller decides: `canic rollout resume` lets the
failures pass, `canic rollout undo` brings the old release back, `canic rollout abort` ends it.";
    CANDIDATE = "C203", Notice, "a candidate waits for its rollout",
"A release was approved with `--manual`, or its rollout has ended without making it current.
`canic rollout start ROLE` brings it to the members.";
    SNAPSHOTS = "C204", Notice, "a rollout keeps snapshots",
"The work on members is done, and root keeps the snapshots for the time that the plan names
(`keep`). They cost their members' storage. Root drops them when the time is over.";
    DRIFT = "C205", Warning, "members' interfaces have drifted apart",
"Members of one role have different releases, and a caller of the older one misses something in the
newer one: methods by name, or types that no longer fit. Whoever calls members of both must know
which one they talk to. Bring all to one release with a rollout, or release a module that keeps what
is called; `canic release ROLE WASM --check` compares before anything is changed.";
    LEFT_SNAPSHOTS = "C206", Warning, "snapshots could not be dropped",
"A rollout is over, and the platform refused to drop some of its snapshots: their members are
frozen. `canic members` shows who has no cycles left, `canic fund` sends some. Root tries again each
day, and at once after `canic rollout resume`.";
    ROOT_CONTROLLERS = "C301", Notice, "root has several controllers",
"Every controller of root can change and delete the whole fleet. Compare the list with the people
and canisters that should. `icp canister settings update ROOT --remove-controller PRINCIPAL`
removes one.";
    MEMBER_CONTROLLERS = "C302", Warning, "a member has foreign controllers",
"Besides root and its parent, somebody controls this member, and can change its code, take
its cycles and delete it, unseen by root. If the role's attribute does not name this controller in
`controllers(..)`, an import brought it along. It can remove itself; root sets the controllers that
the role names when it installs or recycles a canister.";
    OTHER_MODULE = "C303", Error, "a member runs another module than root has on record",
"Somebody else than root has changed the member's code, or an upgrade is under way just now. Look
again; if it stays, see who controls the member (C302), then bring it to the current release by a
rollout, or retire it.";
    STOPPED = "C304", Warning, "members are stopped",
"These members are stopped, or root saw them so at its last look, and it has no operation on them. A
stopped member answers nobody. `canic members` shows run states as they are now; whoever controls a
member starts it with `icp canister start CANISTER`.";
    UNSEEN = "C305", Warning, "root can't see members",
"The platform refuses to tell root the state of these members: root controls them no longer, or they
are gone. Root can't fund, upgrade or retire them. `canic members` marks them as unseen; C302 tells
who controls a member.";
    UNANNOUNCED = "C401", Warning, "subscribers have not acknowledged announcements",
"Root repeats an announcement until its subscriber acknowledges it. A subscriber that never does is
stopped, frozen, out of cycles or broken. Until then its directory is old: it relies on no entry
beyond five minutes. `canic members` shows states, `canic logs ROLE/KEY` a member's log.";
    DAYS_LEFT = "C501", Error, "root's cycles last for a few days only",
"At the rate of the last days root reaches its reserve soon, or it is low and the accounts that it
refuels from have too little. A root at its reserve starts nothing that costs, so it grants nothing
either; a frozen one answers nothing. Top it up: `icp canister top-up`, or fill one of its accounts.
`canic costs` tells what leaves root a day, for what, and the accounts. A root that is younger than
a day is judged by its idle burn alone.";
    NOTHING_TO_SPEND = "C502", Error, "root can spend nothing",
"Root's balance is at its reserve, or open operations have reserved the rest. It provisions nothing
and fills no pool. Top it up with `icp canister top-up`.";
    UNKNOWN_CYCLES = "C503", Notice, "cycles were sent whose fate is unknown",
"A canister's creation was cut off, and its answer never came. Root looks for the canister among
those that came afterwards; until it finds it, or knows that there is none, the cycles count as
unknown. `canic ops --state quarantined` lists the operations.";
    MEMBERS_SHORT = "C504", Error, "members run out of cycles",
"By root's last looks, or as the platform sees them now, members of this role have less than three
days left, are frozen, or lack cycles that a limit refuses them. A frozen member executes nothing,
and one without cycles is deleted with its data. `canic members --role ROLE --sort days` shows the
poorest, `canic costs` the refusals with their limits. `canic fund MEMBER 2T` grants within the
limits; `fund(..)` of the role and `budget(..)` of root set them.";
    POOL_SHORT = "C601", Warning, "the pool is not refilled",
"The last refill failed, and the pool has no ready canister. Members are then created freshly, which
takes longer. `canic ops --state all --kind refill` tells why: mostly root lacks cycles (C502), or
the subnet refuses new canisters.";
    POOL_REFUSED = "C602", Notice, "a pool canister was refused",
"The platform refused to install code on this canister. A second refusal sends it to quarantine.
Nothing is to be done.";
    UNKNOWN_ENDPOINT = "C701", Notice, "root does not tell everything",
"Root's canic is older or newer than this program, so some checks did not run. Upgrade root, or use
the `canic` of root's version.";
}

/// The entry with a code, in any case.
pub(crate) fn find(code: &str) -> Option<&'static Entry> {
    ALL.iter()
        .find(|entry| entry.code.eq_ignore_ascii_case(code))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_sorted() {
        let codes: Vec<&str> = ALL.iter().map(|entry| entry.code).collect();
        let sorted: Vec<&str> = codes
            .iter()
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        assert_eq!(codes, sorted);
        assert!(find("c101").is_some() && find("C999").is_none());
    }
}
