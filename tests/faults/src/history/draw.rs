//! Draws histories from seeds. The same seed is the same history as long as nothing here changes.

use fastrand::Rng;

use super::{
    Drawn, Fleet, History, Step,
    deed::{Adoption, Deed, How, PACKAGES, Place, Stranger, VERSIONS},
};
use crate::case::Act;

impl History {
    /// The history of a seed.
    #[must_use]
    pub fn drawn(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let fleet = match rng.u32(..10) {
            0..3 => Fleet::Small,
            3 => Fleet::Poor,
            4 => Fleet::Tree,
            _ => Fleet::Forest,
        };
        let drawn = Drawn {
            seed,
            per_mille: rng.u32(5..60),
            everywhere: rng.bool(),
        };
        let steps = (0..rng.usize(5..30)).map(|_| Step {
            deed: deed(fleet, &mut rng),
            rounds: rng.u32(..20),
        });
        Self {
            fleet,
            steps: steps.collect(),
            drawn: Some(drawn),
            faults: Vec::new(),
        }
    }
}

fn deed(fleet: Fleet, rng: &mut Rng) -> Deed {
    match rng.u32(..100) {
        0..26 => Deed::Provision(place(fleet, rng)),
        26..31 => {
            let places = (0..rng.usize(1..5)).map(|_| place(fleet, rng));
            Deed::ProvisionBatch(places.collect())
        }
        31..42 => request_of_a_member(rng),
        42..48 => Deed::Move {
            member: number(rng),
            parent: rng.bool().then(|| number(rng)),
        },
        48..60 => Deed::Retire {
            member: number(rng),
            how: how(rng),
            subtree: rng.u32(..3) > 0,
        },
        60..62 => Deed::RetireQuarantined {
            which: number(rng),
            how: match rng.u32(..4) {
                0 => How::Destroy,
                _ => how(rng),
            },
        },
        62..67 => Deed::Import(stranger(rng)),
        67..69 => Deed::Approve {
            role: PACKAGES[rng.usize(..PACKAGES.len())].0.to_string(),
            version: rng.u8(..VERSIONS),
        },
        69 => Deed::Prune,
        70..81 => act_on_a_member(rng),
        81..94 => Deed::Operator(act(rng)),
        94..97 => Deed::Grant {
            member: number(rng),
            billions: rng.u32(1..2_000),
        },
        _ => Deed::Pass {
            seconds: rng.u64(1..120),
        },
    }
}

fn number(rng: &mut Rng) -> u8 {
    rng.u8(..24)
}

fn how(rng: &mut Rng) -> How {
    if rng.bool() {
        How::Recycle
    } else {
        How::Delete
    }
}

fn place(fleet: Fleet, rng: &mut Rng) -> Place {
    let role = match (fleet, rng.u32(..20)) {
        (_, 0..4) => "refused",
        (Fleet::Small | Fleet::Poor, 4..7) | (Fleet::Forest, 4..6) => "hub",
        (Fleet::Tree | Fleet::Forest, 6..12) => "subscriber",
        (Fleet::Tree | Fleet::Forest, 12) => "watcher",
        _ => "worker",
    };
    Place {
        role: role.to_string(),
        key: rng.u8(1..7),
        parent: rng.bool().then(|| number(rng)),
    }
}

fn request_of_a_member(rng: &mut Rng) -> Deed {
    let by = number(rng);
    match rng.u32(..11) {
        0..5 => Deed::Hire {
            by,
            key: rng.u8(1..7),
        },
        5..7 => Deed::Dismiss {
            member: number(rng),
        },
        7..9 => Deed::HandOver {
            by,
            member: number(rng),
            parent: number(rng),
        },
        _ => Deed::LookUp {
            by,
            member: number(rng),
        },
    }
}

fn stranger(rng: &mut Rng) -> Stranger {
    let amounts = [60, 200, 350, 600, 1_500, 3_000];
    Stranger {
        billions: amounts[rng.usize(..amounts.len())],
        settings: rng.bool(),
        adopt: rng.bool().then(|| Adoption {
            key: rng.u8(1..4),
            parent: rng.bool().then(|| number(rng)),
        }),
    }
}

fn act_on_a_member(rng: &mut Rng) -> Deed {
    let member = number(rng);
    match rng.u32(..11) {
        0..2 => Deed::Upgrade {
            member,
            stopped: false,
        },
        2..4 => Deed::Upgrade {
            member,
            stopped: true,
        },
        4..6 => Deed::Stop { member },
        6 => Deed::Start { member },
        7 => Deed::StartMembers,
        8..10 => Deed::Freeze { member },
        _ => Deed::ThawAll,
    }
}

fn act(rng: &mut Rng) -> Act {
    match rng.u32(..15) {
        13..15 => Act::UpgradeMembers,
        0..4 => Act::UpgradeRoot,
        4..9 => Act::UpgradeStoppedRoot,
        9 => Act::StopRoot,
        10 => Act::LongOutage,
        _ => Act::StopMembers,
    }
}
