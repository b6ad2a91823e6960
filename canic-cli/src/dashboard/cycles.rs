//! Cycles on the page: what the fleet costs, samples of root's cycles over time, and the live state
//! of members.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use candid::Principal;
use canic::api::MembersFilter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    commands::{costs, find},
    dashboard::cache::Rows,
    failure::Failure,
    fleet::Fleet,
    output::{Style, progress},
    views::live::MemberSight,
};

/// The pause between two samples.
pub(crate) const PAUSE: Duration = Duration::from_secs(60);

/// Samples that are kept. Beyond them every second one is forgotten, so that they reach back twice
/// as far.
const MOST: usize = 2_000;

/// Members whose live state one request asks for.
const AT_ONCE: usize = 100;

/// Root's cycles at some time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Seconds since 1970.
    at: u64,
    /// Root's balance, in digits.
    cycles: String,
    /// Days until root is at its reserve; none if root does not know yet.
    days_left: Option<f64>,
}

/// The samples of a dashboard, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    kept: Mutex<Vec<Sample>>,
    /// The file that has them beyond the end of the program.
    file: Option<PathBuf>,
}

impl Samples {
    /// The samples in a file, if there is one already.
    ///
    /// # Errors
    /// The file can't be read, or has something else in it.
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let failed = |reason: String| Failure::setup(format!("{}: {reason}", file.display()));
        let text = match fs::read_to_string(file) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(|e| failed(e.to_string()))?,
        };
        let mut kept = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let sample = serde_json::from_str(line).map_err(|e| {
                failed(format!("line {} is no sample: {e}", number + 1))
                    .with_advice("Name the file of an earlier dashboard, or a new one.")
            })?;
            kept.push(sample);
        }
        thin_out(&mut kept);
        Ok(Self {
            kept: Mutex::new(kept),
            file: Some(file.to_path_buf()),
        })
    }

    /// Takes a sample of root's cycles now.
    ///
    /// # Errors
    /// Root does not answer, or the file can't be written.
    pub(crate) async fn take(&self, fleet: &Fleet) -> Result<(), Failure> {
        let page = fleet.live_page(MembersFilter::All, None, 1).await?;
        let root = page.root.map_err(Failure::refused)?;
        let funding = fleet.funding().await?;
        self.add(Sample {
            at: Style::of_stdout().now,
            cycles: root.cycles.to_string(),
            days_left: funding.root.days_left,
        })
    }

    fn add(&self, sample: Sample) -> Result<(), Failure> {
        if let Some(file) = &self.file {
            let failed = |e: io::Error| Failure::setup(format!("{}: {e}", file.display()));
            let mut open = fs::OpenOptions::new();
            let mut open = open.append(true).create(true).open(file).map_err(failed)?;
            let line = serde_json::to_string(&sample);
            let line = line.map_err(|e| Failure::refused(e.to_string()))?;
            open.write_all(format!("{line}\n").as_bytes())
                .map_err(failed)?;
        }
        // A panic elsewhere leaves whole samples behind.
        let mut kept = self
            .kept
            .lock()
            .unwrap_or_else(|broken| broken.into_inner());
        kept.push(sample);
        thin_out(&mut kept);
        Ok(())
    }

    fn all(&self) -> Vec<Sample> {
        let kept = self.kept.lock();
        kept.unwrap_or_else(|broken| broken.into_inner()).clone()
    }
}

fn thin_out(samples: &mut Vec<Sample>) {
    while samples.len() > MOST {
        let mut is_kept = false;
        samples.retain(|_| {
            is_kept = !is_kept;
            is_kept
        });
    }
}

/// What the fleet costs, and the samples.
///
/// # Errors
/// Root does not answer.
pub(crate) async fn costs(fleet: &Fleet, samples: &Samples) -> Result<Value, Failure> {
    let costs = costs::ask(fleet).await?;
    Ok(json!({ "costs": costs, "samples": samples.all() }))
}

/// The members whose live state is asked for, with commas between them.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    canisters: String,
}

/// A member's live state.
#[derive(Serialize)]
struct Seen {
    canister: Principal,
    #[serde(flatten)]
    sight: MemberSight,
}

/// The live state of members, of `rows` as root lists them.
///
/// # Errors
/// Root does not answer, or a canister is no principal.
pub(crate) async fn live(fleet: &Fleet, rows: &Rows, wanted: &Wanted) -> Result<Value, Failure> {
    let names = wanted.canisters.split(',').filter(|name| !name.is_empty());
    let canisters = names.take(AT_ONCE).map(find::canister);
    let canisters: Vec<Principal> = canisters.collect::<Result<_, _>>()?;
    let order: Vec<Principal> = rows.iter().map(|row| row.canister).collect();
    let places = (0..order.len()).filter(|at| canisters.contains(&order[*at]));
    let places: Vec<usize> = places.collect();
    let bar = progress::hidden();
    let live = fleet
        .live(&MembersFilter::All, &order, &places, &bar)
        .await?;
    let members = live
        .into_values()
        .filter(|one| canisters.contains(&one.canister));
    let members = members.map(|one| Seen {
        canister: one.canister,
        sight: one.into(),
    });
    Ok(json!({ "members": members.collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64) -> Sample {
        Sample {
            at,
            cycles: "1".to_string(),
            days_left: Some(1.5),
        }
    }

    #[test]
    fn samples_reach_back_to_the_first_one_however_many_there_are() {
        let samples = Samples::default();
        for at in 0..10_000 {
            samples.add(sample(at)).unwrap();
        }
        let all = samples.all();
        assert!((MOST / 2..=MOST).contains(&all.len()), "{}", all.len());
        assert_eq!(all[0].at, 0);
        assert!(all.windows(2).all(|two| two[0].at < two[1].at));
    }

    #[test]
    fn a_file_has_the_samples_of_earlier_dashboards() {
        let file = std::env::temp_dir().join(format!("canic-samples-{}", std::process::id()));
        let open = || Samples::open(Some(&file));
        assert_eq!(open().unwrap().all(), []);
        for at in 1..=2 {
            open().unwrap().add(sample(at)).unwrap();
        }
        assert_eq!(open().unwrap().all(), [sample(1), sample(2)]);
        fs::write(&file, "no sample\n").unwrap();
        let failure = open().unwrap_err();
        fs::remove_file(&file).unwrap();
        assert!(failure.what.contains("line 1 is no sample"), "{failure}");
    }
}
