struct Fleet;

#[canic::root]
impl Fleet {
    fn health() -> Result<(), String> {
        Ok(())
    }
}

fn main() {}

//# not: error[E
