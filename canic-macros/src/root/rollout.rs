//! `rollout(..)` of a role: how a newer release comes to its members.
//!
//! An option that the author leaves out has the runtime's default.

use proc_macro2::TokenStream;

use crate::{
    diag::{Errors, suggestion},
    options::{OptionNames, Options, Spanned},
    values::{Count, Flag, Seconds, Share, Text},
};

/// The options, as they are written.
pub(super) struct RolloutArgs {
    canary: Option<Spanned<Share>>,
    bake: Option<Spanned<Seconds>>,
    concurrent: Option<Spanned<Count>>,
    max_failures: Option<Spanned<Share>>,
    on_failure: Option<Spanned<Text>>,
    snapshot: Option<Spanned<Text>>,
    health_timeout: Option<Spanned<Seconds>>,
    keep: Option<Spanned<Seconds>>,
    manual: Option<Spanned<Flag>>,
    is_empty: bool,
}

/// The checked options. `None` is the runtime's default; times are in seconds.
#[derive(Default)]
pub(super) struct Rollout {
    pub(super) canary: Option<Share>,
    pub(super) bake: Option<u64>,
    pub(super) concurrent: Option<u32>,
    pub(super) max_failures: Option<Share>,
    /// The name of a variant of `OnFailure`.
    pub(super) on_failure: Option<&'static str>,
    /// The name of a variant of `Snapshots`.
    pub(super) snapshots: Option<&'static str>,
    pub(super) health_timeout: Option<u64>,
    pub(super) keep: Option<u64>,
    pub(super) manual: Option<bool>,
}

/// How the option is written, for messages.
pub(super) const EXAMPLE: &str = "rollout(canary = 1, bake = \"10m\")";

pub(crate) const ROLLOUT: OptionNames = OptionNames {
    unique: &[
        "canary",
        "bake",
        "concurrent",
        "max_failures",
        "on_failure",
        "snapshot",
        "health_timeout",
        "keep",
        "manual",
    ],
    repeatable: &[],
};

/// Words of `on_failure` and the variants that they mean.
const ON_FAILURE: [(&str, &str); 2] = [("pause", "Pause"), ("undo", "Undo")];

/// Words of `snapshot` and the variants that they mean.
const SNAPSHOTS: [(&str, &str); 3] = [("none", "None"), ("canary", "Canary"), ("all", "All")];

/// The most upgrades at once, in the runtime as well.
const MAX_CONCURRENT: u32 = 50;

/// A day, in seconds.
const DAY: u64 = 86_400;

/// The longest bake, and the longest time for which snapshots are kept, in days; the same in the
/// runtime.
const MAX_DAYS: u64 = 30;

impl RolloutArgs {
    pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let is_empty = tokens.is_empty();
        let options = Options::parse(tokens, &ROLLOUT, errors);
        Self {
            canary: options.single("canary", errors),
            bake: options.single("bake", errors),
            concurrent: options.single("concurrent", errors),
            max_failures: options.single("max_failures", errors),
            on_failure: options.single("on_failure", errors),
            snapshot: options.single("snapshot", errors),
            health_timeout: options.single("health_timeout", errors),
            keep: options.single("keep", errors),
            manual: options.single("manual", errors),
            is_empty,
        }
    }
}

