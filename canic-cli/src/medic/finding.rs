//! A finding of the medic.

use serde::Serialize;

/// How bad a finding is. The worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Something is broken, or will be within days.
    Error,
    /// Somebody should look at it.
    Warning,
    /// Worth knowing.
    Notice,
}

impl Severity {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Its code, which `canic explain` takes.
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    /// What is wrong, in a sentence.
    pub(crate) what: String,
    /// The facts that show it.
    pub(crate) evidence: Vec<String>,
    /// The command that mends it, or the first one of several.
    pub(crate) mend: String,
}
