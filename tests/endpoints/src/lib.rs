//! Root's endpoints as plain functions, however its controller's calls reach it: the tests of
//! fleets and the demo have clients of their own.

use candid::{
    CandidType, Principal,
    utils::{ArgumentEncoder, decode_one, encode_args},
};
use canic::api::{
    ApproveRequest, Denied, ImportAs, ImportError, ImportRequest, Imported, MemberInfo,
    MemberRequest, MembersFilter, MembersPage, MembersRequest, ModuleError, ModuleInfo,
    OperationInfo, OperationsFilter, OperationsPage, OperationsRequest, PageRequest, PoolEntry,
    PoolPage, ProvisionError, ProvisionRequest, Provisioned, RetireError, RetireRequest, Retired,
    Retirement, StageRequest, StagedChunk,
};
use example_types::WorkerArgs;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

/// Rows of a page: few, so that every list takes several pages.
const PAGE: u32 = 7;

/// Bytes of a chunk of a staged module: the example's worker takes several.
pub const CHUNK: usize = 128 * 1024;

/// A way to root, for its controller.
///
/// The endpoints are functions of `dyn Controller`. A fleet that dereferences to it has them as its
/// own, and callers import nothing.
pub trait Controller {
    /// The answer of root to a query or to an update call.
    ///
    /// # Errors
    /// The platform's reject.
    fn call(&self, is_query: bool, method: &str, payload: Vec<u8>) -> Result<Vec<u8>, String>;
}

