//! Hash trees, and partial trees that reveal some paths and prune the others to their digests.

use std::collections::BTreeMap;

use ic_certification::{
    HashTree, empty, fork, fork_hash, labeled, labeled_hash, leaf, leaf_hash, pruned,
};
use serde::Serialize;

/// A SHA-256 digest.
pub(crate) type Hash = [u8; 32];

/// The requested paths, by label. A path requests its whole subtree.
#[derive(Default)]
pub(crate) struct Wanted {
    whole: bool,
    below: BTreeMap<Vec<u8>, Wanted>,
}

impl Wanted {
    /// Everything.
    fn everything() -> Self {
        Self {
            whole: true,
            below: BTreeMap::new(),
        }
    }

    /// Requests a path.
    pub(crate) fn add<L: AsRef<[u8]>>(&mut self, path: impl IntoIterator<Item = L>) {
        let mut here = self;
        for label in path {
            here = here.below.entry(label.as_ref().to_vec()).or_default();
        }
        here.whole = true;
    }

    /// The requested paths below a label.
    pub(crate) fn below(&self, label: &[u8]) -> Option<&Self> {
        self.below.get(label)
    }
}

/// A node of a tree.
pub(crate) enum Node {
    Leaf(Vec<u8>),
    /// Labels in ascending order.
    Labels(Vec<(Vec<u8>, Node)>),
    /// A subtree that is known by its digest only.
    Pruned(Hash),
}

impl Node {
    /// A node with labels, in any order.
    pub(crate) fn labels<L: Into<Vec<u8>>>(nodes: impl IntoIterator<Item = (L, Self)>) -> Self {
        let mut nodes: Vec<_> = nodes
            .into_iter()
            .map(|(label, node)| (label.into(), node))
            .collect();
        nodes.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self::Labels(nodes)
    }

    pub(crate) fn digest(&self) -> Hash {
        match self {
            Self::Leaf(bytes) => leaf_hash(bytes),
            Self::Labels(nodes) => Labels::of(nodes).digest(),
            Self::Pruned(hash) => *hash,
        }
    }

    /// Reveals the wanted paths.
    pub(crate) fn reveal(&self, wanted: &Wanted) -> HashTree {
        match self {
            Self::Leaf(bytes) => leaf(bytes.as_slice()),
            Self::Labels(nodes) => {
                Labels::of(nodes).reveal(wanted, |index, wanted| nodes[index].1.reveal(wanted))
            }
            Self::Pruned(hash) => pruned(*hash),
        }
    }
}

/// Labels in ascending order with the digests of their subtrees, and the digests of the forks above
/// them.
pub(crate) struct Labels {
    entries: Vec<(Vec<u8>, Hash)>,
    /// The digests of the labels, then of each pair, and so on up to the root. A digest without a
    /// partner moves up unchanged.
    layers: Vec<Vec<Hash>>,
}

impl Labels {
    /// `entries` are in ascending order.
    pub(crate) fn new(entries: Vec<(Vec<u8>, Hash)>) -> Self {
        let mut layer: Vec<Hash> = entries
            .iter()
            .map(|(label, below)| labeled_hash(label, below))
            .collect();
        let mut layers = Vec::new();
        while layer.len() > 1 {
            let above = layer
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => fork_hash(left, right),
                    _ => pair[0],
                })
                .collect();
            layers.push(std::mem::replace(&mut layer, above));
        }
        layers.push(layer);
        Self { entries, layers }
    }

    fn of(nodes: &[(Vec<u8>, Node)]) -> Self {
        Self::new(
            nodes
                .iter()
                .map(|(label, node)| (label.clone(), node.digest()))
                .collect(),
        )
    }

    pub(crate) fn digest(&self) -> Hash {
        match self.layers.last().and_then(|layer| layer.first()) {
            Some(root) => *root,
            None => empty().digest(),
        }
    }

    /// The digest below the label with this index.
    pub(crate) fn digest_below(&self, index: usize) -> Hash {
        self.entries[index].1
    }

    /// The label with this index.
    pub(crate) fn label(&self, index: usize) -> &[u8] {
        &self.entries[index].0
    }

    /// Reveals the wanted labels. `open` answers the subtree of the label with an index. For a
    /// label that is absent, its neighbors are revealed: they prove the absence.
    pub(crate) fn reveal(
        &self,
        wanted: &Wanted,
        open: impl Fn(usize, &Wanted) -> HashTree,
    ) -> HashTree {
        let mut shown = BTreeMap::new();
        let mut neighbors = Vec::new();
        if wanted.whole {
            let everything = Wanted::everything();
            shown.extend((0..self.entries.len()).map(|index| (index, open(index, &everything))));
        } else {
            for (label, below) in &wanted.below {
                match self
                    .entries
                    .binary_search_by(|(entry, _)| entry.as_slice().cmp(label))
                {
                    Ok(index) => {
                        shown.insert(index, open(index, below));
                    }
                    Err(index) => neighbors.extend([index.wrapping_sub(1), index]),
                }
            }
        }
        for index in neighbors {
            if let Some((_, digest)) = self.entries.get(index) {
                shown.entry(index).or_insert_with(|| pruned(*digest));
            }
        }
        if self.entries.is_empty() {
            return empty();
        }
        self.assemble(self.layers.len() - 1, 0, &mut shown)
    }

    /// The fork number `index` of a layer.
    fn assemble(
        &self,
        layer: usize,
        index: usize,
        shown: &mut BTreeMap<usize, HashTree>,
    ) -> HashTree {
        let first = index << layer;
        let last = ((index + 1) << layer) - 1;
        if shown.range(first..=last).next().is_none() {
            return pruned(self.layers[layer][index]);
        }
        let Some(beneath) = layer.checked_sub(1) else {
            return match shown.remove(&index) {
                Some(below) => labeled(self.entries[index].0.clone(), below),
                None => pruned(self.layers[layer][index]),
            };
        };
        let left = self.assemble(beneath, 2 * index, shown);
        if 2 * index + 1 < self.layers[beneath].len() {
            let right = self.assemble(beneath, 2 * index + 1, shown);
            fork(left, right)
        } else {
            left
        }
    }
}

/// The node of a module's metadata sections.
pub(crate) fn metadata(sections: &BTreeMap<String, (bool, Vec<u8>)>) -> Node {
    Node::labels(
        sections
            .iter()
            .map(|(name, (_, content))| (name.as_str(), Node::Leaf(content.clone()))),
    )
}

/// Self-describing CBOR.
pub(crate) fn cbor(value: &impl Serialize) -> Vec<u8> {
    let mut serializer = serde_cbor::Serializer::new(Vec::new());
    serializer
        .self_describe()
        .and_then(|()| value.serialize(&mut serializer))
        .expect("it has an encoding, and a vector takes all that is written");
    serializer.into_inner()
}

/// A natural number in the tree: unsigned LEB128.
pub(crate) fn natural(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
