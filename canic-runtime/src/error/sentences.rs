//! The errors as sentences, for people: what was refused, the limit, and what to do. Programs match
//! the variant.
//!
//! A sentence begins with a small letter and has no period, so that another text can hold it. A
//! function for each type keeps what a canister does not show out of its Wasm.

use std::{error::Error, fmt};

use candid::Principal;

use super::{
    BatchError, Denied, ImportError, LookupError, ModuleError, MoveError, ProvisionError,
    RefuelError, RetireError, RolledBack, RolloutError,
};

impl Error for Denied {}
impl Error for ProvisionError {}
impl Error for BatchError {}
impl Error for RetireError {}
impl Error for ImportError {}
impl Error for MoveError {}
impl Error for LookupError {}
impl Error for RefuelError {}
impl Error for RolloutError {}
impl Error for ModuleError {}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caller, allowed } = self;
        write!(f, "{caller} may not do this: allowed are {allowed}")
    }
}

impl fmt::Display for RolledBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "there was no canister to undo",
            Self::Recycled => "its canister is empty and in the pool",
            Self::Deleted => "its canister is drained and deleted",
            Self::Untouched => "its canister is as it was before",
            Self::Reverted => "it runs its old release again",
        })
    }
}

impl fmt::Display for ProvisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::UnknownRole { role, known } => unknown_role(f, role, known),
            Self::NoModule { role } => write!(
                f,
                "role '{role}' has no module yet: stage and approve one, or embed it in root"
            ),
            Self::ParentNotAllowed {
                parent,
                parent_role,
                allowed,
            } => parent_not_allowed(f, *parent, parent_role.as_deref(), allowed),
            Self::RoleFull { role, max } => write!(
                f,
                "role '{role}' has its most members, {max}, those under way included: \
                 retire one first, or raise the role's `max`"
            ),
            Self::ParentFull { parent, role, max } => write!(
                f,
                "{parent} has its most members of role '{role}', {max}, those under way included: \
                 retire one first, or raise the role's `max_per_parent`"
            ),
            Self::InvalidKey { length, max } => {
                write!(f, "a key has from 1 to {max} bytes, and this one {length}")
            }
            Self::ArgumentTooLarge { length, max } => write!(
                f,
                "the argument has {length} bytes, and may have {max}: \
                 send the rest to the member once it runs"
            ),
            Self::InvalidArgument { reason } => {
                write!(f, "the argument of `init` is not Candid: {reason}")
            }
            Self::InsufficientCycles { needed, available } => write!(
                f,
                "the member costs {needed} cycles, and root can spend {available} without going \
                 below its reserve: send root cycles first"
            ),
            Self::Busy { open, retry_after } => busy(f, *open, *retry_after),
            Self::Pending { operation } => pending(f, *operation),
            Self::CreateFailed { operation, reason } => write!(
                f,
                "the platform refused to create a canister (operation {operation}; \
                 root paid nothing, a retry is safe): {reason}"
            ),
            Self::InstallFailed {
                operation,
                reason,
                rolled_back,
            } => write!(
                f,
                "the member could not be installed (operation {operation}; {rolled_back}): {reason}"
            ),
            Self::Quarantined {
                operation,
                canister,
                reason,
            } => {
                f.write_str("the member was not provisioned, and root could not undo it: ")?;
                quarantined(f, *canister, *operation, reason)
            }
            Self::RootUnreachable { reason } => unreachable(f, reason),
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::TooMany { requests, max } => write!(
                f,
                "the batch has {requests} requests, and may have {max}: send it in parts"
            ),
        }
    }
}

