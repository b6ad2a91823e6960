//! `canic retire`, `move`, `import` and `prune`: changes of single canisters and of the journal.

use std::{collections::BTreeMap, time::Duration};

use candid::Principal;
use canic::api::{
    Denied, ImportAs, ImportError, ImportRequest, Imported, MemberInfo, MemberRequest,
    MembersFilter, MoveError, MoveRequest, Moved, OperationKind, OperationState, PruneRequest,
    Pruned, RetireError, RetireRequest, Retired, Retirement,
};
use serde::Serialize;

use crate::{
    commands::find::{self, canister},
    failure::{Failure, Kind},
    fleet::Fleet,
    output::{Out, Style, Text, confirm, format, progress},
};

/// The pause between two looks at an operation.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub(crate) struct RetireArgs {
    /// The member, PRINCIPAL or ROLE/KEY, or a canister in quarantine
    member: String,
    /// Drains its cycles and deletes it; otherwise it is emptied and becomes a pool canister
    #[arg(long)]
    delete: bool,
    /// Deletes it even if its cycles can't be drained
    #[arg(long, conflicts_with = "delete")]
    destroy: bool,
    /// Retires the members below it as well
    #[arg(long)]
    subtree: bool,
    /// Carries out the plan without asking
    #[arg(long, short)]
    yes: bool,
}

impl RetireArgs {
    fn how(&self) -> Retirement {
        match (self.delete, self.destroy) {
            (_, true) => Retirement::Destroy,
            (true, false) => Retirement::Delete,
            (false, false) => Retirement::Recycle,
        }
    }
}

/// A change that root has made.
#[derive(Debug, Serialize)]
pub(crate) struct Changed {
    /// The operation that made it.
    operation: u64,
    canister: Principal,
    /// `recycled`, `deleted`, `destroyed`, `moved` or `imported`.
    done: &'static str,
}

impl Text for Changed {
    fn text(&self, _style: &Style) -> String {
        format!(
            "{} {}, by operation {}\n",
            self.done, self.canister, self.operation
        )
    }
}

pub(crate) async fn retire(fleet: &Fleet, args: &RetireArgs, out: &Out) -> Result<(), Failure> {
    let canister = match args.member.contains('/') {
        true => find::member(fleet, &args.member).await?.canister,
        false => canister(&args.member)?,
    };
    let below = match args.subtree {
        true => below(fleet, canister).await?,
        false => Vec::new(),
    };
    let member = known(fleet, canister).await?;
    confirm::plan(
        &plan(canister, member.as_ref(), &below, args.how()),
        args.yes,
    )?;
    let method = "canic_retire";
    let request = RetireRequest {
        canister,
        how: args.how(),
        subtree: args.subtree.then_some(true),
    };
    let answer: Result<Retired, RetireError> = fleet.update(method, (request,)).await?;
    if let Err(RetireError::Pending { operation }) = &answer
        && let Some(changed) = follow(fleet, *operation, canister, args.how()).await?
    {
        return out.report(&changed);
    }
    let retired = answer.map_err(|error| match error {
        RetireError::Denied(denied) => fleet.denied(method, &denied.allowed),
        RetireError::HasChildren { .. } => Failure::refused(error.to_string())
            .with_advice("Add `--subtree` to retire the members below it first."),
        RetireError::Pending { operation } => Failure::refused(error.to_string())
            .with_advice(format!("`canic op {operation}` shows how far it is.")),
        RetireError::Quarantined { operation, .. } => Failure::refused(error.to_string())
            .with_advice(format!(
                "`canic op {operation}` says more; `canic retire {canister} --destroy` gives its \
                 cycles up."
            )),
        error => Failure::refused(error.to_string()),
    })?;
    out.report(&Changed {
        operation: retired.operation,
        canister,
        done: done_word(retired.how),
    })
}

fn done_word(how: Retirement) -> &'static str {
    match how {
        Retirement::Recycle => "recycled",
        Retirement::Delete => "deleted",
        Retirement::Destroy => "destroyed",
    }
}

