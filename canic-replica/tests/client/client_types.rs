//! Every field of the client's requests: what the server does with it, and the test that shows it.
//!
//! The values below are full: struct expressions name all fields, so that a new field does not
//! compile, and the tables are compared with the values' JSON, so that a new private field or an
//! optional one fails a test. Each field is honoured, and a test of this name exists, or it is
//! refused by its name, and the server says so.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use candid::Principal;
use pocket_ic::common::rest::{
    AutoProgressConfig, BlobId, CanisterCyclesCostSchedule, CanisterHttpHeader, CanisterHttpReject,
    CanisterHttpReply, CanisterHttpResponse, ExtendedSubnetConfigSet, HttpGatewayBackend,
    HttpGatewayConfig, HttpsConfig, IcpConfig, IcpConfigFlag, IcpFeatures, IcpFeaturesConfig,
    IncompleteStateFlag, InitialTime, InstanceConfig, InstanceHttpGatewayConfig, RawAddCycles,
    RawCanisterCall, RawCanisterId, RawCanisterSnapshotDownload, RawCanisterSnapshotId,
    RawCanisterSnapshotUpload, RawEffectivePrincipal, RawIngressStatusArgs, RawMessageId,
    RawMockCanisterHttpResponse, RawMockFlexibleCanisterHttpResponse, RawNodeId, RawPrincipalId,
    RawSenderInfo, RawSetStableMemory, RawSubnetBlockmakers, RawSubnetId, RawTickConfigs, RawTime,
    RawVerifyCanisterSigArg, SubnetInstructionConfig, SubnetSpec, SubnetStateConfig,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    common::only_ours,
    server::{Server, one_subnet},
};

/// What the server does with a field.
enum Fate {
    /// It does what the field says, as the test of this name shows.
    Honoured(&'static str),
    /// It refuses the field with this text.
    Refused(&'static str),
}

use Fate::{Honoured, Refused};

/// The fields of a request, by their paths in JSON. A field that is listed is listed with all that
/// lies below it.
type Table = &'static [(&'static str, Fate)];

