#[canic::root(role(
    name = "worker",
    controllers(
        "efcn6-haaaa-aaa",
        "6ytnh-gibae-aqc",
        "kty4a-vycai-bae",
        "qoj4z-uqdam-bqg",
        "zixod-cqeaq-cai",
        "dvgo2-dyfau-cqk",
        "x6n75-qigay-dam",
        "nd47e-raha4-dqo",
        "ftq2i-4iiba-eaq",
        "7ob2r-5ajbe-eqs"
    )
))]
struct Fleet;

fn main() {}

//# not: error[E