/// Waits for the end of this retirement, if the operation is it. A member whose subtree is retired
/// first outlasts the call.
async fn follow(
    fleet: &Fleet,
    operation: u64,
    canister: Principal,
    how: Retirement,
) -> Result<Option<Changed>, Failure> {
    let bar = progress::bar(0, "retire");
    loop {
        let Some(info) = fleet.operation(operation).await? else {
            return Ok(None);
        };
        if info.kind != OperationKind::Retire || info.canister != Some(canister) {
            return Ok(None);
        }
        match info.state {
            OperationState::Open(_) => {
                bar.tick();
                tokio::time::sleep(PAUSE).await;
            }
            OperationState::Done => {
                bar.finish_and_clear();
                return Ok(Some(Changed {
                    operation,
                    canister,
                    done: done_word(how),
                }));
            }
            _ => {
                let reason = info.failure.unwrap_or_default();
                return Err(
                    Failure::refused(format!("operation {operation} failed: {reason}"))
                        .with_advice(format!("`canic op {operation}` says more.")),
                );
            }
        }
    }
}

/// A member by its canister; none if it is no member, and perhaps in quarantine.
async fn known(fleet: &Fleet, canister: Principal) -> Result<Option<MemberInfo>, Failure> {
    let method = "canic_member";
    let request = MemberRequest::Canister(canister);
    let answer: Result<Option<MemberInfo>, Denied> =
        fleet.query(fleet.root, method, (request,)).await?;
    answer.map_err(|denied| fleet.denied(method, &denied.allowed))
}

/// The members below one.
async fn below(fleet: &Fleet, top: Principal) -> Result<Vec<MemberInfo>, Failure> {
    let rows = fleet.members(&MembersFilter::All, |_, _| {}).await?;
    let mut children: BTreeMap<Principal, Vec<MemberInfo>> = BTreeMap::new();
    for row in rows {
        children.entry(row.parent).or_default().push(row);
    }
    let (mut found, mut next) = (Vec::new(), vec![top]);
    while let Some(parent) = next.pop() {
        // Removing the rows of a parent ends circles.
        for row in children.remove(&parent).unwrap_or_default() {
            next.push(row.canister);
            found.push(row);
        }
    }
    Ok(found)
}

fn plan(
    canister: Principal,
    member: Option<&MemberInfo>,
    below: &[MemberInfo],
    how: Retirement,
) -> Vec<String> {
    let name = |row: &MemberInfo| match &row.key {
        Some(key) => format!("{}, {} `{key}`", row.canister, row.role),
        None => format!("{}, {}", row.canister, row.role),
    };
    let end = match how {
        Retirement::Recycle => "wipe its code and data, and put it into the pool",
        Retirement::Delete => "drain its cycles, and delete it with its data",
        Retirement::Destroy => "delete it with its data, and with the cycles that can't be drained",
    };
    let mut lines = Vec::new();
    // The plan of a large subtree names the first members and counts the rest.
    for row in below.iter().take(20) {
        lines.push(format!("retire {}: {end}", name(row)));
    }
    if below.len() > 20 {
        let rest = format::count(below.len() as u64 - 20, "member");
        lines.push(format!("retire {rest} more below it: {end}"));
    }
    let what = member.map_or_else(|| format!("{canister}, no member"), name);
    lines.push(format!("retire {what}: {end}"));
    lines
}

#[derive(clap::Args)]
pub(crate) struct MoveArgs {
    /// The member, PRINCIPAL or ROLE/KEY
    member: String,
    /// Its new parent: `root`, PRINCIPAL or ROLE/KEY
    parent: String,
}

pub(crate) async fn reparent(fleet: &Fleet, args: &MoveArgs, out: &Out) -> Result<(), Failure> {
    let canister = find::member(fleet, &args.member).await?.canister;
    let parent = find::parent(fleet, &args.parent).await?;
    let method = "canic_move";
    let request = MoveRequest { canister, parent };
    let answer: Result<Moved, MoveError> = fleet.update(method, (request,)).await?;
    let moved = answer.map_err(|error| match error {
        MoveError::Denied(denied) => fleet.denied(method, &denied.allowed),
        error => Failure::refused(error.to_string()),
    })?;
    out.report(&Changed {
        operation: moved.operation,
        canister,
        done: "moved",
    })
}

