//! The gate before a release: its Candid interface against those of the releases in use. A caller
//! of an old release must find in the new one all that it calls.

use candid_parser::utils::{CandidSource, service_compatibility_report};
use serde::Serialize;

/// The judgement about a release in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Judgement {
    /// The number of the release in use.
    pub(crate) release: u32,
    /// Members that have it.
    pub(crate) members: u32,
    /// What breaks: methods and types by name. Empty: nothing does.
    pub(crate) breaks: Vec<String>,
    /// Why there is no judgement.
    pub(crate) unknown: Option<String>,
}

/// Judges a candidate's interface by the one of a release in use.
pub(crate) fn judge(
    release: u32,
    members: u32,
    candidate: Option<&str>,
    in_use: Option<&str>,
) -> Judgement {
    let unknown = |why: &str| Judgement {
        release,
        members,
        breaks: Vec::new(),
        unknown: Some(why.to_string()),
    };
    let Some(candidate) = candidate else {
        return unknown("the module has no metadata `candid:service`");
    };
    let Some(in_use) = in_use else {
        return unknown("its members have no public metadata `candid:service`");
    };
    match breaks(candidate, in_use) {
        Ok(breaks) => Judgement {
            release,
            members,
            breaks,
            unknown: None,
        },
        Err(why) => unknown(&why),
    }
}

/// What a caller of the old interface misses in the new one.
///
/// # Errors
/// One of them is no interface of a service.
pub(crate) fn breaks(new: &str, old: &str) -> Result<Vec<String>, String> {
    let report = service_compatibility_report(CandidSource::Text(new), CandidSource::Text(old));
    let report = report.map_err(|e| e.to_string())?;
    Ok(report.iter().map(ToString::to_string).collect())
}

/// What breaks because of stable memory: code that knows an older layout refuses to start on a
/// newer one.
pub(crate) fn layout_breaks(new: Option<u32>, old: Option<u32>) -> Option<String> {
    let (new, old) = (new?, old?);
    (new < old).then(|| {
        format!(
            "stable memory has layout {old}, and the module knows {new}: it would refuse to start"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "type Note = record { title : text };
        service : { get : (text) -> (opt Note) query; put : (Note) -> () }";

    #[test]
    fn what_breaks_is_named_and_what_is_added_breaks_nothing() {
        let more = "type Note = record { title : text; tags : opt text };
            service : { get : (text) -> (opt Note) query; put : (Note) -> (); list : () -> () }";
        assert_eq!(breaks(more, OLD), Ok(Vec::new()));
        let less = "type Note = record { title : text; size : nat };
            service : { put : (Note) -> () }";
        let broken = breaks(less, OLD).unwrap().join("\n");
        assert!(
            broken.contains("\"get\"") && broken.contains("missing"),
            "{broken}"
        );
        assert!(
            broken.contains("\"put\"") && broken.contains("size"),
            "{broken}"
        );
        let query_becomes_update = OLD.replace(" query", "");
        assert_eq!(breaks(&query_becomes_update, OLD).unwrap().len(), 1);
        assert!(breaks("no candid", OLD).is_err());
    }

    #[test]
    fn without_an_interface_there_is_no_judgement() {
        let judgement = judge(1, 5, None, Some(OLD));
        assert!(judgement.unknown.is_some() && judgement.breaks.is_empty());
        assert!(judge(1, 5, Some(OLD), None).unknown.is_some());
        assert_eq!(judge(1, 5, Some(OLD), Some(OLD)).unknown, None);
    }

    #[test]
    fn code_that_knows_an_older_layout_breaks() {
        assert_eq!(layout_breaks(Some(1), Some(1)), None);
        assert_eq!(layout_breaks(Some(2), Some(1)), None);
        assert_eq!(layout_breaks(None, Some(1)), None);
        let breaks = layout_breaks(Some(1), Some(2)).unwrap();
        assert!(breaks.contains("layout 2"), "{breaks}");
    }
}
