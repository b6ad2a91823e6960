//# not: is not a hook; known

struct Fleet;

#[canic::root]
impl Clone for Fleet {
    fn clone(&self) -> Self {
        Self
    }
}

fn main() {}
