//! Download of snapshots to a directory, and upload from there.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use candid::Principal;
use pocket_ic::{PocketIc, common::rest::BlobCompression};

use crate::common::{counter, counter_wasm, instance, query, update};

/// A directory that is deleted when it is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("snapshot-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn take(pic: &PocketIc, canister: Principal) -> Vec<u8> {
    pic.stop_canister(canister, None).unwrap();
    let snapshot = pic.take_canister_snapshot(canister, None, None).unwrap();
    pic.start_canister(canister, None).unwrap();
    snapshot.id
}

fn panics(operation: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(operation)).is_err()
}

#[test]
fn a_snapshot_moves_through_a_directory_into_another_instance() {
    let pic = instance();
    let canister = counter(&pic);
    update(&pic, canister, "inc").unwrap();
    update(&pic, canister, "inc").unwrap();
    // This stable memory takes more than one piece.
    let stable: Vec<u8> = (0..42 * 65_536_u32).map(|byte| byte as u8).collect();
    pic.set_stable_memory(canister, stable.clone(), BlobCompression::NoCompression);
    let chunk = pic.upload_chunk(canister, None, vec![1, 2, 3]).unwrap();
    let snapshot = take(&pic, canister);
    let directory = Directory::new("full");
    let path = directory.0.clone();
    pic.canister_snapshot_download(canister, Principal::anonymous(), snapshot, path.clone());
    assert_eq!(
        directory.names(),
        [
            "metadata.json",
            "stable_memory.bin",
            "wasm_chunk_store",
            "wasm_memory.bin",
            "wasm_module.bin"
        ]
    );
    let file = |name: &str| fs::read(path.join(name)).unwrap();
    assert_eq!(file("wasm_module.bin"), counter_wasm());
    assert_eq!(file("wasm_memory.bin").len(), 65_536);
    assert!(file("stable_memory.bin") == stable);
    let chunk: String = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(file(&format!("wasm_chunk_store/{chunk}.bin")), [1, 2, 3]);
    // The upload goes to another instance.
    let other = instance();
    let copy = other.create_canister();
    let anonymous = Principal::anonymous();
    let snapshot = other.canister_snapshot_upload(copy, anonymous, None, path.clone());
    other
        .load_canister_snapshot(copy, None, snapshot.clone())
        .unwrap();
    assert_eq!(query(&other, copy, "get").unwrap(), 2);
    assert!(other.get_stable_memory(copy) == stable);
    assert_eq!(other.stored_chunks(copy, None).unwrap().len(), 1);
    // An uploaded snapshot can be replaced.
    let next = other.canister_snapshot_upload(copy, anonymous, Some(snapshot), path);
    let names: Vec<_> = other
        .list_canister_snapshots(copy, None)
        .unwrap()
        .into_iter()
        .map(|snapshot| snapshot.id)
        .collect();
    assert_eq!(names, [next]);
}

#[test]
fn empty_parts_of_a_snapshot_are_not_written() {
    let pic = instance();
    let canister = counter(&pic);
    let snapshot = take(&pic, canister);
    let directory = Directory::new("small");
    pic.canister_snapshot_download(
        canister,
        Principal::anonymous(),
        snapshot,
        directory.0.clone(),
    );
    assert_eq!(
        directory.names(),
        ["metadata.json", "wasm_memory.bin", "wasm_module.bin"]
    );
}

#[test]
fn invalid_directories_and_snapshots_are_refused() {
    let pic = instance();
    let canister = counter(&pic);
    let snapshot = take(&pic, canister);
    let anonymous = Principal::anonymous();
    let directory = Directory::new("wrong");
    let path = directory.0.clone();
    let download = |sender, snapshot: &[u8], path: &Path| {
        panics(|| {
            pic.canister_snapshot_download(canister, sender, snapshot.to_vec(), path.to_owned());
        })
    };
    assert!(download(anonymous, b"no such", &path));
    let stranger = Principal::self_authenticating("stranger");
    assert!(download(stranger, &snapshot, &path));
    fs::create_dir_all(path.join("occupied")).unwrap();
    assert!(download(anonymous, &snapshot, &path));
    // The directory has no snapshot to upload.
    assert!(panics(|| {
        pic.canister_snapshot_upload(canister, anonymous, None, path.clone());
    }));
    fs::write(path.join("metadata.json"), "{}").unwrap();
    assert!(panics(|| {
        pic.canister_snapshot_upload(canister, anonymous, None, path);
    }));
    assert_eq!(
        pic.list_canister_snapshots(canister, None).unwrap().len(),
        1
    );
}