const INSTANCE: Table = &[
    (
        "subnet_config_set.nns",
        Honoured("the_topology_lists_every_requested_subnet"),
    ),
    (
        "subnet_config_set.sns",
        Honoured("the_topology_lists_every_requested_subnet"),
    ),
    (
        "subnet_config_set.ii",
        Honoured("the_topology_lists_every_requested_subnet"),
    ),
    (
        "subnet_config_set.fiduciary",
        Honoured("the_topology_lists_every_requested_subnet"),
    ),
    (
        "subnet_config_set.bitcoin",
        Honoured("the_topology_lists_every_requested_subnet"),
    ),
    (
        "subnet_config_set.test_threshold_keys",
        Honoured("the_topology_lists_every_requested_subnet"),
    ),
    (
        "subnet_config_set.system",
        Honoured("the_topology_lists_every_requested_subnet"),
    ),
    (
        "subnet_config_set.verified_application",
        Honoured("the_topology_lists_every_requested_subnet"),
    ),
    (
        "subnet_config_set.cloud_engine",
        Honoured("a_cloud_engine_charges_nothing"),
    ),
    (
        "subnet_config_set.application.0.state_config",
        Refused("subnets with an existing state"),
    ),
    (
        "subnet_config_set.application.0.instruction_config",
        Honoured("subnets_have_the_options_of_their_specification"),
    ),
    (
        "subnet_config_set.application.0.subnet_admins",
        Honoured("the_topology_names_the_admins_of_a_subnet"),
    ),
    (
        "subnet_config_set.application.0.cost_schedule",
        Honoured("subnets_have_the_options_of_their_specification"),
    ),
    (
        "http_gateway_config.ip_addr",
        Honoured("an_instance_can_be_created_with_a_gateway_that_closes_with_it"),
    ),
    (
        "http_gateway_config.port",
        Honoured("an_instance_can_be_created_with_a_gateway_that_closes_with_it"),
    ),
    (
        "http_gateway_config.domains",
        Honoured("an_instance_can_be_created_with_a_gateway_that_closes_with_it"),
    ),
    (
        "http_gateway_config.https_config",
        Refused("HTTPS gateways"),
    ),
    (
        "http_gateway_config.domain_custom_provider_local_file",
        Refused("custom domains from a file"),
    ),
    ("state_dir", Honoured("a_state_directory_keeps_an_instance")),
    (
        "icp_config.beta_features",
        Honoured("a_flexible_outcall_is_answered_node_by_node"),
    ),
    (
        "icp_config.function_name_length_limits",
        Honoured("limits_of_the_network_can_be_lifted"),
    ),
    (
        "icp_config.canister_execution_rate_limiting",
        Honoured("limits_of_the_network_can_be_lifted"),
    ),
    (
        "log_level",
        Honoured("a_log_level_is_one_that_the_client_knows"),
    ),
    ("bitcoind_addr", Refused("a connection to bitcoind")),
    ("dogecoind_addr", Refused("a connection to dogecoind")),
    (
        "icp_features.registry",
        Refused("the system canisters of `registry` (icp_features)"),
    ),
    (
        "icp_features.cycles_minting",
        Honoured("icp_features_bring_system_canisters_with_their_subnets"),
    ),
    (
        "icp_features.icp_token",
        Honoured("icp_features_bring_system_canisters_with_their_subnets"),
    ),
    (
        "icp_features.cycles_token",
        Honoured("icp_features_bring_system_canisters_with_their_subnets"),
    ),
    (
        "icp_features.nns_governance",
        Refused("the system canisters of `nns_governance` (icp_features)"),
    ),
    (
        "icp_features.sns",
        Refused("the system canisters of `sns` (icp_features)"),
    ),
    (
        "icp_features.ii",
        Refused("the system canisters of `ii` (icp_features)"),
    ),
    (
        "icp_features.nns_ui",
        Refused("the system canisters of `nns_ui` (icp_features)"),
    ),
    (
        "icp_features.bitcoin",
        Refused("the system canisters of `bitcoin` (icp_features)"),
    ),
    (
        "icp_features.dogecoin",
        Refused("the system canisters of `dogecoin` (icp_features)"),
    ),
    (
        "icp_features.canister_migration",
        Refused("the system canisters of `canister_migration` (icp_features)"),
    ),
    ("incomplete_state", Refused("incomplete states")),
    (
        "initial_time",
        Honoured("an_instance_starts_at_the_time_it_is_given"),
    ),
    (
        "mainnet_nns_subnet_id",
        Honoured("the_nns_subnet_gets_its_mainnet_id"),
    ),
    (
        "disable_ingress_validation",
        Honoured("without_ingress_validation_any_clock_and_any_signature_are_taken"),
    ),
];

/// An instance with all options that the client knows. No server could create it.
fn instance(subnet: SubnetSpec) -> InstanceConfig {
    let one = || vec![SubnetSpec::default()];
    let feature = || Some(IcpFeaturesConfig::DefaultConfig);
    let flag = || Some(IcpConfigFlag::Disabled);
    let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
    InstanceConfig {
        subnet_config_set: ExtendedSubnetConfigSet {
            nns: Some(SubnetSpec::default()),
            sns: Some(SubnetSpec::default()),
            ii: Some(SubnetSpec::default()),
            fiduciary: Some(SubnetSpec::default()),
            bitcoin: Some(SubnetSpec::default()),
            test_threshold_keys: Some(SubnetSpec::default()),
            system: one(),
            application: vec![subnet],
            cloud_engine: one(),
            verified_application: one(),
        },
        http_gateway_config: Some(InstanceHttpGatewayConfig {
            ip_addr: Some("127.0.0.1".into()),
            port: Some(0),
            domains: Some(vec!["localhost".into()]),
            https_config: Some(https()),
            domain_custom_provider_local_file: Some("domains".into()),
        }),
        state_dir: Some("/tmp/state".into()),
        icp_config: Some(IcpConfig {
            beta_features: flag(),
            function_name_length_limits: flag(),
            canister_execution_rate_limiting: flag(),
        }),
        log_level: Some("info".into()),
        bitcoind_addr: Some(vec![address]),
        dogecoind_addr: Some(vec![address]),
        icp_features: Some(IcpFeatures {
            registry: feature(),
            cycles_minting: feature(),
            icp_token: feature(),
            cycles_token: feature(),
            nns_governance: feature(),
            sns: feature(),
            ii: feature(),
            nns_ui: feature(),
            bitcoin: feature(),
            dogecoin: feature(),
            canister_migration: feature(),
        }),
        incomplete_state: Some(IncompleteStateFlag::Enabled),
        initial_time: Some(InitialTime::Timestamp(RawTime {
            nanos_since_epoch: 1_700_000_000_000_000_000,
        })),
        mainnet_nns_subnet_id: Some(true),
        disable_ingress_validation: Some(true),
    }
}

