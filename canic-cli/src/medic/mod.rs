//! The medic: from facts about a fleet to findings, each with a code, its evidence and its remedy.

pub(crate) mod catalogue;
mod checks;
pub(crate) mod facts;
mod finding;

pub(crate) use self::{
    checks::mend,
    facts::Facts,
    finding::{Finding, Severity},
};

/// All findings, the worst first.
pub(crate) fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = checks::all(facts);
    findings.sort_by(|a, b| (a.severity, a.code).cmp(&(b.severity, b.code)));
    findings
}
