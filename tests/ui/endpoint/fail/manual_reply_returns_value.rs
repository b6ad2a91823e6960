#[canic::update(manual_reply)]
fn plain() -> u8 {
    1
}

#[canic::query(manual_reply)]
fn result() -> Result<std::marker::PhantomData<u8>, String> {
    Err("nobody replies this".to_string())
}

#[canic::update(manual_reply)]
async fn later() -> String {
    String::new()
}

fn main() {}

//# not: E0308
//# not: E0282