impl fmt::Display for RetireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::NotAMember { canister } => {
                write!(f, "{canister} is neither a member nor in quarantine")
            }
            Self::HasChildren { child } => write!(
                f,
                "the member has children, {child} among them: \
                 retire them first, or the whole subtree"
            ),
            Self::Busy { open, retry_after } => busy(f, *open, *retry_after),
            Self::Pending { operation } => pending(f, *operation),
            Self::Quarantined { operation, reason } => {
                f.write_str("root could neither empty nor delete the canister: ")?;
                quarantined(f, None, *operation, reason)
            }
            Self::RootUnreachable { reason } => unreachable(f, reason),
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::AlreadyKnown { canister } => {
                write!(f, "{canister} belongs to the fleet already")
            }
            Self::Busy { open, retry_after } => busy(f, *open, *retry_after),
            Self::PoolFull { max } => write!(
                f,
                "the pool has its most canisters, {max}: raise the pool's `max`"
            ),
            Self::Refused(refused) => refused.fmt(f),
            Self::NotOnSubnet {
                operation,
                subnet,
                reason,
            } => write!(
                f,
                "the canister is not on root's subnet {subnet} (operation {operation}): \
                 import one of that subnet; the platform says: {reason}"
            ),
            Self::NotControlled { operation, reason } => write!(
                f,
                "root does not control the canister (operation {operation}): \
                 make root a controller first; the platform says: {reason}"
            ),
            Self::WrongModule { operation, reason } => write!(
                f,
                "the canister runs another module than the role's (operation {operation}): {reason}"
            ),
            Self::Pending { operation } => pending(f, *operation),
            Self::Quarantined { operation, reason } => {
                f.write_str("root could not empty the canister: ")?;
                quarantined(f, None, *operation, reason)
            }
        }
    }
}

impl fmt::Display for MoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::NotAMember { canister } => write!(f, "{canister} is not a member"),
            Self::Refused(refused) => refused.fmt(f),
            Self::BelowItself { parent } => write!(
                f,
                "the new parent, {parent}, is the member itself or below it"
            ),
            Self::Busy { open, retry_after } => busy(f, *open, *retry_after),
            Self::Pending { operation } => pending(f, *operation),
            Self::Failed { operation, reason } => write!(
                f,
                "root could not change the member's controllers, so it keeps its parent \
                 (operation {operation}): {reason}"
            ),
            Self::RootUnreachable { reason } => unreachable(f, reason),
        }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoot => f.write_str("this canister has no root yet"),
            Self::RootUnreachable { reason } => unreachable(f, reason),
            Self::Denied(denied) => denied.fmt(f),
        }
    }
}

impl fmt::Display for ModuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::ChunkSize { length, max } => {
                write!(
                    f,
                    "a chunk has from 1 to {max} bytes, and this one {length}"
                )
            }
            Self::StoreFull { max } => write!(
                f,
                "root's chunk store has its most chunks, {max}: approve what is staged, \
                 or stage a smaller module"
            ),
            Self::UnknownRole { role, known } => unknown_role(f, role, known),
            Self::InvalidHash { length } => {
                write!(f, "a SHA-256 has 32 bytes, and this hash {length}")
            }
            Self::MissingChunk { hash } => {
                write!(f, "chunk {} was not staged: stage it first", Hex(hash))
            }
            Self::HashMismatch { expected, actual } => write!(
                f,
                "the chunks make module {}, not {}: one is missing, or they are out of order",
                Hex(actual),
                Hex(expected)
            ),
            Self::NotWasm => f.write_str("the chunks make neither Wasm nor gzipped Wasm"),
            Self::UploadFailed { reason } => write!(
                f,
                "the platform refused to store a chunk, and a retry is safe: {reason}"
            ),
        }
    }
}

impl fmt::Display for RefuelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::NoAmount => f.write_str(
                "the request names no amount of cycles, and root's attribute has no `refuel(..)`",
            ),
            Self::Enough { balance, to } => {
                write!(f, "root can spend {balance} cycles, and is to have {to}")
            }
            Self::TooLittle { cycles, min } => write!(
                f,
                "{cycles} cycles are not worth the fees: ask for {min} or more"
            ),
            Self::Pending { operation } => {
                write!(
                    f,
                    "operation {operation} is refuelling root already: wait for its end"
                )
            }
            Self::Failed { operation, reason } => write!(
                f,
                "operation {operation} brought no cycles, and a retry is safe: {reason}"
            ),
            Self::Abandoned { operation, reason } => write!(
                f,
                "operation {operation} has paid, and brought no cycles: {reason}"
            ),
        }
    }
}