fn https() -> HttpsConfig {
    HttpsConfig {
        cert_path: "cert".into(),
        key_path: "key".into(),
    }
}

/// A subnet with all options. Admins are for free subnets only.
fn full_subnet() -> SubnetSpec {
    SubnetSpec::default()
        .with_state_dir("/tmp/state".into())
        .with_benchmarking_instruction_config()
        .with_subnet_admins(vec![Principal::anonymous()])
        .with_cost_schedule(CanisterCyclesCostSchedule::Free)
}

const GATEWAY: Table = &[
    (
        "ip_addr",
        Honoured("gateways_that_cannot_be_opened_are_refused"),
    ),
    (
        "port",
        Honoured("gateways_that_cannot_be_opened_are_refused"),
    ),
    (
        "forward_to.PocketIcInstance",
        Honoured("a_page_is_served_by_a_query"),
    ),
    ("domains", Honoured("a_page_is_served_by_a_query")),
    ("https_config", Refused("HTTPS gateways")),
    (
        "domain_custom_provider_local_file",
        Refused("custom domains from a file"),
    ),
];

fn gateway(forward_to: HttpGatewayBackend) -> HttpGatewayConfig {
    HttpGatewayConfig {
        ip_addr: Some("127.0.0.1".into()),
        port: Some(0),
        forward_to,
        domains: Some(vec!["localhost".into()]),
        https_config: Some(https()),
        domain_custom_provider_local_file: Some("domains".into()),
    }
}

/// A type of requests, a value with all its fields, and the test that shows each field.
type Request = (&'static str, Value, &'static [(&'static str, &'static str)]);

