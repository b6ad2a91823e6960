//! The imports of `ic0`, as the interface specification lists them.

/// The interface specification's overview of imports: function, parameters, result, and the
/// contexts that may call it. `I` is `i64` for a module with a 64-bit memory, and `i32` for others.
/// `*` is every context but `start`. (`TQ`, the transformation of HTTP responses, is left out.)
const IMPORTS: &str = "
    msg_arg_data_size                  -> I   : I U RQ NRQ CQ Ry CRy F
    msg_arg_data_copy I I I                   : I U RQ NRQ CQ Ry CRy F
    msg_caller_size                    -> I   : *
    msg_caller_copy I I I                     : *
    msg_caller_info_data_size          -> I   : U RQ NRQ CQ Ry Rt CRy CRt C CC F
    msg_caller_info_data_copy I I I           : U RQ NRQ CQ Ry Rt CRy CRt C CC F
    msg_caller_info_signer_size        -> I   : U RQ NRQ CQ Ry Rt CRy CRt C CC F
    msg_caller_info_signer_copy I I I         : U RQ NRQ CQ Ry Rt CRy CRt C CC F
    msg_reject_code                    -> i32 : Ry Rt CRy CRt C
    msg_reject_msg_size                -> I   : Rt CRt
    msg_reject_msg_copy I I I                 : Rt CRt
    msg_deadline                       -> i64 : U RQ NRQ CQ Ry Rt CRy CRt
    msg_reply_data_append I I                 : U RQ NRQ CQ Ry Rt CRy CRt
    msg_reply                                 : U RQ NRQ CQ Ry Rt CRy CRt
    msg_reject I I                            : U RQ NRQ CQ Ry Rt CRy CRt
    msg_cycles_available128 I                 : U RQ Rt Ry
    msg_cycles_refunded128 I                  : Rt Ry
    msg_cycles_accept128 i64 i64 I            : U RQ Rt Ry
    cycles_burn128 i64 i64 I                  : I G U RQ Ry Rt C T
    canister_self_size                 -> I   : *
    canister_self_copy I I I                  : *
    canister_cycle_balance128 I               : *
    canister_liquid_cycle_balance128 I        : *
    canister_status                    -> i32 : *
    canister_version                   -> i64 : *
    subnet_self_size                   -> I   : *
    subnet_self_copy I I I                    : *
    subnet_self_node_count             -> i32 : *
    msg_method_name_size               -> I   : F
    msg_method_name_copy I I I                : F
    accept_message                            : F
    call_new I I I I I I I I                  : U CQ Ry Rt CRy CRt T
    call_on_cleanup I I                       : U CQ Ry Rt CRy CRt T
    call_data_append I I                      : U CQ Ry Rt CRy CRt T
    call_with_best_effort_response i32        : U CQ Ry Rt CRy CRt T
    call_cycles_add128 i64 i64                : U Ry Rt T
    call_perform                       -> i32 : U CQ Ry Rt CRy CRt T
    stable64_size                      -> i64 : * s
    stable64_grow i64                  -> i64 : * s
    stable64_write i64 i64 i64                : * s
    stable64_read i64 i64 i64                 : * s
    root_key_size                      -> I   : I G U RQ Ry Rt C T
    root_key_copy I I I                       : I G U RQ Ry Rt C T
    certified_data_set I I                    : I G U Ry Rt T
    data_certificate_present           -> i32 : *
    time                               -> i64 : *
    global_timer_set i64               -> i64 : I G U Ry Rt C T
    performance_counter i32            -> i64 : * s
    is_controller I I                  -> i32 : * s
    in_replicated_execution            -> i32 : * s
    cost_call i64 i64 I                       : * s
    cost_create_canister I                    : * s
    cost_http_request i64 i64 I               : * s
    cost_http_request_v2 I I I                : * s
    cost_sign_with_ecdsa I I i32 I     -> i32 : * s
    cost_sign_with_schnorr I I i32 I   -> i32 : * s
    cost_vetkd_derive_key I I i32 I    -> i32 : * s
    env_var_count                      -> I   : *
    env_var_name_size I                -> I   : *
    env_var_name_copy I I I I                 : *
    env_var_name_exists I I            -> i32 : *
    env_var_value_size I I             -> I   : *
    env_var_value_copy I I I I I              : *
    debug_print I I                           : * s
    trap I I                                  : * s
";

/// The imports that only a module without a 64-bit memory may have.
const NARROW: &str = "
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
    mint_cycles128 i64 i64 I                  : U Ry Rt T
    data_certificate_size              -> I   : NRQ CQ
    data_certificate_copy I I I               : NRQ CQ
";

pub(crate) struct Import {
    pub(crate) name: &'static str,
    pub(crate) parameters: Vec<&'static str>,
    pub(crate) result: Option<&'static str>,
    pub(crate) contexts: Vec<&'static str>,
}

/// All imports of a module with a 32-bit memory.
pub(crate) fn imports() -> Vec<Import> {
    let tables = [IMPORTS, NARROW, MORE];
    tables.iter().flat_map(|table| read(table, "i32")).collect()
}

/// All imports of a module with a 64-bit memory.
pub(crate) fn wide_imports() -> Vec<Import> {
    let tables = [IMPORTS, MORE];
    tables.iter().flat_map(|table| read(table, "i64")).collect()
}

/// The imports that a module with a 64-bit memory may not have.
pub(crate) fn narrow_imports() -> Vec<Import> {
    read(NARROW, "i32")
}

fn read(table: &'static str, pointer: &'static str) -> Vec<Import> {
    let ty = |word| if word == "I" { pointer } else { word };
    table
        .lines()
        .filter_map(|line| {
            let (function, contexts) = line.split_once(':')?;
            let (function, result) = match function.split_once("->") {
                Some((function, result)) => (function, Some(ty(result.trim()))),
                None => (function, None),
            };
            let mut words = function.split_whitespace();
            Some(Import {
                name: words.next()?,
                parameters: words.map(ty).collect(),
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

/// A module with all imports of a 64-bit memory. The body has the memory.
pub(crate) fn wide_module(body: &str) -> Vec<u8> {
    let imports: String = wide_imports().iter().map(Import::declaration).collect();
    wat::parse_str(format!("(module {imports} {body})")).unwrap()
}