impl dyn Controller {
    fn decoded<R: CandidType + DeserializeOwned>(
        &self,
        is_query: bool,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> R {
        let answer = self.call(is_query, method, encode(args));
        let answer = answer.unwrap_or_else(|reject| panic!("{method}: {reject}"));
        decode(method, &answer)
    }

    /// An update call to root.
    ///
    /// # Panics
    /// When the platform rejects the call.
    #[must_use]
    pub fn command<R: CandidType + DeserializeOwned>(
        &self,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> R {
        self.decoded(false, method, args)
    }

    /// A query of root.
    ///
    /// # Panics
    /// When the platform rejects the query.
    #[must_use]
    pub fn ask<R: CandidType + DeserializeOwned>(
        &self,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> R {
        self.decoded(true, method, args)
    }

    /// What root answers its controller to a query.
    fn told<R: CandidType + DeserializeOwned>(
        &self,
        method: &str,
        args: impl ArgumentEncoder,
    ) -> R {
        let answer: Result<R, Denied> = self.ask(method, args);
        answer.unwrap_or_else(|_| panic!("a controller may ask {method}"))
    }

    /// `canic_provision`.
    ///
    /// # Errors
    /// As the endpoint answers.
    pub fn provision(&self, request: &ProvisionRequest) -> Result<Provisioned, ProvisionError> {
        self.command("canic_provision", (request,))
    }

    /// `canic_retire`.
    ///
    /// # Errors
    /// As the endpoint answers.
    pub fn retire(&self, canister: Principal, how: Retirement) -> Result<Retired, RetireError> {
        let request = RetireRequest {
            canister,
            how,
            subtree: None,
        };
        self.command("canic_retire", (request,))
    }

    /// `canic_import`.
    ///
    /// # Errors
    /// As the endpoint answers.
    pub fn import(
        &self,
        canister: Principal,
        import_as: ImportAs,
    ) -> Result<Imported, ImportError> {
        let request = ImportRequest {
            canister,
            import_as,
        };
        self.command("canic_import", (request,))
    }

    /// `canic_module_stage`.
    ///
    /// # Errors
    /// As the endpoint answers.
    pub fn stage(&self, chunk: &[u8]) -> Result<StagedChunk, ModuleError> {
        let chunk = chunk.to_vec();
        self.command("canic_module_stage", (StageRequest { chunk },))
    }

    /// `canic_module_approve` with the hashes of these chunks, staged or not.
    ///
    /// # Errors
    /// As the endpoint answers.
    pub fn approve_chunks(
        &self,
        role: &str,
        hash: &[u8],
        chunks: &[&[u8]],
    ) -> Result<ModuleInfo, ModuleError> {
        let chunks = chunks.iter().map(|chunk| ByteBuf::from(sha256(chunk)));
        let request = ApproveRequest {
            role: role.to_string(),
            hash: hash.to_vec(),
            chunks: chunks.collect(),
            manual: None,
        };
        self.command("canic_module_approve", (request,))
    }

    /// Stages a module in chunks of [`CHUNK`] bytes and approves it for a role.
    ///
    /// # Panics
    /// When root refuses.
    pub fn approve(&self, role: &str, module: &[u8]) -> ModuleInfo {
        let chunks: Vec<&[u8]> = module.chunks(CHUNK).collect();
        for chunk in &chunks {
            let staged = self.stage(chunk).expect("root stages the chunk");
            assert_eq!(staged.hash, sha256(chunk));
        }
        self.approve_chunks(role, &sha256(module), &chunks)
            .expect("root approves the module")
    }

    /// All members that a filter selects, page by page.
    ///
    /// # Panics
    /// When root rejects or denies a page.
    #[must_use]
    pub fn members(&self, filter: &MembersFilter) -> Vec<MemberInfo> {
        pages(|after| {
            let request = MembersRequest {
                filter: filter.clone(),
                after,
                limit: PAGE,
            };
            let page: MembersPage = self.told("canic_members", (request,));
            (page.members, page.next)
        })
    }

    /// One member.
    ///
    /// # Panics
    /// When root rejects or denies the query.
    #[must_use]
    pub fn member(&self, request: &MemberRequest) -> Option<MemberInfo> {
        self.told("canic_member", (request,))
    }

    /// All canisters of the pool, ready and claimed, page by page.
    ///
    /// # Panics
    /// When root rejects or denies a page.
    #[must_use]
    pub fn pool(&self) -> Vec<PoolEntry> {
        pages(|after| {
            let request = PageRequest { after, limit: PAGE };
            let page: PoolPage = self.told("canic_pool", (request,));
            (page.entries, page.next)
        })
    }

    /// All operations that a filter selects, page by page.
    ///
    /// # Panics
    /// When root rejects or denies a page.
    #[must_use]
    pub fn operations(&self, filter: OperationsFilter) -> Vec<OperationInfo> {
        pages(|after| {
            let request = OperationsRequest {
                filter,
                after,
                limit: PAGE,
            };
            let page: OperationsPage = self.told("canic_operations", (request,));
            (page.operations, page.next)
        })
    }

    /// Open operations.
    #[must_use]
    pub fn open(&self) -> Vec<OperationInfo> {
        self.operations(OperationsFilter::Open)
    }

    /// One operation.
    ///
    /// # Panics
    /// When there is no operation with this id.
    #[must_use]
    pub fn operation(&self, id: u64) -> OperationInfo {
        let found: Option<OperationInfo> = self.told("canic_operation", (id,));
        found.unwrap_or_else(|| panic!("there is no operation {id}"))
    }
}

/// All rows of a list. `page` returns the rows after a cursor, and the next cursor if there are
/// more rows.
fn pages<Row, Cursor>(
    mut page: impl FnMut(Option<Cursor>) -> (Vec<Row>, Option<Cursor>),
) -> Vec<Row> {
    let (mut rows, mut next) = page(None);
    while next.is_some() {
        let (more, after) = page(next);
        rows.extend(more);
        next = after;
    }
    rows
}

/// The user with this number, in the form of a self-authenticating principal: 29 bytes, the last of
/// them 2.
#[must_use]
pub fn user(number: u8) -> Principal {
    let mut bytes = [number; 29];
    bytes[28] = 2;
    Principal::from_slice(&bytes)
}

/// A request for a notebook of this owner, under the owner's key.
#[must_use]
pub fn notebook(owner: Principal) -> ProvisionRequest {
    ProvisionRequest {
        role: "worker".to_string(),
        key: Some(owner.to_text()),
        parent: None,
        arg: owner_argument(owner),
    }
}

/// The install argument of the example's worker.
#[must_use]
pub fn owner_argument(owner: Principal) -> Vec<u8> {
    encode((WorkerArgs { owner },))
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// The arguments of a call.
///
/// # Panics
/// When one of them can't be encoded.
#[must_use]
pub fn encode(args: impl ArgumentEncoder) -> Vec<u8> {
    encode_args(args).expect("the argument can be encoded")
}

/// The answer of a method.
///
/// # Panics
/// When it is of another type.
#[must_use]
pub fn decode<R: CandidType + DeserializeOwned>(method: &str, bytes: &[u8]) -> R {
    decode_one(bytes).unwrap_or_else(|e| panic!("the answer of {method} is not as expected: {e}"))
}
