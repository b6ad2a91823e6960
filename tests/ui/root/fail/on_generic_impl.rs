struct Fleet<T>(T);

#[canic::root]
impl<T> Fleet<T> {
    async fn start() {}
}

fn main() {}

//# not: error[E
