struct Worker;

#[canic::role("worker")]
impl Default for Worker {
    fn default() -> Self {
        Self
    }
}

fn main() {}

//# not: error[E
