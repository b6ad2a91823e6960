//! The scenes of the demo.

use candid::Principal;
use canic::api::{
    Denied, LookupError, MemberInfo, MembersFilter, ModuleInfo, ModulesPage, OperationId,
    OperationsFilter, PageRequest, PoolEntry, ProvisionError, ProvisionRequest, Provisioned,
    Retirement, Source,
};
use canic_artifacts as artifacts;
use canic_endpoints::{notebook, user};

use crate::{
    canisters::CANISTERS,
    figures::Figures,
    fleet::Fleet,
    keep,
    network::{self, Place},
    show,
    stage::{Demo, say},
};

/// The users, by number from 1 on.
const NAMES: [&str; 6] = ["Alice", "Bob", "Carol", "Dave", "Erin", "Frank"];

/// What the demo does besides.
#[derive(Default)]
pub(crate) struct Options {
    /// Prints the figures as one object, in the last line.
    pub(crate) json: bool,
    /// Keeps the fleet running on a server, until Ctrl-C.
    pub(crate) keep: bool,
}

/// Runs the demo.
///
/// # Errors
/// When a canister or the server can't be built, or a claim did not hold.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    artifacts::ensure_wasm_target()?;
    say("build", "the five canisters of the example, to Wasm");
    artifacts::prepare(&CANISTERS)?;
    let place = match options.keep {
        true => Place::Server,
        false => Place::Anywhere,
    };
    let network = network::start(place)?;
    say("start", &network.name());

    let mut demo = Demo {
        fleet: Fleet::install(network, "example-root")?,
        failed: Vec::new(),
    };
    let figures = demo.play()?;
    show::tree(&demo.fleet);
    show::pool(&demo.fleet);
    show::operations(&demo.fleet);
    show::balance_sheet(&demo.fleet);
    figures.print_unmeasured();
    match options.keep {
        true => keep::go_live(&mut demo.fleet)?,
        false => say("look", "at this fleet by yourself: cargo xtask demo --keep"),
    }
    if options.json {
        println!("{}", figures.to_json()?);
    }
    if options.keep {
        keep::until_interrupted();
    }
    if demo.failed.is_empty() {
        Ok(())
    } else {
        Err(format!("did not hold: {}", demo.failed.join("; ")))
    }
}

type Answer = Result<Provisioned, ProvisionError>;

impl Demo {
    fn play(&mut self) -> Result<Figures, String> {
        say("install", &format!("root is {}", self.fleet.root));
        self.approve();
        let fresh = self.sign_up_three_at_once();
        let same_key_same_member = self.sign_up_twice();
        self.write_note("Alice's list", "milk, bread, cycles");
        self.fail_init();
        let pool_hit = self.retire_and_reuse();
        self.fill_guest_book();
        let survived_upgrade = self.upgrade();
        let rollouts = self.roll_out();
        let figures = Figures::measure(
            &self.fleet,
            same_key_same_member,
            survived_upgrade,
            rollouts,
            pool_hit,
            fresh,
        )?;
        self.claim_figures(&figures);
        Ok(figures)
    }

    /// Claims the figures that this server can measure.
    fn claim_figures(&mut self, figures: &Figures) {
        let claims = [
            (
                "a pool hit takes one management call",
                figures.management_calls_pool_hit.map(|n| n == 1),
            ),
            (
                "a fresh canister takes two",
                figures.management_calls_fresh.map(|n| n == 2),
            ),
            (
                "no canister is lost",
                figures.canisters_lost.map(|n| n == 0),
            ),
            (
                "every cycle is accounted for",
                figures.cycles_unaccounted.map(|n| n == 0),
            ),
        ];
        for (claim, holds) in claims {
            if let Some(holds) = holds {
                self.claim(claim, holds);
            }
        }
    }

    fn approve(&mut self) {
        for role in ["worker", "club", "page"] {
            let module = artifacts::module(&format!("example-{role}"));
            let info = self.fleet.approve(role, &module);
            let text = format!(
                "the {role}'s module: {} bytes, staged in {} chunks",
                info.size, info.chunks
            );
            say("approve", &text);
        }
        self.fleet
            .until("the pool holds two ready canisters", |fleet| {
                fleet.pool().len() == 2
            });
        self.fleet.quiet();
        say("pool", "two canisters are ready");
    }

