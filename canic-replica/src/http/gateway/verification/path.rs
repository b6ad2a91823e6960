//! The path of an expression in the tree: which pages a certificate is about.
//!
//! The path `["http_expr", "shop", "cart", "<$>"]` is that of `/shop/cart` only. That of
//! `["http_expr", "shop", "<*>"]` is for all pages below `/shop` without a path of their own.

use ic_certification::{HashTree, SubtreeLookupResult};

use crate::http::gateway::request::Request;

const PREFIX: &str = "http_expr";
const EXACT: &str = "<$>";
const WILDCARD: &str = "<*>";

/// The path of a request's URL, decoded.
pub(super) fn of_request(request: &Request) -> Result<String, String> {
    request.to_certify().get_path().map_err(|e| e.to_string())
}

/// Checks that `expression_path` is the most specific one in the tree for the request's path.
pub(super) fn check(
    expression_path: &[String],
    request_path: &str,
    tree: &HashTree,
) -> Result<(), String> {
    let [prefix, segments @ .., end] = expression_path else {
        return Err(format!(
            "the expression path {expression_path:?} is too short"
        ));
    };
    if prefix != PREFIX {
        return Err(format!(
            "the expression path {expression_path:?} does not start with {PREFIX}"
        ));
    }
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let requested = segments_of(request_path);
    match end.as_str() {
        EXACT if segments == requested => {}
        EXACT => {
            return Err(format!(
                "the expression path {expression_path:?} is not that of {request_path}"
            ));
        }
        WILDCARD => check_wildcard(&segments, &requested, tree)?,
        _ => {
            return Err(format!(
                "the expression path {expression_path:?} ends neither with {EXACT} nor with \
                 {WILDCARD}"
            ));
        }
    }
    if matches!(
        find(tree, segments.into_iter(), end),
        SubtreeLookupResult::Found(_)
    ) {
        return Ok(());
    }
    Err(format!(
        "the tree does not have the expression path {expression_path:?}"
    ))
}

fn check_wildcard(segments: &[&str], requested: &[&str], tree: &HashTree) -> Result<(), String> {
    let directory = match segments {
        [directory @ .., ""] => directory,
        _ => segments,
    };
    if !requested.starts_with(segments) && !requested.starts_with(directory) {
        return Err(format!(
            "the expression path of {segments:?} does not cover the page"
        ));
    }
    let is_absent = |candidate: Candidate<'_>, end: &str| {
        matches!(
            find(tree, candidate.segments(), end),
            SubtreeLookupResult::Absent
        )
    };
    let page = Candidate {
        directory: requested,
        slash: false,
    };
    // A directory of the page itself covers the page, but is no prefix of it: only the page's own
    // wildcard is more specific.
    let limit = if directory == requested {
        1
    } else {
        usize::MAX
    };
    let are_absent = is_absent(page, EXACT)
        && wildcards(requested)
            .take_while(|candidate| !candidate.is(segments))
            .take(limit)
            .all(|candidate| is_absent(candidate, WILDCARD));
    if !are_absent {
        return Err(format!(
            "the tree may have a more specific expression path than that of {segments:?}"
        ));
    }
    Ok(())
}

/// The segments of a wildcard, without copies: a URL may have thousands.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    directory: &'a [&'a str],
    slash: bool,
}

impl<'a> Candidate<'a> {
    fn segments(self) -> impl Iterator<Item = &'a str> {
        let slash = self.slash.then_some("");
        self.directory.iter().copied().chain(slash)
    }

    fn is(self, segments: &[&str]) -> bool {
        segments.len() == self.directory.len() + usize::from(self.slash)
            && self.segments().eq(segments.iter().copied())
    }
}

/// The wildcards that cover a page, from the most specific one on: the page, then each directory
/// above it with and without its slash.
fn wildcards<'a>(requested: &'a [&'a str]) -> impl Iterator<Item = Candidate<'a>> {
    let (page, has_slash) = match requested {
        [page @ .., ""] => (page, true),
        page => (page, false),
    };
    (0..=page.len()).rev().flat_map(move |length| {
        let directory = &page[..length];
        let slashed = has_slash || length < page.len();
        let slashed = slashed.then_some(Candidate {
            directory,
            slash: true,
        });
        slashed.into_iter().chain([Candidate {
            directory,
            slash: false,
        }])
    })
}

/// The segments of a URL's path. A page and a directory of the same name are different paths: that
/// of the directory ends with an empty segment.
fn segments_of(path: &str) -> Vec<&str> {
    let mut segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if path.ends_with('/') {
        segments.push("");
    }
    segments
}

fn find<'a>(
    tree: &HashTree,
    segments: impl Iterator<Item = &'a str>,
    end: &'a str,
) -> SubtreeLookupResult {
    tree.lookup_subtree([PREFIX].into_iter().chain(segments).chain([end]))
}

