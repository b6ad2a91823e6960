//! The configuration of an instance, from PocketIC's type. Unsupported options are refused by name.

use std::collections::BTreeSet;

use candid::Principal;
use pocket_ic::common::rest::{
    CanisterCyclesCostSchedule, ExtendedSubnetConfigSet, IcpConfig, IcpConfigFlag, IcpFeatures,
    IncompleteStateFlag, InitialTime, InstanceConfig, SubnetInstructionConfig,
    SubnetKind as RestKind, SubnetSpec,
};

use crate::{
    http::answer::{Answer, Failure},
    network::Config,
    subnets::SubnetKind,
};

/// 2021-05-06T19:17:10Z, PocketIC's default and the earliest time it accepts, in nanoseconds since
/// 1970.
const EARLIEST: u64 = 1_620_328_630_000_000_000;

/// The configuration for PocketIC's `config`.
pub(super) fn config(config: &InstanceConfig) -> Answer<Config> {
    config
        .subnet_config_set
        .validate()
        .map_err(Failure::bad_request)?;
    let refused = [
        (config.state_dir.is_some(), "a state directory"),
        (
            config.incomplete_state == Some(IncompleteStateFlag::Enabled),
            "incomplete states",
        ),
        (config.bitcoind_addr.is_some(), "a connection to bitcoind"),
        (config.dogecoind_addr.is_some(), "a connection to dogecoind"),
        (
            config
                .icp_features
                .as_ref()
                .is_some_and(|f| *f != IcpFeatures::default()),
            "system canisters (icp_features)",
        ),
        (
            config.mainnet_nns_subnet_id == Some(true),
            "the NNS subnet under its mainnet id",
        ),
    ];
    for (asked, what) in refused {
        if asked {
            return Err(Failure::not_served(what));
        }
    }
    if let Some(flags) = &config.icp_config {
        check_flags(flags)?;
    }
    Ok(Config {
        subnets: subnets(&config.subnet_config_set)?,
        time: time(config.initial_time.as_ref())?,
        rate_limited: config
            .icp_config
            .as_ref()
            .and_then(|flags| flags.canister_execution_rate_limiting.as_ref())
            != Some(&IcpConfigFlag::Disabled),
    })
}

/// Checks that flags ask for the default only. PocketIC's beta features of outcalls are always
/// enabled.
fn check_flags(flags: &IcpConfig) -> Answer<()> {
    match flags.function_name_length_limits {
        Some(IcpConfigFlag::Disabled) => Err(Failure::not_served("function names of any length")),
        None | Some(IcpConfigFlag::Enabled) => Ok(()),
    }
}

/// All subnets in PocketIC's order, named subnets first.
fn subnets(set: &ExtendedSubnetConfigSet) -> Answer<Vec<SubnetKind>> {
    let of = |(kind, spec)| check_subnet(kind, spec).map(|()| from_rest(kind));
    specs(set).map(of).collect()
}

/// The admins of each subnet, in the same order.
pub(super) fn admins(set: &ExtendedSubnetConfigSet) -> Vec<BTreeSet<Principal>> {
    let of = |(_, spec): (_, &SubnetSpec)| spec.get_subnet_admins().into_iter().flatten().collect();
    specs(set).map(of).collect()
}

fn specs(set: &ExtendedSubnetConfigSet) -> impl Iterator<Item = (RestKind, &SubnetSpec)> {
    use RestKind::{
        Application, Bitcoin, CloudEngine, Fiduciary, II, NNS, SNS, System, TestThresholdKeys,
        VerifiedApplication,
    };
    let all = [
        (NNS, set.nns.as_slice()),
        (SNS, set.sns.as_slice()),
        (II, set.ii.as_slice()),
        (Fiduciary, set.fiduciary.as_slice()),
        (Bitcoin, set.bitcoin.as_slice()),
        (TestThresholdKeys, set.test_threshold_keys.as_slice()),
        (System, &set.system),
        (Application, &set.application),
        (CloudEngine, &set.cloud_engine),
        (VerifiedApplication, &set.verified_application),
    ];
    let of_kind =
        |(kind, specs): (RestKind, _)| <[SubnetSpec]>::iter(specs).map(move |spec| (kind, spec));
    all.into_iter().flat_map(of_kind)
}

fn check_subnet(kind: RestKind, spec: &SubnetSpec) -> Answer<()> {
    if spec.get_state_path().is_some() || !spec.is_supported() {
        return Err(Failure::not_served("subnets with an existing state"));
    }
    if spec.get_instruction_config() != SubnetInstructionConfig::Production {
        return Err(Failure::not_served(
            "benchmarking subnets (other instruction limits than production)",
        ));
    }
    if spec.get_cost_schedule() != cost_schedule(kind) {
        return Err(Failure::not_served(
            "application subnets with a free cost schedule",
        ));
    }
    Ok(())
}

/// The only cost schedule that PocketIC accepts for a kind of subnet.
pub(super) fn cost_schedule(kind: RestKind) -> CanisterCyclesCostSchedule {
    match kind {
        RestKind::CloudEngine => CanisterCyclesCostSchedule::Free,
        _ => CanisterCyclesCostSchedule::Normal,
    }
}

/// The initial time of an instance. With automatic progress the first round sets it.
fn time(initial: Option<&InitialTime>) -> Answer<Option<u64>> {
    let Some(InitialTime::Timestamp(time)) = initial else {
        return Ok(None);
    };
    let time = time.nanos_since_epoch;
    if time < EARLIEST {
        return Err(Failure::bad_request(format!(
            "the initial time {time} ns lies before 2021-05-06T19:17:10Z ({EARLIEST} ns), the \
             earliest one"
        )));
    }
    Ok(Some(time))
}

fn from_rest(kind: RestKind) -> SubnetKind {
    match kind {
        RestKind::Application => SubnetKind::Application,
        RestKind::Bitcoin => SubnetKind::Bitcoin,
        RestKind::CloudEngine => SubnetKind::CloudEngine,
        RestKind::Fiduciary => SubnetKind::Fiduciary,
        RestKind::II => SubnetKind::II,
        RestKind::NNS => SubnetKind::NNS,
        RestKind::SNS => SubnetKind::SNS,
        RestKind::System => SubnetKind::System,
        RestKind::TestThresholdKeys => SubnetKind::TestThresholdKeys,
        RestKind::VerifiedApplication => SubnetKind::VerifiedApplication,
    }
}

/// PocketIC's name of a kind of subnet.
pub(super) fn to_rest(kind: SubnetKind) -> RestKind {
    match kind {
        SubnetKind::Application => RestKind::Application,
        SubnetKind::Bitcoin => RestKind::Bitcoin,
        SubnetKind::CloudEngine => RestKind::CloudEngine,
        SubnetKind::Fiduciary => RestKind::Fiduciary,
        SubnetKind::II => RestKind::II,
        SubnetKind::NNS => RestKind::NNS,
        SubnetKind::SNS => RestKind::SNS,
        SubnetKind::System => RestKind::System,
        SubnetKind::TestThresholdKeys => RestKind::TestThresholdKeys,
        SubnetKind::VerifiedApplication => RestKind::VerifiedApplication,
    }
}