/// The requests to an instance.
fn requests() -> Vec<Request> {
    let id = Principal::anonymous();
    let bytes = || id.as_slice().to_vec();
    let canister = || RawCanisterId::from(id);
    let message = || RawMessageId {
        effective_principal: RawEffectivePrincipal::SubnetId(bytes()),
        message_id: vec![0; 32],
    };
    let reply = CanisterHttpResponse::CanisterHttpReply(CanisterHttpReply {
        status: 200,
        headers: vec![CanisterHttpHeader {
            name: "a".into(),
            value: "b".into(),
        }],
        body: vec![1],
    });
    let reject = CanisterHttpResponse::CanisterHttpReject(CanisterHttpReject {
        reject_code: 2,
        message: "no".into(),
    });
    vec![
        (
            "RawCanisterCall",
            value(&RawCanisterCall {
                sender: bytes(),
                canister_id: bytes(),
                effective_principal: RawEffectivePrincipal::CanisterId(bytes()),
                method: "get".into(),
                payload: vec![1],
                sender_info: Some(RawSenderInfo {
                    info: vec![1],
                    signer: bytes(),
                }),
            }),
            &[
                ("sender", "only_controllers_manage_a_canister"),
                (
                    "canister_id",
                    "missing_methods_modules_and_canisters_are_named",
                ),
                (
                    "effective_principal",
                    "management_calls_run_on_the_subnet_of_the_effective_principal",
                ),
                ("method", "missing_methods_modules_and_canisters_are_named"),
                ("payload", "a_mocked_response_reaches_the_canister"),
                (
                    "sender_info.info",
                    "a_canister_sees_the_sender_info_of_its_caller",
                ),
                (
                    "sender_info.signer",
                    "a_canister_sees_the_sender_info_of_its_caller",
                ),
            ],
        ),
        (
            "RawAddCycles",
            value(&RawAddCycles {
                canister_id: bytes(),
                amount: 1,
            }),
            &[
                ("canister_id", "missing_canisters_and_instances_are_named"),
                ("amount", "cycles_are_given_and_spent"),
            ],
        ),
        (
            "RawIngressStatusArgs",
            value(&RawIngressStatusArgs {
                raw_message_id: message(),
                raw_caller: Some(RawPrincipalId::from(id)),
            }),
            &[
                (
                    "raw_message_id.effective_principal",
                    "a_message_is_known_on_its_own_subnet",
                ),
                (
                    "raw_message_id.message_id",
                    "a_submitted_message_waits_for_its_round",
                ),
                ("raw_caller", "a_submitted_message_waits_for_its_round"),
            ],
        ),
        (
            "RawTickConfigs",
            value(&RawTickConfigs {
                blockmakers: Some(vec![RawSubnetBlockmakers {
                    subnet: RawSubnetId::from(id),
                    blockmaker: RawNodeId::from(id),
                    failed_blockmakers: vec![RawNodeId::from(id)],
                }]),
            }),
            &[
                (
                    "blockmakers.0.subnet",
                    "a_tick_with_blockmakers_of_an_unknown_subnet_is_refused",
                ),
                ("blockmakers.0.blockmaker", "a_tick_can_name_the_blockmaker"),
                (
                    "blockmakers.0.failed_blockmakers",
                    "a_tick_can_name_the_blockmaker",
                ),
            ],
        ),
        (
            "RawTime",
            value(&RawTime {
                nanos_since_epoch: 1,
            }),
            &[(
                "nanos_since_epoch",
                "time_stands_still_between_rounds_and_is_set_forwards",
            )],
        ),
        (
            "AutoProgressConfig",
            value(&AutoProgressConfig {
                artificial_delay_ms: Some(1),
            }),
            &[("artificial_delay_ms", "rounds_keep_the_artificial_delay")],
        ),
        (
            "RawSetStableMemory",
            value(&RawSetStableMemory {
                canister_id: bytes(),
                blob_id: BlobId(vec![0; 32]),
            }),
            &[
                (
                    "canister_id",
                    "stable_memory_is_read_and_written_from_outside",
                ),
                ("blob_id", "stable_memory_is_read_and_written_from_outside"),
            ],
        ),
        (
            "RawVerifyCanisterSigArg",
            value(&RawVerifyCanisterSigArg {
                msg: vec![1],
                sig: vec![2],
                pubkey: vec![3],
                root_pubkey: vec![4],
            }),
            &[
                ("msg", "a_canister_can_sign_a_delegation"),
                ("sig", "a_canister_can_sign_a_delegation"),
                ("pubkey", "a_canister_can_sign_a_delegation"),
                ("root_pubkey", "a_canister_can_sign_a_delegation"),
            ],
        ),
        (
            "RawMockCanisterHttpResponse",
            value(&RawMockCanisterHttpResponse {
                subnet_id: RawSubnetId::from(id),
                request_id: 1,
                response: reply.clone(),
                additional_responses: vec![reject],
            }),
            &[
                ("subnet_id", "impossible_responses_are_refused"),
                ("request_id", "impossible_responses_are_refused"),
                (
                    "response.CanisterHttpReply.status",
                    "a_mocked_response_reaches_the_canister",
                ),
                (
                    "response.CanisterHttpReply.headers",
                    "a_mocked_response_reaches_the_canister",
                ),
                (
                    "response.CanisterHttpReply.body",
                    "a_mocked_response_reaches_the_canister",
                ),
                (
                    "additional_responses.0.CanisterHttpReject.reject_code",
                    "each_node_can_get_another_response",
                ),
                (
                    "additional_responses.0.CanisterHttpReject.message",
                    "each_node_can_get_another_response",
                ),
            ],
        ),
        (
            "RawMockFlexibleCanisterHttpResponse",
            value(&RawMockFlexibleCanisterHttpResponse {
                subnet_id: RawSubnetId::from(id),
                request_id: 1,
                responses: vec![reply],
            }),
            &[
                ("subnet_id", "a_flexible_outcall_is_answered_node_by_node"),
                ("request_id", "a_flexible_outcall_is_answered_node_by_node"),
                ("responses", "a_flexible_outcall_is_answered_node_by_node"),
            ],
        ),
        (
            "RawCanisterSnapshotDownload",
            value(&RawCanisterSnapshotDownload {
                sender: RawPrincipalId::from(id),
                canister_id: canister(),
                snapshot_id: vec![1],
                snapshot_dir: PathBuf::from("/tmp"),
            }),
            &[
                ("sender", "invalid_directories_and_snapshots_are_refused"),
                (
                    "canister_id",
                    "a_snapshot_moves_through_a_directory_into_another_instance",
                ),
                (
                    "snapshot_id",
                    "invalid_directories_and_snapshots_are_refused",
                ),
                (
                    "snapshot_dir",
                    "a_snapshot_moves_through_a_directory_into_another_instance",
                ),
            ],
        ),
        (
            "RawCanisterSnapshotUpload",
            value(&RawCanisterSnapshotUpload {
                sender: RawPrincipalId::from(id),
                canister_id: canister(),
                replace_snapshot: Some(RawCanisterSnapshotId {
                    snapshot_id: vec![1],
                }),
                snapshot_dir: PathBuf::from("/tmp"),
            }),
            &[
                ("sender", "invalid_directories_and_snapshots_are_refused"),
                (
                    "canister_id",
                    "a_snapshot_moves_through_a_directory_into_another_instance",
                ),
                (
                    "replace_snapshot",
                    "a_snapshot_moves_through_a_directory_into_another_instance",
                ),
                (
                    "snapshot_dir",
                    "a_snapshot_moves_through_a_directory_into_another_instance",
                ),
            ],
        ),
    ]
}

