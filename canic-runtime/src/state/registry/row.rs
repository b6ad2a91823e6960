//! The members' rows in stable memory.

use minicbor::{Decode, Encode};

use crate::{
    api::MemberState,
    stable::{
        cbor::{Corrupt, Reader},
        record::Id,
    },
};

/// A member. In stable memory its row is a CBOR array of the canister and the member:
///
/// ```text
/// row:     0 canister   1 member
/// member:  0 role    1 parent   2 key       3 status     4 release
///          5 since   6 operation   7 rollout   8 snapshot: 0 id  1 release
///          9 probation
/// ```
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Member {
    /// The role's number.
    #[n(0)]
    pub(crate) role: u16,
    #[n(1)]
    pub(crate) parent: Id,
    #[n(2)]
    pub(crate) key: Option<String>,
    #[n(3)]
    pub(crate) status: MemberStatus,
    /// The number of its release: 0 if root has none with its module on record.
    #[n(4)]
    pub(crate) release: u32,
    /// Time at which root registered the member: nanoseconds since the epoch.
    #[n(5)]
    pub(crate) since: u64,
    /// The operation that last changed the member.
    #[n(6)]
    pub(crate) operation: u64,
    /// The last rollout that worked on it. 0: none.
    #[n(7)]
    #[cbor(default)]
    pub(crate) rollout: u32,
    /// The snapshot that a rollout took of it, and keeps.
    #[n(8)]
    pub(crate) snapshot: Option<KeptSnapshot>,
    /// Whether root had to leave it with code that it was never told to be accepted.
    #[n(9)]
    #[cbor(default)]
    pub(crate) on_probation: bool,
}

/// A snapshot of a member before its upgrade.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct KeptSnapshot {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) id: Vec<u8>,
    /// The release that the member had.
    #[n(1)]
    pub(crate) release: u32,
}

/// A member's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum MemberStatus {
    #[n(0)]
    Installing,
    #[n(1)]
    Active,
    #[n(2)]
    Retiring,
    #[n(3)]
    Moving,
    #[n(4)]
    Upgrading,
}

impl MemberStatus {
    /// The status with a number in a record.
    fn of_number(number: u64) -> Result<Self, Corrupt> {
        let all = [
            Self::Installing,
            Self::Active,
            Self::Retiring,
            Self::Moving,
            Self::Upgrading,
        ];
        let number = usize::try_from(number).map_err(|_| Corrupt::FOREIGN)?;
        all.get(number).copied().ok_or(Corrupt::FOREIGN)
    }
}

impl From<MemberStatus> for MemberState {
    fn from(status: MemberStatus) -> Self {
        match status {
            MemberStatus::Installing => Self::Installing,
            MemberStatus::Active => Self::Active,
            MemberStatus::Retiring => Self::Retiring,
            MemberStatus::Moving => Self::Moving,
            MemberStatus::Upgrading => Self::Upgrading,
        }
    }
}

/// A member and its canister.
#[derive(Debug, Encode, Decode)]
pub(super) struct Row {
    #[n(0)]
    pub(super) canister: Id,
    #[n(1)]
    pub(super) member: Member,
}

/// What the registry's indexes hold of a row. Reading no more than that takes a fraction of the
/// instructions, and an upgrade of root does it for each member.
#[derive(Debug, PartialEq)]
pub(super) struct Facts<'a> {
    /// The id of the canister.
    pub(super) canister: &'a [u8],
    pub(super) role: u16,
    /// The id of the parent.
    pub(super) parent: &'a [u8],
    pub(super) key: Option<&'a str>,
    pub(super) status: MemberStatus,
    pub(super) release: u32,
    pub(super) operation: u64,
    /// The release in the snapshot that a rollout keeps.
    pub(super) kept: Option<u32>,
    pub(super) on_probation: bool,
}

