//! The hash of an instance's state, for the comparison of two runs.
//!
//! Types of plain data derive [`Hash`], so that a new field is part of the hash. The types in this
//! file hold more than state. They are destructured without `..`, so that the author of a new field
//! has to decide.

use std::{
    hash::{Hash, Hasher},
    mem::discriminant,
};

use ic_management_canister_types::CanisterTimer;
use sha2::{Digest, Sha256};

use crate::{
    canister::snapshot::Snapshot,
    faults::Faults,
    memory::{Heap, PAGE, Pages, Stable},
    network::{Network, Submission, Subnet, canisters::Canisters},
    wasm::Module,
};

impl Network {
    /// SHA-256 over all state that can make a difference to what comes; see
    /// [`crate::Replica::state_hash`].
    pub(crate) fn state_hash(&self) -> [u8; 32] {
        let mut digest = Canonical(Sha256::new());
        let Self {
            time,
            certified_time,
            round,
            topology: _, // of the subnets
            infos,
            subnets,
            configured,
            canisters,
            ready,
            stopping,
            transit,
            outcalls,
            signatures,
            ingress,
            answered,
            answered_bytes: _, // of the outcomes
            submissions,
            submitted,
            draws,
            ledger,
            events: _,
            next_event: _,
            rate_limited,
            limits_method_names,
            beta_features,
            faults,
        } = self;
        (time, certified_time, round, infos, subnets).hash(&mut digest);
        (canisters, ready, stopping, transit, outcalls).hash(&mut digest);
        (ingress, answered, submissions, submitted).hash(&mut digest);
        (signatures, draws, ledger, rate_limited, faults).hash(&mut digest);
        (configured, limits_method_names, beta_features).hash(&mut digest);
        digest.0.finalize().into()
    }
}

impl Hash for Canisters {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The other fields are an index.
        self.all.hash(state);
    }
}

impl Hash for Subnet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            context: _,   // of the configuration
            certified: _, // of the state
            next,
            last,
            outcalls,
            blocks,
            compiled,
            exhausted_by,
            counters,
        } = self;
        (next, last, outcalls, blocks, compiled).hash(state);
        (exhausted_by, counters).hash(state);
    }
}

impl Hash for Submission {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            sender,
            effective,
            subnet,
            round,
            expires,
            digest: _, // of the outcome
        } = self;
        (sender, effective, subnet, round, expires).hash(state);
    }
}

impl Hash for Faults {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            armed,
            chaos,
            fired: _,
            chaos_draws,
            passed,
        } = self;
        (armed, chaos, chaos_draws, passed).hash(state);
    }
}

impl Hash for Module {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // All other fields follow from the bytes.
        self.hash.hash(state);
    }
}

impl Hash for Snapshot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            taken_at,
            version,
            program,
            stable,
            certified_data,
            timer,
            low_memory,
            loaded,
            chunks,
            bytes,
        } = self;
        (taken_at, version, program, stable, certified_data).hash(state);
        let timer = timer.as_ref().map(|timer| match timer {
            CanisterTimer::Inactive => (discriminant(timer), 0),
            CanisterTimer::Active(at) => (discriminant(timer), *at),
        });
        (timer, low_memory, loaded, chunks, bytes).hash(state);
    }
}

impl Hash for Heap {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            pages,
            size,
            images: _, // of the pages
        } = self;
        (pages, size).hash(state);
    }
}

impl Hash for Stable {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { pages, size } = self;
        size.hash(state);
        // A page of zeros equals an absent page.
        let written = pages.iter().filter(|(_, page)| **page != [0; PAGE]);
        for (index, page) in written {
            (true, index, page).hash(state);
        }
        false.hash(state);
    }
}

impl Hash for Pages {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (index, page) in self.iter() {
            (true, index, page).hash(state);
        }
        false.hash(state);
    }
}

/// A SHA-256 hasher that reads the same bytes on all machines.
struct Canonical(Sha256);

