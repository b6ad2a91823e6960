#[canic::update(decoding_quota = 1_000, decode_with = decode)]
fn work(job: String) {}

fn decode(bytes: Vec<u8>) -> String {
    String::new()
}

fn main() {}

//# not: error[E