impl fmt::Display for RolloutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::UnknownRole { role } => write!(
                f,
                "role '{role}' has no release: approve a module for it first"
            ),
            Self::UnknownRelease { release, known } => {
                match release {
                    Some(release) => write!(f, "the role has no release {release}: ")?,
                    None => f.write_str("the role has no candidate: ")?,
                }
                f.write_str("root knows")?;
                known.iter().try_for_each(|number| write!(f, " {number}"))
            }
            Self::AlreadyCurrent { release } => {
                write!(
                    f,
                    "release {release} is the current one, and all members have it"
                )
            }
            Self::InvalidPlan { reason } => write!(f, "the plan contradicts itself: {reason}"),
            Self::NotAMember { canister } => {
                write!(
                    f,
                    "{canister} is named as a canary, and is no member of the role"
                )
            }
            Self::Active { rollout } => write!(
                f,
                "rollout {rollout} of the role is under way: abort or undo it first, or approve a \
                 newer release"
            ),
            Self::UnknownRollout { rollout } => write!(f, "root has no rollout {rollout}"),
            Self::WrongPhase { phase } => {
                write!(
                    f,
                    "the rollout is in its phase {phase}, where this is not possible"
                )
            }
        }
    }
}

// What several errors say

fn unknown_role(f: &mut fmt::Formatter<'_>, role: &str, known: &[String]) -> fmt::Result {
    write!(f, "the fleet has no role '{role}': ")?;
    match known {
        [] => f.write_str("a role has an approved module, and a name in small letters"),
        known => write!(f, "its roles are {}", Words(known)),
    }
}

fn parent_not_allowed(
    f: &mut fmt::Formatter<'_>,
    parent: Principal,
    role: Option<&str>,
    allowed: &[String],
) -> fmt::Result {
    match role {
        Some(role) => write!(f, "{parent}, a member of role '{role}', ")?,
        None => write!(f, "{parent}, which is no member, ")?,
    }
    write!(f, "can't be the parent: {} can", Words(allowed))
}

pub(super) fn busy(f: &mut fmt::Formatter<'_>, open: u32, retry_after: u64) -> fmt::Result {
    write!(
        f,
        "root works on {open} operations, and takes no more: ask again in {retry_after} seconds"
    )
}

pub(super) fn pending(f: &mut fmt::Formatter<'_>, operation: u64) -> fmt::Result {
    write!(
        f,
        "operation {operation} is under way: `canic_operation` tells how it ends"
    )
}

fn quarantined(
    f: &mut fmt::Formatter<'_>,
    canister: Option<Principal>,
    operation: u64,
    reason: &str,
) -> fmt::Result {
    match canister {
        Some(canister) => write!(f, "{canister} is in quarantine")?,
        None => f.write_str("it is in quarantine")?,
    }
    write!(
        f,
        " (operation {operation}), and can be retired again: {reason}"
    )
}

pub(super) fn unreachable(f: &mut fmt::Formatter<'_>, reason: &str) -> fmt::Result {
    write!(f, "root did not answer, and a retry is safe: {reason}")
}

/// A list of words, `a, b`.
struct Words<'a>(&'a [String]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{word}")?;
        }
        Ok(())
    }
}

