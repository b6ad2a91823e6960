//! The platform's rules, one room per idea: each test runs small canisters through the library.

mod best_effort;
mod calls;
mod certification;
mod common;
mod cycles;
mod determinism;
mod doors;
mod faults;
mod fuzz;
mod hostile;
mod imports;
mod installation;
mod interpreter;
mod lifecycle;
mod limits;
mod management;
mod metering;
mod outcalls;
mod properties;
mod queues;
mod refusals;
mod rollback;
mod settings;
mod snapshots;
mod system_api;
mod tasks;
