struct Worker;

#[canic::role("worker")]
impl Worker {
    #[cfg(test)]
    fn heartbeat() {}
}

fn main() {}

//# not: error[E