/// Bytes in hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{GrantError, GrantLimit};

    /// Samples of a type's errors. A variant without a sample does not compile.
    macro_rules! samples {
        ($error:ident: $($variant:ident $value:tt),* $(,)?) => {{
            let _ = |error: &$error| match error {
                $($error::$variant { .. } => ()),*
            };
            let errors = [$(samples!(@value $error $variant $value)),*];
            errors.into_iter().map(|e| (format!("{e:?}"), e.to_string())).collect::<Vec<_>>()
        }};
        (@value $error:ident $variant:ident ()) => { $error::$variant };
        (@value $error:ident $variant:ident ($value:expr)) => { $error::$variant($value) };
        (@value $error:ident $variant:ident $fields:tt) => { $error::$variant $fields };
    }

    fn canister() -> Principal {
        Principal::from_text("ryjl3-tyaaa-aaaaa-aaaba-cai").expect("a principal")
    }

    fn denied() -> Denied {
        Denied {
            caller: canister(),
            allowed: "some controllers".to_string(),
        }
    }

    fn roles() -> Vec<String> {
        vec!["hub".to_string(), "shard".to_string()]
    }

    fn reason() -> String {
        "the reason of it".to_string()
    }

    fn role() -> String {
        "worker".to_string()
    }

    fn full() -> ProvisionError {
        ProvisionError::RoleFull {
            role: role(),
            max: 4_004,
        }
    }

    /// The Debug form and the sentence of a sample of every error.
    fn sentences() -> Vec<(String, String)> {
        let denied = (format!("{:?}", denied()), denied().to_string());
        [vec![denied], of_provisions(), of_members(), of_modules()].concat()
    }

    fn of_provisions() -> Vec<(String, String)> {
        let (parent, operation) = (canister(), 4_003);
        let provision = samples!(ProvisionError:
            Denied (denied()),
            UnknownRole { role: role(), known: roles() },
            NoModule { role: role() },
            ParentNotAllowed { parent, parent_role: Some("page".to_string()), allowed: roles() },
            RoleFull { role: role(), max: 4_005 },
            ParentFull { parent, role: role(), max: 4_006 },
            InvalidKey { length: 4_007, max: 4_008 },
            ArgumentTooLarge { length: 4_009, max: 4_010 },
            InvalidArgument { reason: reason() },
            InsufficientCycles { needed: 4_011, available: 4_012 },
            Busy { open: 4_001, retry_after: 4_002 },
            Pending { operation },
            CreateFailed { operation, reason: reason() },
            InstallFailed { operation, reason: reason(), rolled_back: RolledBack::Recycled },
            Quarantined { operation, canister: Some(canister()), reason: reason() },
            RootUnreachable { reason: reason() },
        );
        let batch = samples!(BatchError:
            Denied (denied()),
            TooMany { requests: 4_013, max: 4_014 },
        );
        [provision, batch].concat()
    }

    fn of_members() -> Vec<(String, String)> {
        let (parent, child) = (canister(), canister());
        let (open, retry_after, operation) = (4_001, 4_002, 4_003);
        let retire = samples!(RetireError:
            Denied (denied()),
            NotAMember { canister: canister() },
            HasChildren { child },
            Busy { open, retry_after },
            Pending { operation },
            Quarantined { operation, reason: reason() },
            RootUnreachable { reason: reason() },
        );
        let import = samples!(ImportError:
            Denied (denied()),
            AlreadyKnown { canister: canister() },
            Busy { open, retry_after },
            PoolFull { max: 4_015 },
            Refused (full()),
            NotOnSubnet { operation, subnet: canister(), reason: reason() },
            NotControlled { operation, reason: reason() },
            WrongModule { operation, reason: reason() },
            Pending { operation },
            Quarantined { operation, reason: reason() },
        );
        let moved = samples!(MoveError:
            Denied (denied()),
            NotAMember { canister: canister() },
            Refused (full()),
            BelowItself { parent },
            Busy { open, retry_after },
            Pending { operation },
            Failed { operation, reason: reason() },
            RootUnreachable { reason: reason() },
        );
        let grant = samples!(GrantError:
            Denied (denied()),
            NotAMember { canister: canister() },
            NotFunded { role: role() },
            InvalidAmount { cycles: 4_024, min: 4_025, max: 4_026 },
            Enough { balance: 4_027 },
            LimitReached { limit: GrantLimit::Budget, max: 4_028, left: 4_029, retry_after },
            Busy { open, retry_after },
            Pending { operation },
            Failed { operation, reason: reason() },
            RootUnreachable { reason: reason() },
        );
        [retire, import, moved, grant].concat()
    }

    fn of_modules() -> Vec<(String, String)> {
        let lookup = samples!(LookupError:
            NoRoot (),
            RootUnreachable { reason: reason() },
            Denied (denied()),
        );
        let module = samples!(ModuleError:
            Denied (denied()),
            ChunkSize { length: 4_016, max: 4_017 },
            StoreFull { max: 4_018 },
            UnknownRole { role: role(), known: roles() },
            InvalidHash { length: 4_019 },
            MissingChunk { hash: vec![0xab; 32] },
            HashMismatch { expected: vec![0xab; 32], actual: vec![0xcd; 32] },
            NotWasm (),
            UploadFailed { reason: reason() },
        );
        let rollout = samples!(RolloutError:
            Denied (denied()),
            UnknownRole { role: role() },
            UnknownRelease { release: Some(4_020), known: vec![4_021] },
            AlreadyCurrent { release: 4_022 },
            InvalidPlan { reason: reason() },
            NotAMember { canister: canister() },
            Active { rollout: 4_023 },
            UnknownRollout { rollout: 4_024 },
            WrongPhase { phase: reason() },
        );
        let refuel = samples!(RefuelError:
            Denied (denied()),
            NoAmount (),
            Enough { balance: 4_025, to: 4_026 },
            TooLittle { cycles: 4_027, min: 4_028 },
            Pending { operation: 4_029 },
            Failed { operation: 4_030, reason: reason() },
            Abandoned { operation: 4_031, reason: reason() },
        );
        [lookup, module, rollout, refuel].concat()
    }

    #[test]
    fn every_error_is_a_sentence() {
        for (debug, sentence) in sentences() {
            let first = sentence.chars().next().expect("it says something");
            assert!(
                !first.is_uppercase() && !sentence.ends_with('.'),
                "{sentence}"
            );
            for code in ["{", "}", "[", "Some", "None", "Principal", "\"", "::", "  "] {
                assert!(!sentence.contains(code), "{code} in: {sentence}");
            }
            assert!(sentence.len() <= 250, "{sentence}");
            let variant = debug.split([' ', '(', '{']).next().expect("a variant");
            assert!(!sentence.contains(variant), "{variant} in: {sentence}");
        }
    }

    #[test]
    fn every_error_tells_its_numbers_texts_and_canisters() {
        let mut numbers = 0;
        for (debug, sentence) in sentences() {
            let shown = debug.split(|c: char| !c.is_ascii_digit());
            for number in shown.filter(|digits| digits.len() == 4) {
                assert!(sentence.contains(number), "{number} is not in: {sentence}");
                numbers += 1;
            }
            for text in debug.split('"').skip(1).step_by(2) {
                assert!(sentence.contains(text), "{text} is not in: {sentence}");
            }
            if debug.contains("Principal") {
                let canister = canister().to_text();
                assert!(
                    sentence.contains(&canister),
                    "{canister} is not in: {sentence}"
                );
            }
            if debug.contains("171, 171") {
                assert!(sentence.contains(&"ab".repeat(32)), "{sentence}");
            }
        }
        assert!(numbers > 30, "{numbers}");
    }

    #[test]
    fn an_empty_list_is_not_shown() {
        let error = ProvisionError::UnknownRole {
            role: "A B".to_string(),
            known: vec![],
        };
        let expected = "the fleet has no role 'A B': a role has an approved module, and a name in \
                        small letters";
        assert_eq!(error.to_string(), expected);
    }
}