fn value(request: &impl Serialize) -> Value {
    serde_json::to_value(request).unwrap()
}

/// The paths of all values without a path in `listed`.
fn unlisted(value: &Value, path: &str, listed: &mut BTreeSet<&str>, found: &mut Vec<String>) {
    if listed.remove(path) {
        // An option that is not there hides what lies below it.
        assert!(!value.is_null(), "{path}");
        return;
    }
    let below = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                unlisted(value, &below(key), listed, found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                unlisted(item, &below(&index.to_string()), listed, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

/// Checks that a table lists all fields of a request, and no others.
fn assert_complete<'a>(name: &str, value: &Value, paths: impl Iterator<Item = &'a str>) {
    let mut listed: BTreeSet<_> = paths.collect();
    let mut found = Vec::new();
    unlisted(value, "", &mut listed, &mut found);
    assert!(found.is_empty(), "{name}: nobody has decided on {found:?}");
    assert!(listed.is_empty(), "{name} has no {listed:?} any more");
}

#[test]
fn every_field_of_the_clients_types_is_honoured_or_refused() {
    let paths = |table: Table| table.iter().map(|(path, _)| *path);
    assert_complete(
        "InstanceConfig",
        &value(&instance(full_subnet())),
        paths(INSTANCE),
    );
    let forward_to = HttpGatewayBackend::PocketIcInstance(0);
    assert_complete(
        "HttpGatewayConfig",
        &value(&gateway(forward_to)),
        paths(GATEWAY),
    );
    for (name, value, table) in requests() {
        assert_complete(name, &value, table.iter().map(|(path, _)| *path));
    }
    // The variants that the values above do not show: a new one does not compile.
    match SubnetStateConfig::New {
        SubnetStateConfig::New
        | SubnetStateConfig::FromPath(_)
        | SubnetStateConfig::FromBlobStore(_) => {}
    }
    match SubnetInstructionConfig::Production {
        SubnetInstructionConfig::Production | SubnetInstructionConfig::Benchmarking => {}
    }
    match HttpGatewayBackend::PocketIcInstance(0) {
        HttpGatewayBackend::PocketIcInstance(_) | HttpGatewayBackend::Replica(_) => {}
    }
    match RawEffectivePrincipal::None {
        RawEffectivePrincipal::None
        | RawEffectivePrincipal::SubnetId(_)
        | RawEffectivePrincipal::CanisterId(_) => {}
    }
}

#[test]
fn every_honoured_field_has_its_test() {
    const TESTS: [&str; 10] = [
        include_str!("agent.rs"),
        include_str!("canisters.rs"),
        include_str!("gateway.rs"),
        include_str!("instances.rs"),
        include_str!("management.rs"),
        include_str!("methods.rs"),
        include_str!("options.rs"),
        include_str!("outcalls.rs"),
        include_str!("own.rs"),
        include_str!("snapshots.rs"),
    ];
    let requests = requests();
    let of_requests = requests.iter().flat_map(|(_, _, table)| table.iter());
    let of_options = INSTANCE
        .iter()
        .chain(GATEWAY)
        .filter_map(|(path, fate)| match fate {
            Honoured(test) => Some((*path, *test)),
            Refused(_) => None,
        });
    for (path, test) in of_requests.copied().chain(of_options) {
        let head = format!("#[test]\nfn {test}() {{");
        assert!(
            TESTS.iter().any(|file| file.contains(&head)),
            "{path}: {test}"
        );
    }
}

/// The same value with a single field out of another value: other optional fields on the way are
/// left out.
fn with_field(base: &Value, full: &Value, path: &[&str]) -> Value {
    let Some((key, rest)) = path.split_first() else {
        return full.clone();
    };
    if let Ok(index) = key.parse::<usize>() {
        let base = base.get(index).unwrap_or(&Value::Null);
        return json!([with_field(base, &full[index], rest)]);
    }
    let mut object = match base {
        Value::Object(fields) => fields.clone(),
        _ => full
            .as_object()
            .unwrap()
            .keys()
            .map(|key| (key.clone(), Value::Null))
            .collect(),
    };
    let field = with_field(&base[key], &full[key], rest);
    object.insert((*key).to_owned(), field);
    Value::Object(object)
}

#[test]
fn every_refused_field_is_refused_by_its_name() {
    if !only_ours("this server serves options that ours does not") {
        return;
    }
    let server = Server::start("refused-fields", &[]);
    let refuses = |path: &str, body: Value, name: &str| {
        let message = format!("canic-replica does not serve {name}");
        server.assert_refuses("POST", path, body.to_string(), (501, &message));
    };
    let refused = |table: Table| {
        table.iter().filter_map(|(path, fate)| match fate {
            Honoured(_) => None,
            Refused(name) => Some((path.split('.').collect::<Vec<_>>(), *name)),
        })
    };
    // Admins are for free subnets, which are served.
    let free = SubnetSpec::default().with_cost_schedule(CanisterCyclesCostSchedule::Free);
    let mut base = one_subnet();
    base["subnet_config_set"]["application"] = json!([free]);
    let full = value(&instance(full_subnet()));
    for (path, name) in refused(INSTANCE) {
        refuses("/instances", with_field(&base, &full, &path), name);
    }
    let mut stored = base.clone();
    stored["subnet_config_set"]["application"][0]["state_config"] =
        value(&SubnetStateConfig::FromBlobStore(BlobId(vec![0; 32])));
    refuses("/instances", stored, "subnets with an existing state");
    // None of these requests left an instance.
    let statuses = server.send("GET", "/instances/", "").1;
    assert!(!statuses.contains("Available"), "{statuses}");
    let created = server.send("POST", "/instances", base.to_string());
    assert_eq!(created.0, 201, "{}", created.1);

    let id = server.instance();
    let id: usize = id.rsplit('/').next().unwrap().parse().unwrap();
    let full = value(&gateway(HttpGatewayBackend::PocketIcInstance(id)));
    let base = json!({ "forward_to": { "PocketIcInstance": id } });
    for (path, name) in refused(GATEWAY) {
        refuses("/http_gateway", with_field(&base, &full, &path), name);
    }
    let replica = HttpGatewayBackend::Replica("http://localhost:1".into());
    let replica = json!({ "forward_to": replica });
    refuses(
        "/http_gateway",
        replica,
        "HTTP gateways in front of another replica",
    );
}