impl Hasher for Canonical {
    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        u64::from_be_bytes(std::array::from_fn(|i| digest[i]))
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn write_u16(&mut self, number: u16) {
        self.write(&number.to_be_bytes());
    }

    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_be_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_be_bytes());
    }

    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_be_bytes());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use candid::Principal;

    use super::*;
    use crate::{
        canister::{
            Canister,
            calls::{Callback, Input, Origin, Request, WasmClosure},
            consumption::Purpose,
            execution_state::ExecutionState,
            input_queues::Source,
            settings::Settings,
            snapshot::{SnapshotCode, Upload},
        },
        execution::program_cache,
        faults::{ArmedFault, Effect, Fault},
        ingress::IngressStatus,
        memory::Heap,
        network::Config,
        state_file,
        system::{icp_ledger::IcpLedger, native::Native},
        wasm::global::Global,
    };

    const ID: Principal = Principal::from_slice(&[1, 2, 3]);
    const OTHER: Principal = Principal::from_slice(&[3, 2, 1]);

    fn request(payload: u8) -> Request {
        Request {
            origin: Origin::Callback(3),
            sender: OTHER,
            callee: ID,
            method: "method".into(),
            payload: vec![payload],
            caller_info: None,
            cycles: 7,
            deadline: 8,
            subnet: None,
            fault_checked: false,
        }
    }

    /// An instance with one canister that has a little of everything.
    fn full() -> Network {
        let mut network = Network::new(Config::default()).unwrap();
        let wasm = wat::parse_str("(module (memory 1) (global (mut i64) (i64.const 1)))");
        let mut canister = Canister::new(ID, 0, Settings::default(), 1, 2);
        canister.code = Some(ExecutionState::fresh(
            program_cache::load(&wasm.unwrap()).unwrap().module.clone(),
        ));
        canister.stable.grow(1).unwrap();
        let closure = WasmClosure {
            function: 1,
            environment: 2,
        };
        canister.callbacks.insert(
            4,
            Callback {
                context: 3,
                callee: OTHER,
                method: "method".into(),
                on_reply: closure,
                on_reject: closure,
                on_cleanup: Some(closure),
                prepaid: 9,
                deadline: 10,
                answered: false,
            },
        );
        canister.chunks.insert([1; 32], Arc::new(vec![1]));
        let snapshot = Snapshot {
            taken_at: 1,
            version: 2,
            program: SnapshotCode::Uploaded(Upload {
                module: Arc::new(vec![3]),
                heap: Heap::fresh(1),
                globals: vec![Global::I32(1)],
            }),
            stable: Stable::default(),
            certified_data: vec![4],
            timer: Some(CanisterTimer::Active(5)),
            low_memory: None,
            loaded: false,
            chunks: BTreeMap::new(),
            bytes: 5,
        };
        canister.snapshots.insert(vec![1], Arc::new(snapshot));
        canister.log(1, b"line".to_vec());
        network.canisters.insert(Arc::new(canister));
        network
    }

    fn canister(network: &mut Network) -> &mut Canister {
        network.canister_mut(ID).unwrap()
    }

    fn code(network: &mut Network) -> &mut ExecutionState {
        canister(network).code.as_mut().unwrap()
    }

    fn native(now: u64) -> Native {
        Native::IcpLedger(IcpLedger::new(now).unwrap())
    }

    fn snapshot(network: &mut Network) -> &mut Snapshot {
        Arc::make_mut(canister(network).snapshots.get_mut(&vec![1]).unwrap())
    }

    fn wait(network: &mut Network, source: Source, payload: u8) {
        let inputs = &mut canister(network).input_queues;
        inputs.push(source, Input::Request(request(payload)));
    }

    fn arm(network: &mut Network, skip: u64) {
        let mut fault = Fault::on_call(Effect::trap());
        fault.skip = skip;
        network.faults.armed.push(ArmedFault { fault, seen: 0 });
    }

    /// Changes deep inside: in maps, behind references, and in the types that are destructured by
    /// hand.
    const CHANGES: &[fn(&mut Network)] = &[
        |r| r.certified_time += 1,
        |r| r.draws += 1,
        |r| r.subnets[0].next += 1,
        |r| r.configured += 1,
        |r| r.limits_method_names = false,
        |r| r.beta_features = true,
        |r| r.infos[0].options.is_free = true,
        |r| r.subnets[0].exhausted_by = Some(ID),
        |r| r.subnets[0].counters.messages += 1,
        |r| _ = r.infos[0].options.admins.insert(ID),
        |r| canister(r).consumption.add(Purpose::Memory, 1),
        |r| arm(r, 1),
        |r| arm(r, 2),
        |r| r.faults.chaos_draws += 1,
        |r| r.ledger.fees.execution += 1,
        |r| _ = r.ingress.insert([1; 32], IngressStatus::Done(Ok(vec![1]))),
        |r| _ = r.ingress.insert([1; 32], IngressStatus::Done(Ok(vec![2]))),
        |r| r.transit.push_back((9, Input::Request(request(1)))),
        |r| r.transit.push_back((9, Input::Request(request(2)))),
        |r| wait(r, Source::Ingress, 1),
        |r| wait(r, Source::Ingress, 2),
        |r| wait(r, Source::RemoteSubnet(OTHER), 1),
        |r| canister(r).settings.wasm_memory_threshold += 1,
        |r| canister(r).stable.write(5, &[1]),
        |r| canister(r).stable.write(PAGE as u64 + 5, &[1]),
        |r| canister(r).logs[0].content.push(1),
        |r| _ = canister(r).chunks.insert([1; 32], Arc::new(vec![2])),
        |r| canister(r).callbacks.get_mut(&4).unwrap().on_cleanup = None,
        |r| code(r).heap.write(70, &[1]),
        |r| code(r).heap.size += 1,
        |r| code(r).globals[0] = Global::I64(2),
        |r| code(r).globals[0] = Global::F64(1),
        |r| code(r).native = Some(Arc::new(native(1))),
        |r| code(r).native = Some(Arc::new(native(2))),
        |r| snapshot(r).stable.size += 1,
        |r| snapshot(r).timer = Some(CanisterTimer::Active(6)),
        |r| {
            if let SnapshotCode::Uploaded(upload) = &mut snapshot(r).program {
                upload.heap.write(1, &[1]);
            }
        },
    ];

    #[test]
    fn every_change_of_state_changes_the_hash() {
        let mut seen = BTreeMap::from([(full().state_hash(), None)]);
        for (index, change) in CHANGES.iter().enumerate() {
            let mut network = full();
            change(&mut network);
            let other = seen.insert(network.state_hash(), Some(index));
            assert_eq!(other, None, "change {index} is not seen");
        }
    }

    #[test]
    fn every_state_is_read_as_it_was_written() {
        for (index, change) in CHANGES.iter().enumerate() {
            let mut network = full();
            change(&mut network);
            let read = Network::from_bytes(&network.to_bytes().unwrap()).unwrap();
            assert_eq!(read.state_hash(), network.state_hash(), "change {index}");
        }
    }

    #[test]
    fn the_form_of_a_state_is_that_of_its_version() {
        const FORM: &str = "74420184eafe252058ef70ac19d65236957d5dd775cd473ee3a61e5ac23c26db";
        let mut network = full();
        for change in CHANGES {
            change(&mut network);
        }
        let digest = hex::encode(Sha256::digest(network.to_bytes().unwrap()));
        // Another form needs another version.
        assert_eq!((state_file::VERSION, digest.as_str()), (1, FORM));
    }

    #[test]
    fn trace_and_certificates_do_not_change_the_hash() {
        let mut network = full();
        let before = network.state_hash();
        network.record_event(crate::Kind::Call, &request(1), crate::Outcome::Reply, 1);
        // Neither does a page of zeros, nor a certificate.
        canister(&mut network).stable.write(0, &[0; 10]);
        let subnet = crate::EffectivePrincipal::Subnet(network.infos[0].id);
        let path = vec![b"time".to_vec()];
        network.read_state(ID, subnet, &[path], true).unwrap();
        assert_eq!(network.state_hash(), before);
    }
}