#[cfg(test)]
mod tests {
    use ic_certification::{fork, label, leaf, pruned};

    use super::*;

    /// A tree with one path, whose neighbours at all levels are absent.
    fn tree(path: &[&str]) -> HashTree {
        path.iter()
            .rev()
            .fold(leaf([]), |below, segment| label(*segment, below))
    }

    fn is_valid(path: &[&str], request: &str, tree: &HashTree) -> bool {
        let path: Vec<String> = path.iter().map(|&segment| segment.to_owned()).collect();
        check(&path, request, tree).is_ok()
    }

    /// dfinity/developer-docs docs/references/http-gateway-protocol-spec.md, "Expression Path", and
    /// dfinity/response-verification packages/ic-response-verification/src/validation.
    #[test]
    fn an_expression_path_covers_its_page_or_all_pages_below_it() {
        let cases: [(&[&str], &[&str], &[&str]); 5] = [
            (
                &["http_expr", "a", "b", "<$>"],
                &["/a/b", "/a//b"],
                &["/a/b/", "/a", "/a/b/c", "/"],
            ),
            (&["http_expr", "a", "", "<$>"], &["/a/"], &["/a", "/a/b"]),
            (
                &["http_expr", "a", "<*>"],
                &["/a", "/a/", "/a/b", "/a/b/c/"],
                &["/", "/b", "/ab"],
            ),
            (
                &["http_expr", "a", "", "<*>"],
                &["/a", "/a/", "/a/b"],
                &["/", "/b"],
            ),
            (&["http_expr", "<*>"], &["/", "/a", "/a/b/"], &[]),
        ];
        for (path, covered, others) in cases {
            let tree = tree(path);
            for request in covered {
                assert!(is_valid(path, request, &tree), "{path:?} {request}");
            }
            for request in others {
                assert!(!is_valid(path, request, &tree), "{path:?} {request}");
            }
        }
        let malformed: [&[&str]; 5] = [
            &[],
            &["http_expr"],
            &["http_assets", "a", "<$>"],
            &["http_expr", "a"],
            &["http_expr", "a", "<$>", ""],
        ];
        for path in malformed {
            assert!(!is_valid(path, "/a", &tree(path)), "{path:?}");
        }
        // The path must be in the tree.
        let other = tree(&["http_expr", "b", "<$>"]);
        assert!(!is_valid(&["http_expr", "a", "<$>"], "/a", &other));
        assert!(!is_valid(&["http_expr", "<*>"], "/a", &other));
    }

    #[test]
    fn the_tree_must_show_that_no_path_is_more_specific() {
        let root = || tree(&["<*>"]);
        // The labels below a node are in ascending order.
        let beside = |first: HashTree, second: HashTree| label("http_expr", fork(first, second));
        let with = |other: &[&str]| match other {
            ["", ..] => beside(tree(other), root()),
            _ => beside(root(), tree(other)),
        };
        let path: &[&str] = &["http_expr", "<*>"];
        let more_specific: [&[&str]; 5] = [
            &["a", "b", "<$>"],
            &["a", "b", "<*>"],
            &["a", "", "<*>"],
            &["a", "<*>"],
            &["", "<*>"],
        ];
        for other in more_specific {
            assert!(!is_valid(path, "/a/b", &with(other)), "{other:?}");
        }
        let others: [&[&str]; 4] = [
            &["a", "<$>"],
            &["a", "b", "c", "<*>"],
            &["a", "b", "", "<*>"],
            &["b", "<*>"],
        ];
        for other in others {
            assert!(is_valid(path, "/a/b", &with(other)), "{other:?}");
        }
        assert!(!is_valid(path, "/a/b", &beside(root(), pruned([0; 32]))));
        // The wildcard of the page itself is more specific than that of a directory of its name.
        let path: &[&str] = &["http_expr", "a", "", "<*>"];
        let below = label("a", fork(tree(&["", "<*>"]), tree(&["<*>"])));
        assert!(!is_valid(path, "/a", &label("http_expr", below)));
    }

    /// A URL may have thousands of segments.
    #[test]
    fn a_deep_url_is_checked_quickly() {
        let url = "/a".repeat(30_000);
        let path: &[&str] = &["http_expr", "<*>"];
        assert!(is_valid(path, &url, &tree(path)));
    }
}
