//! Users, who call canisters.

use candid::{
    CandidType, Principal,
    utils::{ArgumentEncoder, encode_args},
};
use canic_replica::MessageId;
use serde::de::DeserializeOwned;

use crate::{
    answer::decode,
    error::{Error, Reason},
    fleet::Fleet,
    principal::principal_of,
};

/// A user of a fleet.
#[derive(Clone, Copy)]
pub struct User<'a> {
    fleet: &'a Fleet,
    principal: Principal,
}

impl Fleet {
    /// A user by name: the same name is the same principal, in every fleet and on every network.
    #[must_use]
    pub fn user(&self, name: &str) -> User<'_> {
        self.user_with(principal_of(name))
    }

    /// The controller of root: an operator of the fleet.
    #[must_use]
    pub fn controller(&self) -> User<'_> {
        self.user_with(self.harness().controller)
    }

    /// Somebody who has not signed in.
    #[must_use]
    pub fn anonymous(&self) -> User<'_> {
        self.user_with(Principal::anonymous())
    }

    /// The user, or canister, with this principal.
    #[must_use]
    pub fn user_with(&self, principal: Principal) -> User<'_> {
        User {
            fleet: self,
            principal,
        }
    }
}

impl<'a> User<'a> {
    /// The user's principal.
    #[must_use]
    pub fn principal(&self) -> Principal {
        self.principal
    }

    /// Calls an update method, and waits for its answer.
    ///
    /// `R` is what the method answers. If it answers a `Result`, `R` may be that, or the type that
    /// its `Ok` holds: then an `Err` is an error with what it says.
    ///
    /// # Errors
    /// The call is rejected, answers an `Err`, or answers another type.
    pub fn update<A: ArgumentEncoder, R: CandidType + DeserializeOwned>(
        &self,
        canister: Principal,
        method: &str,
        args: A,
    ) -> Result<R, Error> {
        self.submit(canister, method, args)?.answer()
    }

    /// Calls a query method. `R` is as in [`User::update`].
    ///
    /// # Errors
    /// As for [`User::update`].
    pub fn query<A: ArgumentEncoder, R: CandidType + DeserializeOwned>(
        &self,
        canister: Principal,
        method: &str,
        args: A,
    ) -> Result<R, Error> {
        let error = Error::of(canister, method);
        let payload = encode_args(args).map_err(|e| error(Reason::Argument(e.to_string())))?;
        let mut harness = self.fleet.harness();
        let answer = harness.query_call(self.principal, canister, method, payload);
        let bytes = answer.map_err(|reject| error(Reason::Rejected(reject)))?;
        decode(&bytes).map_err(error)
    }

    /// Submits an update call, and does not wait: further calls run at the same time.
    ///
    /// # Errors
    /// The platform does not accept the call: its `inspect_message` refuses, it is stopped, or it
    /// can't pay.
    pub fn submit<A: ArgumentEncoder>(
        &self,
        canister: Principal,
        method: &str,
        args: A,
    ) -> Result<Pending<'a>, Error> {
        let error = Error::of(canister, method);
        let payload = encode_args(args).map_err(|e| error(Reason::Argument(e.to_string())))?;
        let mut harness = self.fleet.harness();
        let message = harness.submit(self.principal, canister, method, payload);
        Ok(Pending {
            fleet: self.fleet,
            canister,
            method: method.to_string(),
            message: message.map_err(|reject| error(Reason::Rejected(reject)))?,
        })
    }
}

/// A call that was submitted.
#[must_use = "its answer is not awaited"]
pub struct Pending<'a> {
    fleet: &'a Fleet,
    canister: Principal,
    method: String,
    message: MessageId,
}

impl Pending<'_> {
    /// Waits for the answer. `R` is as in [`User::update`].
    ///
    /// # Errors
    /// As for [`User::update`]; or there is no answer, however long the fleet runs.
    pub fn answer<R: CandidType + DeserializeOwned>(self) -> Result<R, Error> {
        let answer = self.fleet.harness().wait_at_most(&self.message);
        let decoded = match answer {
            None => Err(Reason::Unanswered),
            Some(Err(reject)) => Err(Reason::Rejected(reject)),
            Some(Ok(bytes)) => decode(&bytes),
        };
        decoded.map_err(Error::of(self.canister, &self.method))
    }

    /// Whether the answer is there already.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.fleet.harness().answer(&self.message).is_some()
    }
}
