//! The configuration of an instance, from PocketIC's form. Options that the server does not have
//! are refused by name. The types are destructured without `..`, so that a new option does not
//! compile before somebody has decided on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    http::{
        answer::{Answer, Failure},
        instances::Validation,
        operations::principal,
        protocol::{
            CanisterCyclesCostSchedule, ExtendedSubnetConfigSet, IcpConfig, IcpConfigFlag,
            IcpFeatures, IcpFeaturesConfig, IncompleteStateFlag, InitialTime, InstanceConfig,
            SubnetInstructionConfig, SubnetSpec, SubnetStateConfig,
        },
    },
    network::Config,
    state_file::StateFolder,
    subnets::{SubnetKind, SubnetOptions},
    system::SystemCanisters,
};

/// 2021-05-06T19:17:10Z, PocketIC's default and the earliest time it accepts, in nanoseconds since
/// 1970.
const EARLIEST: u64 = 1_620_328_630_000_000_000;
/// 2021-05-10T08:00:01Z, the same with a cycles minting canister: one second after the rate that
/// the canister knows from the start.
const EARLIEST_WITH_MINTING: u64 = 1_620_633_601_000_000_000;
/// The names of the log levels of PocketIC.
const LOG_LEVELS: [&str; 12] = [
    "critical", "crit", "error", "erro", "warning", "warn", "info", "debug", "debg", "trace",
    "trce", "off",
];

/// The configuration for PocketIC's `config`, and whether agents' requests are validated. The
/// server acts on the initial progress and on the gateway itself.
pub(super) fn config(config: &InstanceConfig) -> Answer<(Config, Validation)> {
    let InstanceConfig {
        subnet_config_set,
        http_gateway_config: _, // opened by the server
        state_dir,
        icp_config,
        log_level,
        bitcoind_addr,
        dogecoind_addr,
        icp_features,
        incomplete_state,
        initial_time,
        mainnet_nns_subnet_id,
        disable_ingress_validation,
    } = config;
    let incomplete = *incomplete_state == Some(IncompleteStateFlag::Enabled);
    refuse(incomplete, "incomplete states")?;
    refuse(bitcoind_addr.is_some(), "a connection to bitcoind")?;
    refuse(dogecoind_addr.is_some(), "a connection to dogecoind")?;
    let features = icp_features.clone().unwrap_or_default();
    let system_canisters = system_canisters(&features)?;
    let subnet_config_set = with_subnets_of(system_canisters, subnet_config_set.clone());
    // A state brings its subnets and its time.
    let has_state = state_dir.as_deref().is_some_and(StateFolder::has_state);
    if has_state && matches!(initial_time, Some(InitialTime::Timestamp(_))) {
        return Err(Failure::bad_request(
            "an instance with a state has the time of that state".to_owned(),
        ));
    }
    if !has_state {
        check_subnets(&subnet_config_set)?;
    }
    check_log_level(log_level.as_deref())?;
    let IcpConfig {
        beta_features,
        function_name_length_limits,
        canister_execution_rate_limiting,
    } = icp_config.clone().unwrap_or_default();
    let (subnets, options) = subnets(&subnet_config_set)?;
    let validation = match disable_ingress_validation {
        Some(true) => Validation::Disabled,
        None | Some(false) => Validation::Enabled,
    };
    let config = Config {
        subnets,
        options,
        time: time(initial_time.as_ref(), system_canisters)?,
        rate_limited: canister_execution_rate_limiting != Some(IcpConfigFlag::Disabled),
        limits_method_names: function_name_length_limits != Some(IcpConfigFlag::Disabled),
        beta_features: beta_features == Some(IcpConfigFlag::Enabled),
        mainnet_nns_id: *mainnet_nns_subnet_id == Some(true),
        system_canisters,
    };
    Ok((config, validation))
}

/// Refuses an option by its name if a client asks for it.
fn refuse(is_asked: bool, what: &str) -> Answer<()> {
    match is_asked {
        true => Err(Failure::not_served(what)),
        false => Ok(()),
    }
}

/// The system canisters that a client asks for.
fn system_canisters(features: &IcpFeatures) -> Answer<SystemCanisters> {
    let IcpFeatures {
        registry,
        cycles_minting,
        icp_token,
        cycles_token,
        nns_governance,
        sns,
        ii,
        nns_ui,
        bitcoin,
        dogecoin,
        canister_migration,
    } = features;
    for (feature, name) in [
        (registry, "registry"),
        (nns_governance, "nns_governance"),
        (sns, "sns"),
        (ii, "ii"),
        (nns_ui, "nns_ui"),
        (bitcoin, "bitcoin"),
        (dogecoin, "dogecoin"),
        (canister_migration, "canister_migration"),
    ] {
        let what = format!("the system canisters of `{name}` (icp_features)");
        refuse(feature.is_some(), &what)?;
    }
    let is_wanted = |feature: &Option<IcpFeaturesConfig>| match feature {
        Some(IcpFeaturesConfig::DefaultConfig) => true,
        None => false,
    };
    Ok(SystemCanisters {
        icp_ledger: is_wanted(icp_token),
        cycles_ledger: is_wanted(cycles_token),
        cycles_minting: is_wanted(cycles_minting),
    })
}