impl Rollout {
    pub(super) fn check(args: &Spanned<RolloutArgs>, errors: &mut Errors) -> Self {
        says_something(args, errors);
        canary_is_positive(args, errors);
        concurrent_within_limit(args, errors);
        failures_are_no_empty_share(args, errors);
        time_to_become_healthy(args, errors);
        not_too_long(args.bake.as_ref(), "a bake lasts", errors);
        not_too_long(args.keep.as_ref(), "root keeps snapshots for", errors);
        let on_failure = word("on_failure", args.on_failure.as_ref(), &ON_FAILURE, errors);
        let snapshots = word("snapshot", args.snapshot.as_ref(), &SNAPSHOTS, errors);
        kept_snapshots_are_taken(args, snapshots, errors);
        Self {
            canary: args.canary.as_ref().map(|canary| canary.value),
            bake: args.bake.as_ref().map(|time| time.0),
            concurrent: args.concurrent.as_ref().map(|count| count.0),
            max_failures: args.max_failures.as_ref().map(|share| share.value),
            on_failure,
            snapshots,
            health_timeout: args.health_timeout.as_ref().map(|time| time.0),
            keep: args.keep.as_ref().map(|time| time.0),
            manual: args.manual.as_ref().map(|flag| flag.0),
        }
    }
}

fn says_something(args: &Spanned<RolloutArgs>, errors: &mut Errors) {
    if args.is_empty {
        errors.report(
            args,
            "`rollout()` says nothing; leave it out, which means the same, or name an option, as \
             in `rollout(bake = \"1h\")`",
        );
    }
}

fn canary_is_positive(args: &RolloutArgs, errors: &mut Errors) {
    if let Some(canary) = &args.canary
        && matches!(canary.value, Share::Members(0) | Share::Percent(0))
    {
        errors.report(
            canary,
            "a rollout begins with a canary, one member at least; a share is rounded up, so that \
             \"1%\" is at least one",
        );
    }
}

fn concurrent_within_limit(args: &RolloutArgs, errors: &mut Errors) {
    if let Some(count) = &args.concurrent
        && !(1..=MAX_CONCURRENT).contains(&count.0)
    {
        errors.report(
            count,
            format!("root upgrades 1 to {MAX_CONCURRENT} members of a rollout at once"),
        );
    }
}

fn failures_are_no_empty_share(args: &RolloutArgs, errors: &mut Errors) {
    if let Some(share) = &args.max_failures
        && matches!(share.value, Share::Percent(0))
    {
        errors.report(
            share,
            "a share is rounded up, so that \"0%\" could be read as one member; write \
             `max_failures = 0` for none",
        );
    }
}

fn time_to_become_healthy(args: &RolloutArgs, errors: &mut Errors) {
    if let Some(time) = &args.health_timeout {
        if time.0 == 0 {
            errors.report(
                time,
                "no member becomes healthy within no time; write one like \"60s\"",
            );
        } else if time.0 > DAY {
            errors.report(
                time,
                "a member takes no updates until it is healthy; give it a day, \"1d\", at most",
            );
        }
    }
}

fn not_too_long(time: Option<&Spanned<Seconds>>, subject: &str, errors: &mut Errors) {
    if let Some(time) = time.filter(|time| time.0 > MAX_DAYS * DAY) {
        errors.report(
            time,
            format!("{subject} {MAX_DAYS} days, \"{MAX_DAYS}d\", at most"),
        );
    }
}

fn kept_snapshots_are_taken(
    args: &RolloutArgs,
    snapshots: Option<&'static str>,
    errors: &mut Errors,
) {
    if let (Some(keep), Some(snapshot), Some("None")) = (&args.keep, &args.snapshot, snapshots)
        && keep.0 > 0
    {
        errors.report_conflict(
            (
                keep,
                "there are no snapshots to keep; remove `keep`, or write `snapshot = \"canary\"`",
            ),
            (snapshot, "root takes no snapshots, as this says"),
        );
    }
}

/// The variant that a word means.
fn word(
    option: &str,
    word: Option<&Spanned<Text>>,
    known: &[(&str, &'static str)],
    errors: &mut Errors,
) -> Option<&'static str> {
    let word = word?;
    let text = word.0.value();
    let meaning = known.iter().find(|(name, _)| *name == text);
    if meaning.is_none() {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        errors.report(
            word,
            format!("`{option}` has no `{text}`; {}", suggestion(&text, &names)),
        );
    }
    meaning.map(|(_, variant)| *variant)
}