    fn sign_up(&self, number: u8) -> Answer {
        let answer = self
            .fleet
            .update(self.fleet.root, user(number), "sign_up", ());
        let answer = answer.unwrap_or_else(|reject| panic!("sign_up: {reject}"));
        self.say_sign_up(number, &answer);
        answer
    }

    fn say_sign_up(&self, number: u8, answer: &Answer) {
        let name = NAMES[usize::from(number) - 1];
        match answer {
            Ok(there) => {
                let from = match there.source {
                    Source::Pool => "from the pool",
                    Source::Fresh => "freshly created",
                    Source::Imported => "imported",
                    Source::Existing => "there already",
                };
                let text = format!(
                    "{name}: {} {from}, operation {}",
                    there.canister, there.operation
                );
                say("sign up", &text);
            }
            Err(error) => say("sign up", &format!("{name}: {error}")),
        }
    }

    /// Three users sign up at once: two get a canister of the pool, the third one a fresh canister.
    /// Returns the management calls of the fresh one.
    ///
    /// The pool refills at the same time, so the replica's trace does not show to which operation a
    /// call belongs. Root's journal counts the calls of each operation; their sum over all
    /// operations must be the number of calls in the trace.
    fn sign_up_three_at_once(&mut self) -> Option<u64> {
        let from = self.fleet.next_event();
        let before = self.last_operation();
        let submitted = [1, 2, 3].map(|number| {
            self.fleet
                .submit(self.fleet.root, user(number), "sign_up", ())
        });
        let answers: Vec<Answer> = submitted
            .into_iter()
            .map(|m| self.fleet.answer(m))
            .collect();
        for (number, answer) in (1..).zip(&answers) {
            self.say_sign_up(number, answer);
        }
        let count = |source| {
            answers
                .iter()
                .flatten()
                .filter(|there| there.source == source)
                .count()
        };
        let (pool, fresh) = (count(Source::Pool), count(Source::Fresh));
        self.claim(
            "three users at once: two pool hits, one fresh canister",
            (pool, fresh) == (2, 1),
        );
        let mut canisters: Vec<_> = answers
            .iter()
            .flatten()
            .map(|there| there.canister)
            .collect();
        canisters.sort();
        canisters.dedup();
        self.claim(
            "each user has a canister of their own",
            canisters.len() == 3,
        );

        self.fleet.quiet();
        let seen = self.fleet.management_calls(from?)?;
        let closed = self.fleet.operations(OperationsFilter::Closed);
        let counted: u64 = closed
            .iter()
            .filter(|o| Some(o.id) > before)
            .map(|o| u64::from(o.calls))
            .sum();
        let agrees = self.claim(
            &format!("the replica saw {seen} management calls, root counted {counted}"),
            seen == counted,
        );
        let there = answers
            .iter()
            .flatten()
            .find(|there| there.source == Source::Fresh)?;
        agrees.then(|| u64::from(self.fleet.operation(there.operation).calls))
    }

    fn last_operation(&self) -> Option<OperationId> {
        self.fleet
            .operations(OperationsFilter::Closed)
            .iter()
            .map(|o| o.id)
            .max()
    }

    fn sign_up_twice(&mut self) -> bool {
        let root = self.fleet.root;
        let first: Option<Principal> = self
            .fleet
            .query(root, user(1), "where_is", (user(1),))
            .unwrap_or_default();
        let again = self.sign_up(1);
        let same = again.is_ok_and(|there| Some(there.canister) == first);
        self.claim("a user who signs up twice gets the same canister", same)
    }

    fn write_note(&mut self, title: &str, text: &str) {
        let Some(notebook) = self.notebook(1) else {
            return;
        };
        let written: Result<Result<(), String>, _> =
            self.fleet.update(notebook, user(1), "put", (title, text));
        say("note", &format!("Alice writes '{text}'"));
        self.claim("a note is written", matches!(written, Ok(Ok(()))));
        let read = self.read_note(1, title);
        self.claim("and read back", read.as_deref() == Some(text));
    }

    /// A worker whose `init` fails: a notebook can't belong to the anonymous principal.
    fn fail_init(&mut self) {
        let request = ProvisionRequest {
            key: Some("nobody".to_string()),
            ..notebook(Principal::anonymous())
        };
        let before = self.fleet.members(&MembersFilter::All).len();
        let answer = self.fleet.provision(&request);
        match &answer {
            Err(ProvisionError::InstallFailed {
                reason,
                rolled_back,
                ..
            }) => {
                say("fail", &format!("an init fails: {reason}"));
                say("fail", &format!("its canister: {rolled_back:?}"));
            }
            other => say("fail", &format!("{other:?}")),
        }
        self.claim(
            "a failing init is reported and rolled back",
            matches!(answer, Err(ProvisionError::InstallFailed { .. })),
        );
        self.fleet.quiet();
        let after = self.fleet.members(&MembersFilter::All).len();
        self.claim("it leaves no member behind", before == after);
    }