/// Adds the subnets of the system canisters, if they are not asked for.
fn with_subnets_of(
    system: SystemCanisters,
    mut set: ExtendedSubnetConfigSet,
) -> ExtendedSubnetConfigSet {
    if system.icp_ledger || system.cycles_minting {
        set.nns.get_or_insert_default();
    }
    if system.cycles_ledger {
        set.ii.get_or_insert_default();
    }
    set
}

/// Checks the rules for subnets: which of them can have admins, and which are free.
fn check_subnets(set: &ExtendedSubnetConfigSet) -> Answer<()> {
    let named = [&set.nns, &set.sns, &set.ii, &set.fiduciary, &set.bitcoin];
    let named = named
        .into_iter()
        .chain([&set.test_threshold_keys])
        .flatten();
    let mut charging = named.chain(&set.system).chain(&set.verified_application);
    let mut others = set.application.iter().chain(&set.cloud_engine);
    let is_free = |spec: &SubnetSpec| spec.cost_schedule == CanisterCyclesCostSchedule::Free;
    let broken_rules = [
        (
            charging.clone().any(|spec| spec.subnet_admins.is_some()),
            "only subnets of the kinds `Application` and `CloudEngine` have subnet admins",
        ),
        (
            charging.clone().any(is_free),
            "only subnets of the kinds `Application` and `CloudEngine` have a cost schedule",
        ),
        (
            others
                .clone()
                .any(|spec| spec.subnet_admins.is_some() && !is_free(spec)),
            "only subnets with the cost schedule `Free` have subnet admins",
        ),
        (
            set.cloud_engine.iter().any(|spec| !is_free(spec)),
            "subnets of the kind `CloudEngine` have the cost schedule `Free`",
        ),
        (
            charging.next().is_none() && others.next().is_none(),
            "an instance has at least one subnet",
        ),
    ];
    match broken_rules.into_iter().find(|(is_broken, _)| *is_broken) {
        Some((_, rule)) => Err(Failure::bad_request(rule)),
        None => Ok(()),
    }
}

/// Checks a log level. The server writes no log of an instance at any level.
fn check_log_level(level: Option<&str>) -> Answer<()> {
    match level {
        Some(level) if !LOG_LEVELS.contains(&level.to_ascii_lowercase().as_str()) => Err(
            Failure::bad_request(format!("`{level}` (log_level) is not a log level")),
        ),
        _ => Ok(()),
    }
}

/// All subnets in PocketIC's order, named subnets first, and the options of those that have any.
fn subnets(
    set: &ExtendedSubnetConfigSet,
) -> Answer<(Vec<SubnetKind>, BTreeMap<usize, SubnetOptions>)> {
    let ExtendedSubnetConfigSet {
        nns,
        sns,
        ii,
        fiduciary,
        bitcoin,
        test_threshold_keys,
        system,
        application,
        cloud_engine,
        verified_application,
    } = set;
    let all = [
        (SubnetKind::NNS, nns.as_slice()),
        (SubnetKind::SNS, sns.as_slice()),
        (SubnetKind::II, ii.as_slice()),
        (SubnetKind::Fiduciary, fiduciary.as_slice()),
        (SubnetKind::Bitcoin, bitcoin.as_slice()),
        (
            SubnetKind::TestThresholdKeys,
            test_threshold_keys.as_slice(),
        ),
        (SubnetKind::System, system),
        (SubnetKind::Application, application),
        (SubnetKind::CloudEngine, cloud_engine),
        (SubnetKind::VerifiedApplication, verified_application),
    ];
    let (mut kinds, mut options) = (Vec::new(), BTreeMap::new());
    for (kind, specs) in all {
        for spec in specs {
            let own = subnet_options(spec)?;
            if own != SubnetOptions::default() {
                options.insert(kinds.len(), own);
            }
            kinds.push(kind);
        }
    }
    Ok((kinds, options))
}

/// The options of a subnet.
fn subnet_options(spec: &SubnetSpec) -> Answer<SubnetOptions> {
    let SubnetSpec {
        state_config,
        instruction_config,
        subnet_admins,
        cost_schedule,
    } = spec;
    let has_state = *state_config != SubnetStateConfig::New;
    refuse(has_state, "subnets with an existing state")?;
    let admins = subnet_admins.iter().flatten();
    Ok(SubnetOptions {
        is_free: *cost_schedule == CanisterCyclesCostSchedule::Free,
        is_benchmarking: *instruction_config == SubnetInstructionConfig::Benchmarking,
        admins: admins
            .map(|admin| principal(&admin.principal_id))
            .collect::<Answer<BTreeSet<_>>>()?,
    })
}

/// The initial time of an instance. With automatic progress the first round sets it.
fn time(initial: Option<&InitialTime>, system: SystemCanisters) -> Answer<Option<u64>> {
    let earliest = match system.cycles_minting {
        true => EARLIEST_WITH_MINTING,
        false => EARLIEST,
    };
    let time = match initial {
        None | Some(InitialTime::AutoProgress(_)) => return Ok(Some(earliest)),
        Some(InitialTime::Timestamp(time)) => time.nanos_since_epoch,
    };
    if time < earliest {
        return Err(Failure::bad_request(format!(
            "The initial timestamp (unix timestamp in nanoseconds) must be no earlier than \
             {earliest} (provided {time})."
        )));
    }
    Ok(Some(time))
}
