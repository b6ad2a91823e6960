#[canic::update(decoding_quota = 1_000, decode_with = decode)]
fn work(_: String) {}

fn decode(_: Vec<u8>) -> String {
    String::new()
}

fn main() {}

//# not: error[E
