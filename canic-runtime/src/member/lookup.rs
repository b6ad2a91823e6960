//! Lookups: a member asks root about another canister, `canic_lookup`.

use candid::{Principal, Reserved};

use crate::{
    api::MemberRef,
    error::LookupError,
    member::{ask_root::ask_root, subscription::Lookup},
    platform::ic::{self, Level},
};

/// Asks root about the caller of an endpoint and caches the answer. If root does not answer, the
/// caller counts as a stranger.
pub(crate) async fn caller(caller: Principal) -> Option<MemberRef> {
    match member(caller).await {
        Ok(member) => member,
        Err(error) => {
            let reason = error.to_string();
            ic::log(
                Level::Warn,
                format_args!("the caller {caller} could not be looked up: {reason:.200}"),
            );
            None
        }
    }
}

/// The answer of `canic_lookup`. The reason of a denial does not matter.
type Answer = Result<Option<MemberRef>, Reserved>;

/// Asks root about a canister and caches the answer. None: the canister is not a member.
///
/// # Errors
///
/// See [`ask_root`].
pub(crate) async fn member(canister: Principal) -> Result<Option<MemberRef>, LookupError> {
    let lookup = Lookup::begin();
    let answer: Answer = ask_root("canic_lookup", &canister).await?;
    Ok(match answer {
        Ok(member) => {
            lookup.finish(canister, member.as_ref());
            member
        }
        Err(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::Denied, codec::decode::read_reply};

    fn read(answer: &Result<Option<MemberRef>, Denied>) -> Answer {
        let bytes = candid::encode_one(answer).expect("root can encode it");
        read_reply(&bytes).expect("a member can read it")
    }

    #[test]
    fn every_answer_of_root_is_read() {
        let parent = Principal::from_slice(&[2, 1]);
        let shard = MemberRef {
            role: "shard".to_string(),
            parent,
            key: None,
        };
        assert_eq!(read(&Ok(Some(shard.clone()))), Ok(Some(shard)));
        assert_eq!(read(&Ok(None)), Ok(None));
        let denied = Denied {
            caller: parent,
            allowed: "members".to_string(),
        };
        assert_eq!(read(&Err(denied)), Err(Reserved));
    }

    #[test]
    fn another_type_than_the_answer_is_an_error() {
        #[derive(candid::CandidType)]
        enum Other {
            Maybe,
        }
        let text = candid::encode_one("Ok").expect("it is Candid");
        assert!(read_reply::<Answer>(&text).is_err());
        let variant = candid::encode_one(Other::Maybe).expect("it is Candid");
        assert!(read_reply::<Answer>(&variant).is_err());
    }
}
