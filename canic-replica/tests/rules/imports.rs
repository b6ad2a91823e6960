//! The imports of `ic0`, as the interface specification lists them.

/// The interface specification's overview of imports: function, parameters, result, and the
/// contexts that may call it. `*` is every context but `start`. (`TQ`, the transformation of HTTP
/// responses, is left out.)
const IMPORTS: &str = "
    msg_arg_data_size                  -> i32 : I U RQ NRQ CQ Ry CRy F
    msg_arg_data_copy i32 i32 i32             : I U RQ NRQ CQ Ry CRy F
    msg_caller_size                    -> i32 : *
    msg_caller_copy i32 i32 i32               : *
    msg_caller_info_data_size          -> i32 : U RQ NRQ CQ Ry Rt CRy CRt C CC F
    msg_caller_info_data_copy i32 i32 i32     : U RQ NRQ CQ Ry Rt CRy CRt C CC F
    msg_caller_info_signer_size        -> i32 : U RQ NRQ CQ Ry Rt CRy CRt C CC F
    msg_caller_info_signer_copy i32 i32 i32   : U RQ NRQ CQ Ry Rt CRy CRt C CC F
    msg_reject_code                    -> i32 : Ry Rt CRy CRt C
    msg_reject_msg_size                -> i32 : Rt CRt
    msg_reject_msg_copy i32 i32 i32           : Rt CRt
    msg_deadline                       -> i64 : U RQ NRQ CQ Ry Rt CRy CRt
    msg_reply_data_append i32 i32             : U RQ NRQ CQ Ry Rt CRy CRt
    msg_reply                                 : U RQ NRQ CQ Ry Rt CRy CRt
    msg_reject i32 i32                        : U RQ NRQ CQ Ry Rt CRy CRt
    msg_cycles_available128 i32               : U RQ Rt Ry
    msg_cycles_refunded128 i32                : Rt Ry
    msg_cycles_accept128 i64 i64 i32          : U RQ Rt Ry
    cycles_burn128 i64 i64 i32                : I G U RQ Ry Rt C T
    canister_self_size                 -> i32 : *
    canister_self_copy i32 i32 i32            : *
    canister_cycle_balance128 i32             : *
    canister_liquid_cycle_balance128 i32      : *
    canister_status                    -> i32 : *
    canister_version                   -> i64 : *
    subnet_self_size                   -> i32 : *
    subnet_self_copy i32 i32 i32              : *
    subnet_self_node_count             -> i32 : *
    msg_method_name_size               -> i32 : F
    msg_method_name_copy i32 i32 i32          : F
    accept_message                            : F
    call_new i32 i32 i32 i32 i32 i32 i32 i32  : U CQ Ry Rt CRy CRt T
    call_on_cleanup i32 i32                   : U CQ Ry Rt CRy CRt T
    call_data_append i32 i32                  : U CQ Ry Rt CRy CRt T
    call_with_best_effort_response i32        : U CQ Ry Rt CRy CRt T
    call_cycles_add128 i64 i64                : U Ry Rt T
    call_perform                       -> i32 : U CQ Ry Rt CRy CRt T
    stable64_size                      -> i64 : * s
    stable64_grow i64                  -> i64 : * s
    stable64_write i64 i64 i64                : * s
    stable64_read i64 i64 i64                 : * s
    root_key_size                      -> i32 : I G U RQ Ry Rt C T
    root_key_copy i32 i32 i32                 : I G U RQ Ry Rt C T
    certified_data_set i32 i32                : I G U Ry Rt T
    data_certificate_present           -> i32 : *
    time                               -> i64 : *
    global_timer_set i64               -> i64 : I G U Ry Rt C T
    performance_counter i32            -> i64 : * s
    is_controller i32 i32              -> i32 : * s
    in_replicated_execution            -> i32 : * s
    cost_call i64 i64 i32                     : * s
    cost_create_canister i32                  : * s
    cost_http_request i64 i64 i32             : * s
    cost_http_request_v2 i32 i32 i32          : * s
    cost_sign_with_ecdsa i32 i32 i32 i32 -> i32 : * s
    cost_sign_with_schnorr i32 i32 i32 i32 -> i32 : * s
    cost_vetkd_derive_key i32 i32 i32 i32 -> i32 : * s
    env_var_count                      -> i32 : *
    env_var_name_size i32              -> i32 : *
    env_var_name_copy i32 i32 i32 i32         : *
    env_var_name_exists i32 i32        -> i32 : *
    env_var_value_size i32 i32         -> i32 : *
    env_var_value_copy i32 i32 i32 i32 i32    : *
    debug_print i32 i32                       : * s
    trap i32 i32                              : * s
    msg_cycles_available               -> i64 : U RQ Rt Ry
    msg_cycles_refunded                -> i64 : Rt Ry
    msg_cycles_accept i64              -> i64 : U RQ Rt Ry
    canister_cycle_balance             -> i64 : *
    call_cycles_add i64                       : U Ry Rt T
    stable_size                        -> i32 : * s
    stable_grow i32                    -> i32 : * s
    stable_write i32 i32 i32                  : * s
    stable_read i32 i32 i32                   : * s
";

/// Imports that the platform links beside these, and those that need a certificate.
const MORE: &str = "
    mint_cycles128 i64 i64 i32                : U Ry Rt T
    data_certificate_size              -> i32 : NRQ CQ
    data_certificate_copy i32 i32 i32         : NRQ CQ
";

pub(crate) struct Import {
    pub(crate) name: &'static str,
    pub(crate) parameters: Vec<&'static str>,
    pub(crate) result: Option<&'static str>,
    pub(crate) contexts: Vec<&'static str>,
}

pub(crate) fn imports() -> Vec<Import> {
    let lines = IMPORTS.lines().chain(MORE.lines());
    lines
        .filter_map(|line| {
            let (function, contexts) = line.split_once(':')?;
            let (function, result) = match function.split_once("->") {
                Some((function, result)) => (function, Some(result.trim())),
                None => (function, None),
            };
            let mut words = function.split_whitespace();
            Some(Import {
                name: words.next()?,
                parameters: words.collect(),
                result,
                contexts: contexts.split_whitespace().collect(),
            })
        })
        .collect()
}

impl Import {
    /// The import's declaration as `$name`.
    pub(crate) fn declaration(&self) -> String {
        let Self {
            name, parameters, ..
        } = self;
        let result = self.result.map(|ty| format!("(result {ty})"));
        format!(
            "(import \"ic0\" \"{name}\" (func ${name} (param {}) {}))\n",
            parameters.join(" "),
            result.unwrap_or_default()
        )
    }

    /// A call of the import, with a constant of each parameter's type.
    pub(crate) fn call(&self, mut constant: impl FnMut(&str) -> i64) -> String {
        let arguments: String = (self.parameters.iter())
            .map(|ty| format!(" ({ty}.const {})", constant(ty)))
            .collect();
        let call = format!("(call ${}{arguments})", self.name);
        match self.result {
            Some(_) => format!("(drop {call})"),
            None => call,
        }
    }

    pub(crate) fn is_allowed(&self, context: &str) -> bool {
        let star = context != "s" && self.contexts.contains(&"*");
        star || self.contexts.contains(&context)
    }
}

/// A module with all imports and one page of memory.
pub(crate) fn module(body: &str) -> Vec<u8> {
    let imports: String = imports().iter().map(Import::declaration).collect();
    wat::parse_str(format!("(module {imports} (memory 1) {body})")).unwrap()
}
