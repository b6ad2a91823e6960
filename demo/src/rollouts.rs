//! The demo's rollouts: a good release for all workers, and one whose `health` fails.

use canic::api::{
    Denied, MembersFilter, PageRequest, RolloutInfo, RolloutOutcome, RolloutPhase, RolloutsPage,
};
use canic_artifacts as artifacts;
use canic_endpoints::user;

use crate::{
    figures::Rollouts,
    stage::{Demo, say},
};

/// A note that a worker confirmed: its owner's number and its title.
type Note = (u8, String);

impl Demo {
    /// Rolls out the worker's release 2, and release 3, which says that it is not fit to serve.
    /// Their owners write notes all the while.
    pub(super) fn roll_out(&mut self) -> Rollouts {
        let owners: Vec<u8> = (1..=4)
            .filter(|one| self.notebook(*one).is_some())
            .collect();
        let mut notes = Vec::new();

        let good = marked(artifacts::module("example-worker"));
        let info = self.follow(&good, &owners, &mut notes);
        self.claim(
            "release 2 reaches every worker, its canary first",
            info.outcome == Some(RolloutOutcome::Completed) && info.left == 0,
        );
        let rolled_out = u64::from(info.upgraded);

        let faulty = artifacts::module("fixture-faulty-worker");
        let info = self.follow(&faulty, &owners, &mut notes);
        self.claim(
            "release 3 is not healthy on its canary, and goes back by itself",
            info.outcome == Some(RolloutOutcome::Undone) && (info.failed, info.upgraded) == (1, 0),
        );

        let lost: Vec<&Note> = notes
            .iter()
            .filter(|(owner, title)| self.read_note(*owner, title).is_none())
            .collect();
        let writes_lost = lost.len() as u64;
        say("note", &format!("{} were confirmed meanwhile", notes.len()));
        self.claim(
            "none of them is lost",
            writes_lost == 0 && !notes.is_empty(),
        );
        let members = self.fleet.members(&MembersFilter::All);
        let stopped = members
            .iter()
            .filter(|member| !self.fleet.is_running(member.canister));
        let left_stopped = stopped.count() as u64;
        self.claim("every member runs", left_stopped == 0);
        Rollouts {
            rolled_out,
            rolled_back: u64::from(info.failed + info.undone),
            left_stopped,
            writes_lost,
        }
    }

    /// Approves a module of the worker, and follows its rollout to the end.
    fn follow(&mut self, module: &[u8], owners: &[u8], notes: &mut Vec<Note>) -> RolloutInfo {
        self.fleet.approve("worker", module);
        let mut last = None;
        for second in 0..600 {
            let info = self.newest_rollout();
            let there = (info.phase, info.upgraded, info.failed);
            if last != Some(there) {
                let text = format!(
                    "release {}: {:?}, {} of {} upgraded, {} failed",
                    info.to, info.phase, info.upgraded, info.members, info.failed
                );
                say("rollout", &text);
                last = Some(there);
            }
            if info.phase == RolloutPhase::Ended {
                return info;
            }
            for owner in owners {
                let title = format!("release {}, second {second}", info.to);
                if self.write_in_passing(*owner, &title) {
                    notes.push((*owner, title));
                }
            }
            self.fleet.network.pass_second();
        }
        self.claim("the rollout ends within ten minutes", false);
        self.newest_rollout()
    }

    fn newest_rollout(&self) -> RolloutInfo {
        let request = PageRequest {
            after: None,
            limit: 100,
        };
        let page: Result<RolloutsPage, Denied> = self.fleet.ask("canic_rollouts", (request,));
        let page = page.expect("a controller may list rollouts");
        let newest = page.rollouts.into_iter().next_back();
        newest.expect("the approval began a rollout")
    }

    /// Writes a note. A worker that is stopped or on probation takes none.
    fn write_in_passing(&self, owner: u8, title: &str) -> bool {
        let Some(notebook) = self.notebook(owner) else {
            return false;
        };
        let written: Result<Result<(), String>, _> =
            self.fleet
                .update(notebook, user(owner), "put", (title, "still here"));
        matches!(written, Ok(Ok(())))
    }
}

/// The module with a mark, a custom section: a release of its own with the same code.
fn marked(mut module: Vec<u8>) -> Vec<u8> {
    let name = b"release";
    module.extend([0, 2 + name.len() as u8, name.len() as u8]);
    module.extend(name);
    module.push(b'2');
    module
}
