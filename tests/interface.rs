//! The Candid interface of a crate has every endpoint, wherever it stands and however its attribute is named.

use std::ffi::{CStr, c_char};

/// The member.
pub struct Worker;

#[canic::role("worker", http)]
impl Worker {
    fn init(_: u64) {}
}

mod nested {
    use canic::update;

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

macro_rules! endpoint {
    ($name:ident) => {
        #[canic::query(composite)]
        async fn $name() {}
    };
}
endpoint!(by_a_macro);

canic::export_candid!();

unsafe extern "Rust" {
    /// What `export_candid!` exports.
    fn get_candid_pointer() -> *mut c_char;
}

#[test]
fn the_interface_has_every_endpoint() {
    // SAFETY: this crate defines the function, with that signature; it answers a `CString` that it has let go of.
    let text = unsafe { CStr::from_ptr(get_candid_pointer()) };
    let text = text.to_str().expect("Candid is text");
    let (_, service) = text.split_once("service : ").expect("a service");
    assert_eq!(
        service,
        "(nat64) -> {
  by_a_macro : () -> () composite_query;
  by_an_import : () -> ();
  by_another_name : () -> () query;
  by_its_path : () -> ();
  canic_env : () -> (Env) query;
  canic_metrics : (PageRequest) -> (Result) query;
  canic_sync : (SyncRequest) -> (Result_1);
  http_request : (HttpRequest) -> (HttpResponse) query;
}"
    );
}
