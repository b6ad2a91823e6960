//! The structure of one crate: its circles, and its arrows that run up.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    floors::{self, Floors},
    imports::{Imports, imports},
    order::{self, Graph},
    size::{self, LongFunction},
    tree::{Sources, Tree},
};

/// The weight of an order that the table of floors demands, above that of all imports.
const DECLARED: u32 = 1_000_000;

/// The structure of a crate in numbers and lists.
#[derive(Serialize)]
pub(super) struct Plan {
    pub(super) package: String,
    pub(super) files: usize,
    /// Lines of code, neither blank nor comments.
    pub(super) lines: usize,
    /// Those of them that are compiled for tests only.
    pub(super) test_lines: usize,
    /// The longest chain of rooms that import each other.
    pub(super) floors: usize,
    pub(super) long_functions: Vec<LongFunction>,
    /// Files that all import each other, directly or not.
    pub(super) circles: Vec<Vec<String>>,
    pub(super) upward: Vec<Arrow>,
    /// Rooms that the table of floors does not name.
    pub(super) unknown: Vec<String>,
    /// Rooms of the table that do not exist.
    pub(super) missing: Vec<String>,
}

/// An import that runs from a lower room to a higher one.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Arrow {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) names: Vec<String>,
}

impl Plan {
    /// Reads the plan of a crate off its source files.
    ///
    /// # Errors
    /// When a file is missing or is no Rust.
    pub(super) fn of(package: &str, sources: &Sources) -> Result<Self, String> {
        let tree = Tree::parse(package, sources)?;
        let compiled: BTreeSet<&str> = tree.modules.iter().map(|m| m.file.as_str()).collect();
        let places = compiled.iter().map(|file| (*file, place(file, sources)));
        let places: BTreeMap<&str, Vec<&str>> = places.collect();
        let imports = imports(&tree);

        let mut plan = Self {
            package: package.to_string(),
            files: sources.len(),
            lines: 0,
            test_lines: 0,
            floors: 0,
            long_functions: Vec::new(),
            circles: circles(&imports),
            upward: Vec::new(),
            unknown: Vec::new(),
            missing: Vec::new(),
        };
        for (path, text) in sources {
            let size = size::measure(path, text, !compiled.contains(path.as_str()))?;
            plan.lines += size.lines;
            plan.test_lines += size.test_lines;
            plan.long_functions.extend(size.long_functions);
        }
        let floors = floors::of(package).unwrap_or_default();
        plan.compare_rooms(&places, floors);
        plan.arrange(&places, &imports, floors);
        Ok(plan)
    }

    /// Compares the rooms that exist with those of the table.
    fn compare_rooms(&mut self, places: &BTreeMap<&str, Vec<&str>>, floors: Floors) {
        if floors.is_empty() {
            return;
        }
        let exist: BTreeSet<&str> = places.values().map(|place| place[0]).collect();
        let named: BTreeSet<&str> = floors
            .iter()
            .flat_map(|floor| floor.iter().copied())
            .collect();
        let owned = |room: &&str| (*room).to_string();
        self.unknown = exist.difference(&named).map(owned).collect();
        self.missing = named.difference(&exist).map(owned).collect();
    }

    /// Orders what lies in each folder, and notes the imports that run against that order.
    fn arrange(&mut self, places: &BTreeMap<&str, Vec<&str>>, imports: &Imports, floors: Floors) {
        let mut folders: BTreeMap<&[&str], Imports> = BTreeMap::new();
        for (pair, names) in imports {
            let (from, to) = (&places[pair.0.as_str()], &places[pair.1.as_str()]);
            let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            let folder = folders.entry(&from[..shared]).or_default();
            folder.insert(pair.clone(), names.clone());
        }
        for (folder, imports) in folders {
            let floors = if folder.is_empty() { floors } else { &[] };
            let room_of = |file: &str| places[file][folder.len()];
            let order = Order::of(&imports, room_of, floors);
            if folder.is_empty() {
                self.floors = order.floors;
            }
            self.upward.extend(order.upward(&imports, room_of));
        }
        self.floors = self.floors.max(1);
    }

    /// Whether no rule is broken.
    pub(super) fn holds(&self) -> bool {
        self.circles.is_empty()
            && self.upward.is_empty()
            && self.unknown.is_empty()
            && self.missing.is_empty()
    }
}

/// The rooms of one folder, each with its rank from the top down.
struct Order<'a> {
    ranks: BTreeMap<&'a str, usize>,
    floors: usize,
}

impl<'a> Order<'a> {
    fn of(imports: &Imports, room_of: impl Fn(&str) -> &'a str, floors: Floors) -> Self {
        let pairs = || {
            imports
                .keys()
                .map(|(from, to)| (room_of(from), room_of(to)))
        };
        let rooms: BTreeSet<&str> = pairs().flat_map(|(from, to)| [from, to]).collect();
        let rooms: Vec<&str> = rooms.into_iter().collect();
        let index: BTreeMap<&str, usize> = rooms.iter().copied().zip(0..).collect();
        let mut graph: Graph = vec![vec![0; rooms.len()]; rooms.len()];
        for (from, to) in pairs() {
            graph[index[from]][index[to]] += 1;
        }
        let mut declared = graph.clone();
        let floor_of = |room: &str| floors.iter().position(|floor| floor.contains(&room));
        for (a, above) in rooms.iter().enumerate() {
            for (b, below) in rooms.iter().enumerate() {
                if let (Some(above), Some(below)) = (floor_of(above), floor_of(below))
                    && above < below
                {
                    declared[a][b] += DECLARED;
                }
            }
        }
        let order = order::order(&declared);
        Self {
            floors: order::floors(&graph, &order),
            ranks: order.iter().map(|&room| rooms[room]).zip(0..).collect(),
        }
    }

    /// The imports that run up.
    fn upward(&self, imports: &Imports, room_of: impl Fn(&str) -> &'a str) -> Vec<Arrow> {
        let rank = |file: &str| self.ranks[room_of(file)];
        let upward = imports
            .iter()
            .filter(|((from, to), _)| rank(from) > rank(to));
        let arrow = |((from, to), names): (&(String, String), &BTreeSet<String>)| Arrow {
            from: from.clone(),
            to: to.clone(),
            names: names.iter().cloned().collect(),
        };
        upward.map(arrow).collect()
    }
}

/// The folders of a file and its name in the last one. A file beside the folder of its children
/// is in that folder.
fn place<'a>(file: &'a str, sources: &Sources) -> Vec<&'a str> {
    let stem = file.trim_end_matches(".rs");
    let mut place: Vec<&str> = stem.split('/').collect();
    let folder = format!("{stem}/");
    if sources.keys().any(|other| other.starts_with(&folder)) {
        place.push("mod");
    }
    place
}

fn circles(imports: &Imports) -> Vec<Vec<String>> {
    let files: BTreeSet<&String> = imports.keys().flat_map(|(from, to)| [from, to]).collect();
    let files: Vec<&String> = files.into_iter().collect();
    let index: BTreeMap<&String, usize> = files.iter().copied().zip(0..).collect();
    let mut graph: Graph = vec![vec![0; files.len()]; files.len()];
    for (from, to) in imports.keys() {
        graph[index[from]][index[to]] = 1;
    }
    let named = |circle: Vec<usize>| circle.into_iter().map(|file| files[file].clone()).collect();
    order::circles(&graph).into_iter().map(named).collect()
}