#[derive(clap::Args)]
pub(crate) struct ImportArgs {
    /// The canister, of which root is a controller
    canister: String,
    /// Empties it, and makes it a canister of the pool
    #[arg(long, required_unless_present = "role", conflicts_with = "role")]
    pool: bool,
    /// Makes it a member of this role, which keeps its code and data
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// The member's key
    #[arg(long, value_name = "KEY", requires = "role")]
    key: Option<String>,
    /// The member's parent, PRINCIPAL or ROLE/KEY: root without it
    #[arg(long, value_name = "PARENT", requires = "role")]
    parent: Option<String>,
    /// Carries out the plan without asking
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn import(fleet: &Fleet, args: &ImportArgs, out: &Out) -> Result<(), Failure> {
    let canister = canister(&args.canister)?;
    let import_as = match &args.role {
        None => {
            let line = format!("wipe the code and data of {canister}, and put it into the pool");
            confirm::plan(&[line], args.yes)?;
            ImportAs::Pool
        }
        Some(role) => ImportAs::Member {
            role: role.clone(),
            key: args.key.clone(),
            parent: match &args.parent {
                None => None,
                Some(parent) => Some(find::parent(fleet, parent).await?),
            },
        },
    };
    let method = "canic_import";
    let request = ImportRequest {
        canister,
        import_as,
    };
    let answer: Result<Imported, ImportError> = fleet.update(method, (request,)).await?;
    let imported = answer.map_err(|error| match error {
        ImportError::Denied(denied) => fleet.denied(method, &denied.allowed),
        ImportError::NotControlled { .. } => {
            Failure::refused(error.to_string()).with_advice(format!(
                "`icp canister settings update {canister} --add-controller {}`",
                fleet.root
            ))
        }
        error => Failure::refused(error.to_string()),
    })?;
    out.report(&Changed {
        operation: imported.operation,
        canister,
        done: "imported",
    })
}

#[derive(clap::Args)]
pub(crate) struct PruneArgs {
    /// Forgets operations with a lower number, except open and quarantined ones
    #[arg(long, value_name = "NUMBER")]
    before: u64,
    /// Carries out the plan without asking
    #[arg(long, short)]
    yes: bool,
}

/// What was forgotten.
#[derive(Debug, Serialize)]
struct PruneReport {
    forgotten: u64,
}

pub(crate) async fn prune(fleet: &Fleet, args: &PruneArgs, out: &Out) -> Result<(), Failure> {
    if args.before == 0 {
        let what = "no operation has a number below 0";
        return Err(Failure::new(Kind::Usage, what));
    }
    let line = format!(
        "forget the records of ended operations below {}",
        args.before
    );
    confirm::plan(&[line], args.yes)?;
    let method = "canic_prune";
    let mut forgotten = 0;
    loop {
        let request = PruneRequest {
            before: args.before,
        };
        let answer: Result<Pruned, Denied> = fleet.update(method, (request,)).await?;
        let pruned = answer.map_err(|denied| fleet.denied(method, &denied.allowed))?;
        forgotten += pruned.forgotten;
        if !pruned.more {
            return out.report(&PruneReport { forgotten });
        }
    }
}

impl Text for PruneReport {
    fn text(&self, _style: &Style) -> String {
        format!("forgot {}\n", format::count(self.forgotten, "operation"))
    }
}

#[cfg(test)]
mod tests {
    use canic::api::MemberState;

    use super::*;

    #[test]
    fn a_plan_names_every_member_of_a_small_subtree_and_counts_a_large_one() {
        let member = |number: u8| MemberInfo {
            canister: Principal::from_slice(&[number]),
            role: "page".to_string(),
            parent: Principal::anonymous(),
            key: None,
            state: MemberState::Active,
            release: 1,
            module: Vec::new(),
            since: 0,
            operation: 0,
        };
        let below: Vec<_> = (1..=30).map(member).collect();
        let top = Principal::from_slice(&[0]);
        let lines = plan(top, None, &below, Retirement::Delete);
        assert_eq!(lines.len(), 22);
        assert!(lines[20].contains("10 members more"), "{}", lines[20]);
        assert!(lines[21].contains("no member"), "{}", lines[21]);
        assert_eq!(plan(top, None, &below[..2], Retirement::Recycle).len(), 3);
    }
}
