//! The members that a command is about: by role, parent, key, release and state.

use candid::Principal;
use canic::api::MembersFilter;
use clap::ValueEnum;
use serde::Deserialize;

use crate::{commands::find, failure::Failure, fleet::Fleet, views::MemberRow};

/// What members must have in common. The dashboard asks with the same names.
#[derive(clap::Args, Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filter {
    /// Members of this role
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// Children of this member (PRINCIPAL or ROLE/KEY), or of `root`
    #[arg(long, value_name = "PARENT")]
    pub(crate) parent: Option<String>,
    /// Members whose key contains this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) key: Option<String>,
    /// Members that have this release
    #[arg(long, value_name = "NUMBER")]
    pub(crate) release: Option<u32>,
    /// Members in this state
    #[arg(long, value_enum)]
    pub(crate) state: Option<State>,
}

/// The states of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Installing,
    Active,
    Retiring,
    Moving,
    Upgrading,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Installing => "installing",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Moving => "moving",
            Self::Upgrading => "upgrading",
        }
    }
}

/// A filter whose parent has an id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    filter: Filter,
    parent: Option<Principal>,
}

impl Filter {
    /// The filter with its parent's id, which root is asked for if it is `ROLE/KEY`.
    ///
    /// # Errors
    /// Root has no such member, or the parent is no principal.
    pub(crate) async fn ask(&self, fleet: &Fleet) -> Result<Wanted, Failure> {
        let parent = match &self.parent {
            None => None,
            Some(text) => Some(find::parent(fleet, text).await?),
        };
        Ok(Wanted {
            filter: self.clone(),
            parent,
        })
    }

    /// The filter with its parent's id, which is a principal or `root`.
    ///
    /// # Errors
    /// It is neither.
    pub(crate) fn read(&self, root: Principal) -> Result<Wanted, Failure> {
        let parent = self.parent.as_deref();
        Ok(Wanted {
            filter: self.clone(),
            parent: parent.map(|text| find::parent_of(text, root)).transpose()?,
        })
    }
}

impl Wanted {
    /// Whether a member is one of them.
    pub(crate) fn has(&self, row: &MemberRow) -> bool {
        let Filter {
            role,
            parent: _,
            key,
            release,
            state,
        } = &self.filter;
        role.as_ref().is_none_or(|role| row.role == *role)
            && self.parent.is_none_or(|parent| row.parent == parent)
            && release.is_none_or(|release| row.release == release)
            && state.is_none_or(|state| row.state == state.word())
            && is_part(key.as_deref(), row.key.as_deref())
    }

    /// The question that leaves root the least to send.
    pub(crate) fn question(&self) -> MembersFilter {
        match (self.parent, &self.filter.role) {
            (Some(parent), _) => MembersFilter::Parent(parent),
            (None, Some(role)) => MembersFilter::Role(role.clone()),
            (None, None) => MembersFilter::All,
        }
    }
}

/// Whether a key contains the text that is asked for, if any is.
pub(crate) fn is_part(text: Option<&str>, key: Option<&str>) -> bool {
    text.is_none_or(|text| key.is_some_and(|key| key.contains(text)))
}
