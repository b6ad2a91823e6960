//! An endpoint in a nested module, with types of that module.

mod deep {
    pub(crate) mod deeper {
        use candid::CandidType;
        use serde::Deserialize;

        #[derive(CandidType, Deserialize)]
        struct Job(u64);

        #[canic::update]
        async fn work(job: Job) -> Job {
            std::future::ready(job).await
        }
    }
}

canic::export_candid!();

fn main() {}
