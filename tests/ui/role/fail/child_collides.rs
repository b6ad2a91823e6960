//# not: duplicate definitions

#[canic::role("hub", child(name = "user-list"), child(name = "user_list"))]
struct Hub;

fn main() {}
