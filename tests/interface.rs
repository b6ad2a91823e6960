//! The Candid interface of a crate: it has every endpoint, in any module and with any path to the
//! attribute.

use std::ffi::{CStr, c_char};

/// The member.
pub struct Worker;

#[canic::role("worker", http)]
impl Worker {
    fn init(_: u64) {}
}

/// A type that no endpoint uses, with the name of one that an endpoint does use.
#[derive(candid::CandidType)]
pub struct Job {
    /// A field.
    pub root: bool,
}

mod nested {
    use canic::update;

    /// A type that only this module knows.
    #[derive(candid::CandidType, candid::Deserialize)]
    struct Job {
        nested: u64,
    }

    #[update]
    fn of_a_type_of_its_own(job: Job) -> (u64, Option<Job>) {
        (job.nested, Some(job))
    }

    #[update]
    fn by_an_import() {}

    #[canic::update]
    fn by_its_path() {}

    mod deeper {
        use canic as other;

        #[other::query(crate = canic)]
        fn by_another_name() {}

        #[canic::query(hidden)]
        fn hidden() {}
    }
}

/// Types whose Rust names are words of Candid's, one of them only within another.
#[allow(non_camel_case_types)]
mod words {
    /// The kind of a service.
    #[derive(candid::CandidType, candid::Deserialize)]
    enum variant {
        Small,
        Large(Option<Box<service>>),
    }

    #[derive(candid::CandidType, candid::Deserialize)]
    struct service {
        record: u64,
        opt: variant,
    }

    #[derive(candid::CandidType, candid::Deserialize)]
    struct Ü {
        of: r#type,
    }

    #[derive(candid::CandidType, candid::Deserialize)]
    struct r#type;

    #[canic::query(name = "record")]
    fn record(_: service, _: r#type) -> Option<Ü> {
        None
    }
}

macro_rules! endpoint {
    ($name:ident) => {
        #[canic::query(composite)]
        async fn $name() {}
    };
}
endpoint!(by_a_macro);

canic::export_candid!();

#[test]
fn the_interface_has_every_endpoint() {
    unsafe extern "Rust" {
        /// What `export_candid!` exports.
        fn get_candid_pointer() -> *mut c_char;
    }

    // SAFETY: this crate defines the function with that signature. It returns the address of a
    // string that has a NUL at its end and is never freed.
    let text = unsafe { CStr::from_ptr(get_candid_pointer()) };
    let text = text.to_str().expect("Candid is text");
    let (types, service) = text.split_once("service : ").expect("a service");
    assert_eq!(
        service,
        r#"(nat64) -> {
  by_a_macro : () -> () composite_query;
  by_an_import : () -> ();
  by_another_name : () -> () query;
  by_its_path : () -> ();
  canic_accept : () -> (Result);
  canic_announce : (Announcement) -> (Result);
  canic_health : () -> (Result_1);
  canic_identity : () -> (IdentityInfo) query;
  canic_metrics : (PageRequest) -> (Result_2) query;
  canic_sync : (Identity) -> (Result);
  http_request : (HttpRequest) -> (HttpResponse) query;
  of_a_type_of_its_own : (Job) -> (nat64, opt Job);
  "record" : (service_, null) -> (opt _) query;
}"#
    );
    // The type is the one in the endpoint's module, not the one with its name at the crate's root.
    let job = "type Job = record { nested : nat64 };";
    assert!(types.contains(job), "{types}");
    // No parser takes a type by a word of Candid's own, or without a name.
    for ty in [
        r#"type service_ = record { "opt" : variant_; "record" : nat64 };"#,
        "type variant_ = variant { Large : opt service_; Small };",
        "type _ = record { of : null };",
    ] {
        assert!(types.contains(ty), "{types}");
    }
}
