//! Failures: what went wrong, what the operator can do about it, and the exit code.

use std::fmt;

use serde_json::{Value, json};

/// The kinds of failures. Each has an exit code and a code in JSON, which stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Root or the platform refused the request, or it failed.
    Refused,
    /// The command line is wrong. clap uses the same exit code.
    Usage,
    /// `medic --ci` has findings.
    Findings,
    /// The network does not answer.
    Unreachable,
    /// A file, an identity, or the root's id is missing or wrong.
    Setup,
    /// The identity may not do that.
    NotAllowed,
    /// The root is none, or one of another version.
    OtherRoot,
    /// A release's interface breaks callers.
    Breaks,
    /// Nobody confirmed the plan.
    NotConfirmed,
}

impl Kind {
    /// The exit code of the program.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Findings => 3,
            Self::Unreachable => 4,
            Self::Setup => 5,
            Self::NotAllowed => 6,
            Self::OtherRoot => 7,
            Self::Breaks => 8,
            Self::NotConfirmed => 9,
        }
    }

    /// The code in JSON.
    fn code(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Usage => "usage",
            Self::Findings => "findings",
            Self::Unreachable => "unreachable",
            Self::Setup => "setup",
            Self::NotAllowed => "not_allowed",
            Self::OtherRoot => "other_root",
            Self::Breaks => "breaks",
            Self::NotConfirmed => "not_confirmed",
        }
    }
}

/// A failure of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Its kind.
    pub(crate) kind: Kind,
    /// What went wrong, in a sentence.
    pub(crate) what: String,
    /// What the operator can do about it.
    pub(crate) advice: Option<String>,
}

impl Failure {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            advice: None,
        }
    }

    /// A request that was refused, with the refuser's reason.
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::new(Kind::Refused, what)
    }

    /// A file, an identity or an id that is missing or wrong.
    pub(crate) fn setup(what: impl Into<String>) -> Self {
        Self::new(Kind::Setup, what)
    }

    pub(crate) fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The failure as an object.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "error": {
            "code": self.kind.code(),
            "message": self.what,
            "advice": self.advice,
        }})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        match &self.advice {
            Some(advice) => write!(f, "\n{advice}"),
            None => Ok(()),
        }
    }
}
