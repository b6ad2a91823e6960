#[canic::update(composite, allow(anyone, boss), guard = "check", name = "canic_x", speed = 3)]
unsafe fn work<T>(_job: &T) {}

fn main() {}

//# not: error[E
