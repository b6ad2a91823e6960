//! Traps: the reasons for which a message is rolled back.
//!
//! The texts are the first lines of the platform's texts. Its advice and links are left out.

use std::fmt;

use candid::Principal;

use crate::{
    execution::message::Context,
    reject::{Reject, RejectCode},
};

/// Traps: the reasons for which a message is rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    /// `ic0.trap`.
    Called(String),
    /// An error of the virtual machine: unreachable code, memory out of bounds, …
    Wasm(String),
    /// A system call that the context, or its arguments, do not allow.
    Contract(String),
    /// Bytes that are no principal where one is expected.
    Principal,
    /// An unknown environment variable: a sentence without its full stop.
    Variable(String),
    /// A callback names a function that the table does not have.
    Function(u32),
    /// Too many instructions.
    Instructions(u64),
    /// Not enough cycles for a system call.
    Cycles(String),
    /// More memory than the canister's settings allow: the limit and the requested size, in bytes.
    MemoryLimit(u64, u64),
    /// Not enough cycles for the freezing threshold of more memory: the additional bytes, and the
    /// missing cycles, of which only a controller learns.
    Growth(u64, Option<u128>),
    /// A message accesses more pages of stable memory than the platform allows.
    Pages(String),
    /// A callback and its cleanup, in this order.
    Cleanup(Box<Trap>, Box<Trap>),
    /// There is no such method: its kind and name.
    NoMethod(&'static str, String),
    NoModule,
}

impl Trap {
    /// For a system call outside of its contexts.
    pub(crate) fn forbidden(name: &str, context: Context) -> Self {
        Self::Contract(format!(
            "\"ic0_{name}\" cannot be executed in {} mode",
            context.name()
        ))
    }

    pub(crate) fn error_code(&self) -> &'static str {
        match self {
            Self::Cleanup(callback, _) => callback.error_code(),
            Self::Wasm(_) => "IC0502",
            Self::Called(_) => "IC0503",
            Self::Contract(_) | Self::Principal | Self::Variable(_) | Self::Cycles(_) => "IC0504",
            Self::Function(_) => "IC0513",
            Self::Instructions(_) => "IC0522",
            Self::Pages(_) => "IC0524",
            Self::Growth(..) => "IC0532",
            Self::NoMethod(..) => "IC0536",
            Self::NoModule => "IC0537",
            Self::MemoryLimit(..) => "IC0539",
        }
    }

    /// The reject that the caller of `canister` gets.
    pub(crate) fn reject(&self, canister: Principal) -> Reject {
        Reject {
            code: RejectCode::CanisterError,
            message: format!("Error from Canister {canister}: {self}"),
            error_code: self.error_code().into(),
            certified: true,
        }
    }

    /// The line in the canister's log, if there is one.
    pub(crate) fn log_line(&self) -> Option<String> {
        match self {
            Self::Called(message) if message.is_empty() => Some("[TRAP]: (no message)".into()),
            Self::Called(what) | Self::Wasm(what) => Some(format!("[TRAP]: {what}")),
            _ => None,
        }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Called(message) => {
                write!(f, "Canister called `ic0.trap` with message: '{message}'.")
            }
            Self::Wasm(why) => write!(f, "Canister trapped: {why}."),
            Self::Contract(why) => write!(f, "Canister violated contract: {why}."),
            Self::Principal => write!(f, "Canister provided invalid principal id."),
            Self::Variable(why) => write!(f, "{why}."),
            Self::Function(index) => write!(
                f,
                "Canister requested to invoke a non-existent Wasm function {index} from table 0."
            ),
            Self::Instructions(limit) => {
                write!(
                    f,
                    "Canister exceeded the limit of {limit} instructions for single message \
                     execution."
                )
            }
            Self::Cycles(why) => write!(f, "{why}"),
            Self::MemoryLimit(limit, peak) => write!(
                f,
                "Canister exceeded its current Wasm memory limit of {limit} bytes. The peak Wasm \
                 memory usage was {peak} bytes."
            ),
            Self::Growth(bytes, missing) => {
                write!(
                    f,
                    "Canister cannot grow memory by {bytes} bytes due to insufficient cycles."
                )?;
                match missing {
                    Some(cycles) => {
                        write!(f, " At least {cycles} additional cycles are required.")
                    }
                    None => Ok(()),
                }
            }
            Self::Pages(why) => write!(f, "Canister exceeded memory access limits: {why}"),
            Self::Cleanup(callback, cleanup) => {
                write!(f, "{callback}\n\ncall_on_cleanup also failed:\n\n{cleanup}")
            }
            Self::NoMethod(kind, name) => write!(f, "Canister has no {kind} method '{name}'."),
            Self::NoModule => {
                write!(
                    f,
                    "Attempted to execute a message, but the canister contains no Wasm module."
                )
            }
        }
    }
}

impl std::error::Error for Trap {}