impl<'a> Facts<'a> {
    /// Reads the facts of a row, whose later fields may be missing.
    ///
    /// # Errors
    ///
    /// If the bytes are no row.
    pub(super) fn read(row: &'a [u8]) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(row);
        if reader.array()? < 2 {
            return Err(Corrupt::TOO_SHORT);
        }
        let canister = reader.bytes()?;
        let fields = reader.array()?;
        if fields < 7 {
            return Err(Corrupt::TOO_SHORT);
        }
        let role = u16::try_from(reader.number()?).map_err(|_| Corrupt::FOREIGN)?;
        let parent = reader.bytes()?;
        let key = reader.optional(Reader::str)?;
        let status = reader.number()?;
        let release = reader.number()?;
        reader.number()?; // since
        let operation = reader.number()?;
        if fields > 7 {
            reader.number()?; // rollout
        }
        let kept = match fields > 8 {
            true => reader.optional(kept_release)?,
            false => None,
        };
        Ok(Self {
            canister,
            role,
            parent,
            key,
            status: MemberStatus::of_number(status)?,
            release: u32::try_from(release).map_err(|_| Corrupt::FOREIGN)?,
            operation,
            kept,
            on_probation: fields > 9 && reader.bool()?,
        })
    }
}

/// The release in a record of a [`KeptSnapshot`].
fn kept_release(reader: &mut Reader<'_>) -> Result<u32, Corrupt> {
    let fields = reader.array()?;
    reader.bytes()?;
    let release = reader.number()?;
    for _ in 2..fields {
        reader.skip()?;
    }
    u32::try_from(release).map_err(|_| Corrupt::FOREIGN)
}

#[cfg(test)]
mod tests {
    use candid::Principal;
    use proptest::prelude::*;

    use super::*;
    use crate::stable::record;

    fn rows() -> impl Strategy<Value = Row> {
        let id = || prop::collection::vec(any::<u8>(), 0..30);
        let snapshot = (prop::collection::vec(any::<u8>(), 0..20), any::<u32>());
        let numbers = (
            any::<u16>(),
            0..5u64,
            any::<u32>(),
            any::<(u64, u64, u32)>(),
        );
        (
            (id(), id(), prop::option::of(".{0,70}")),
            numbers,
            prop::option::of(snapshot),
            any::<bool>(),
        )
            .prop_map(
                |((canister, parent, key), numbers, snapshot, on_probation)| {
                    let (role, status, release, (since, operation, rollout)) = numbers;
                    let member = Member {
                        role,
                        parent: Id(Principal::from_slice(&parent)),
                        key,
                        status: MemberStatus::of_number(status).unwrap(),
                        release,
                        since,
                        operation,
                        rollout,
                        snapshot: snapshot.map(|(id, release)| KeptSnapshot { id, release }),
                        on_probation,
                    };
                    let canister = Id(Principal::from_slice(&canister));
                    Row { canister, member }
                },
            )
    }

    proptest! {
        #[test]
        fn the_facts_are_those_of_the_whole_row(row in rows()) {
            let bytes = record::encode(&row);
            let Row { canister, member } = row;
            let expected = Facts {
                canister: canister.0.as_slice(),
                role: member.role,
                parent: member.parent.0.as_slice(),
                key: member.key.as_deref(),
                status: member.status,
                release: member.release,
                operation: member.operation,
                kept: member.snapshot.map(|kept| kept.release),
                on_probation: member.on_probation,
            };
            prop_assert_eq!(Facts::read(&bytes), Ok(expected));
            for cut in 0..bytes.len() {
                prop_assert!(Facts::read(&bytes[..cut]).is_err(), "cut at {}", cut);
            }
        }

        #[test]
        fn bytes_that_are_no_row_are_an_error_and_no_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..60)
        ) {
            let row: Result<Row, _> = minicbor::decode(&bytes);
            prop_assert!(row.is_err() || Facts::read(&bytes).is_ok());
        }
    }

    #[test]
    fn a_row_of_an_older_canic_lacks_the_later_fields() {
        // Role 3, the parent [2], no key, active, release 4, since 5, operation 6.
        let bytes = [0x82, 0x41, 1, 0x87, 3, 0x41, 2, 0xf6, 1, 4, 5, 6];
        let facts = Facts::read(&bytes).unwrap();
        assert_eq!((facts.release, facts.operation), (4, 6));
        assert_eq!((facts.kept, facts.on_probation), (None, false));
        let row: Row = record::decode(&bytes);
        assert_eq!((row.member.rollout, row.member.snapshot), (0, None));
    }
}
