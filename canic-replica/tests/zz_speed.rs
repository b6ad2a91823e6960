mod client;
use client::*;
use std::time::Instant;
#[test]
fn speed() {
    let _warm = instance();
    let t = Instant::now();
    let pics: Vec<_> = (0..20).map(|_| instance()).collect();
    println!("instance {:?}", t.elapsed() / 20);
    let pic = &pics[0];
    let c = counter(pic);
    let wasm = counter_wasm();
    let t = Instant::now();
    for _ in 0..50 {
        let c = pic.create_canister();
        pic.add_cycles(c, 1000);
        pic.install_canister(c, wasm.clone(), vec![], None);
    }
    println!("create+fund+install {:?}", t.elapsed() / 50);
    let t = Instant::now();
    for _ in 0..300 {
        update(pic, c, "inc").unwrap();
    }
    println!("update {:?}", t.elapsed() / 300);
    let t = Instant::now();
    for _ in 0..300 {
        query(pic, c, "get").unwrap();
    }
    println!("query {:?}", t.elapsed() / 300);
    let t = Instant::now();
    for _ in 0..300 {
        pic.tick();
    }
    println!("tick {:?}", t.elapsed() / 300);
    let t = Instant::now();
    drop(pics);
    println!("drop 20 {:?}", t.elapsed());
}
