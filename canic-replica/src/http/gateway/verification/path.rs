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
        return Err(format!("the expression path {expression_path:?} is too short"));
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
    if matches!(find(tree, &segments, end), SubtreeLookupResult::Found(_)) {
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
            "the expression path of {segments:?} does not cover {requested:?}"
        ));
    }
    let refuse_unless_absent = |candidate: &[&str], end: &str| {
        if matches!(find(tree, candidate, end), SubtreeLookupResult::Absent) {
            return Ok(());
        }
        Err(format!(
            "the tree may have a more specific expression path than that of {segments:?}: \
             {candidate:?}"
        ))
    };
    refuse_unless_absent(requested, EXACT)?;
    for candidate in wildcards(requested) {
        // A directory of the page itself covers the page, but is no prefix of it.
        if candidate == segments || candidate.len() < directory.len() {
            break;
        }
        refuse_unless_absent(&candidate, WILDCARD)?;
        if directory == requested {
            break;
        }
    }
    Ok(())
}

/// The wildcards that cover a page, from the most specific one on: the page, then each directory
/// above it with and without its slash.
fn wildcards<'a>(requested: &'a [&'a str]) -> impl Iterator<Item = Vec<&'a str>> {
    let (page, has_slash) = match requested {
        [page @ .., ""] => (page, true),
        page => (page, false),
    };
    (0..=page.len()).rev().flat_map(move |length| {
        let plain = page[..length].to_vec();
        let mut slashed = plain.clone();
        slashed.push("");
        let covers = has_slash || length < page.len();
        covers.then_some(slashed).into_iter().chain([plain])
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

fn find(tree: &HashTree, segments: &[&str], end: &str) -> SubtreeLookupResult {
    let labels = [PREFIX].into_iter().chain(segments.iter().copied());
    tree.lookup_subtree(labels.chain([end]).map(str::as_bytes).collect::<Vec<_>>())
}