    /// Root retires Carol's worker to its pool; the next sign-up takes the canister that has been
    /// there longest. Returns the management calls of that pool hit.
    fn retire_and_reuse(&mut self) -> Option<u64> {
        let carols = self.notebook(3)?;
        let retired = self.fleet.retire(carols, Retirement::Recycle);
        say("retire", &format!("Carol's {carols}: {retired:?}"));
        self.fleet.quiet();
        let waits = self
            .fleet
            .pool()
            .iter()
            .any(|entry| entry.canister == carols);
        self.claim("her canister is in the pool", waits);
        self.claim("Carol has no notebook any more", self.notebook(3).is_none());

        let first = self.sign_up(4);
        let hit = first.as_ref().ok()?.operation;
        let from_pool = first.is_ok_and(|there| there.source == Source::Pool);
        self.claim(
            "the next user gets the canister that was in the pool before hers",
            from_pool,
        );
        self.fleet.quiet();
        // Root's count, which agreed with the replica's.
        Some(u64::from(self.fleet.operation(hit).calls))
    }

    /// A club and its guest book: a hub, with as many pages below it as the book needs.
    fn fill_guest_book(&mut self) {
        let root = self.fleet.root;
        let opened: Result<Answer, _> =
            self.fleet
                .update(root, user(1), "open_club", ("The Cyclists",));
        let Ok(Ok(club)) = opened else {
            self.claim(&format!("a club is opened: {opened:?}"), false);
            return;
        };
        let club = club.canister;
        say("club", &format!("The Cyclists are {club}"));
        let mut pages = Vec::new();
        for name in NAMES {
            let signed: Result<Result<u32, String>, _> =
                self.fleet.update(club, user(1), "sign", (name, "was here"));
            pages.extend(signed.ok().and_then(Result::ok));
        }
        say("club", &format!("{} sign its guest book", NAMES.join(", ")));
        self.claim(
            "three find room on the first page, three on the second",
            pages == [1, 1, 1, 2, 2, 2],
        );
        self.fleet.quiet();
        let below = self.fleet.members(&MembersFilter::Parent(club));
        let mut below: Vec<Principal> = below.iter().map(|page| page.canister).collect();
        let listed: Result<Result<Vec<Principal>, LookupError>, _> =
            self.fleet.update(club, user(1), "pages", ());
        let mut listed = listed.ok().and_then(Result::ok).unwrap_or_default();
        below.sort();
        listed.sort();
        self.claim(
            "root has notified the club of its pages",
            listed == below && listed.len() == 2,
        );
    }

    fn upgrade(&mut self) -> bool {
        let before = Snapshot::of(&self.fleet);
        let upgraded = self.fleet.upgrade_root("example-root");
        say("upgrade", "root: stopped, upgraded, started");
        if !self.claim("root takes the upgrade", upgraded.is_ok()) {
            return false;
        }
        self.fleet.quiet();
        let same = Snapshot::of(&self.fleet) == before;
        let held = self.claim(
            "members, pool, modules and operations are still there",
            same,
        );
        let note = self.read_note(1, "Alice's list").is_some();
        self.claim("so is Alice's note", note) && held
    }
}

/// The state of root that must survive an upgrade.
#[derive(PartialEq)]
struct Snapshot {
    members: Vec<MemberInfo>,
    pool: Vec<PoolEntry>,
    modules: Vec<ModuleInfo>,
    operations: Vec<OperationId>,
}

impl Snapshot {
    fn of(fleet: &Fleet) -> Self {
        let page = PageRequest {
            after: None,
            limit: 100,
        };
        let modules: Result<ModulesPage, Denied> = fleet.ask("canic_modules", (page,));
        let operations = fleet.operations(OperationsFilter::Closed);
        Self {
            members: fleet.members(&MembersFilter::All),
            pool: fleet.pool(),
            modules: modules.expect("a controller may list modules").modules,
            operations: operations.iter().map(|operation| operation.id).collect(),
        }
    }
}
