//! Circles in a graph, and the order of its nodes that fewest of its arrows run against.

/// `graph[a][b]` is the weight of the arrow from `a` to `b`; without an arrow it is 0.
pub(super) type Graph = Vec<Vec<u32>>;

/// Sets of several nodes that all reach each other.
pub(super) fn circles(graph: &Graph) -> Vec<Vec<usize>> {
    let reached: Vec<Vec<bool>> = (0..graph.len())
        .map(|node| reachable(graph, node))
        .collect();
    let mut circles: Vec<Vec<usize>> = Vec::new();
    for (node, reaches) in reached.iter().enumerate() {
        // A node on a circle reaches itself.
        if reaches[node] && !circles.iter().any(|circle| circle.contains(&node)) {
            let together = (0..graph.len()).filter(|&other| reaches[other] && reached[other][node]);
            circles.push(together.collect());
        }
    }
    circles.retain(|circle| circle.len() > 1);
    circles
}

fn reachable(graph: &Graph, from: usize) -> Vec<bool> {
    let mut reached = vec![false; graph.len()];
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        for (to, &weight) in graph[node].iter().enumerate() {
            if weight > 0 && !reached[to] {
                reached[to] = true;
                open.push(to);
            }
        }
    }
    reached
}

/// The nodes from the top down, so that little weight runs back up: none if there is no circle.
pub(super) fn order(graph: &Graph) -> Vec<usize> {
    let mut order = greedy(graph);
    while improve(graph, &mut order) {}
    order
}

/// Takes nodes without arrows out to the ends of the order, otherwise the one with most outgoing
/// weight to its top.
fn greedy(graph: &Graph) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..graph.len()).collect();
    let (mut top, mut bottom) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let out = |node: usize| {
            rest.iter()
                .map(|&to| i64::from(graph[node][to]))
                .sum::<i64>()
        };
        let back = |node: usize| {
            rest.iter()
                .map(|&from| i64::from(graph[from][node]))
                .sum::<i64>()
        };
        let (node, side) = if let Some(&sink) = rest.iter().rev().find(|&&node| out(node) == 0) {
            (sink, &mut bottom)
        } else if let Some(&source) = rest.iter().find(|&&node| back(node) == 0) {
            (source, &mut top)
        } else {
            let best = rest
                .iter()
                .copied()
                .max_by_key(|&node| out(node) - back(node));
            (best.unwrap_or(rest[0]), &mut top)
        };
        rest.retain(|&other| other != node);
        side.push(node);
    }
    top.extend(bottom.into_iter().rev());
    top
}

/// Moves one node to where less weight runs back up, if there is such a position.
fn improve(graph: &Graph, order: &mut Vec<usize>) -> bool {
    for from in 0..order.len() {
        let node = order[from];
        // What is gained by each step up, and by each step down.
        let gain = |other: usize| i64::from(graph[node][other]) - i64::from(graph[other][node]);
        let (mut gained, mut best) = (0, (0, from));
        for to in (0..from).rev() {
            gained += gain(order[to]);
            best = best.max((gained, to));
        }
        gained = 0;
        for (to, &other) in order.iter().enumerate().skip(from + 1) {
            gained -= gain(other);
            if gained > best.0 {
                best = (gained, to);
            }
        }
        if best.0 > 0 {
            order.remove(from);
            order.insert(best.1, node);
            return true;
        }
    }
    false
}

/// The length of the longest chain of arrows that run down, counted in nodes.
pub(super) fn floors(graph: &Graph, order: &[usize]) -> usize {
    let mut height = vec![1; graph.len()];
    for (at, &node) in order.iter().enumerate().rev() {
        let below = order[at + 1..].iter().filter(|&&to| graph[node][to] > 0);
        height[node] = below.map(|&to| height[to] + 1).max().unwrap_or(1);
    }
    height.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: usize, arrows: &[(usize, usize, u32)]) -> Graph {
        let mut graph = vec![vec![0; nodes]; nodes];
        for &(from, to, weight) in arrows {
            graph[from][to] = weight;
        }
        graph
    }

    #[test]
    fn nodes_that_reach_each_other_are_a_circle() {
        let graph = graph(
            6,
            &[
                (0, 1, 1),
                (1, 2, 1),
                (2, 0, 1),
                (2, 3, 1),
                (4, 5, 1),
                (5, 4, 1),
            ],
        );
        assert_eq!(circles(&graph), [vec![0, 1, 2], vec![4, 5]]);
    }

    #[test]
    fn without_a_circle_no_arrow_runs_up() {
        let graph = graph(4, &[(3, 1, 1), (1, 0, 1), (3, 0, 5), (0, 2, 1)]);
        assert_eq!(order(&graph), [3, 1, 0, 2]);
        assert_eq!(floors(&graph, &order(&graph)), 4);
    }

    #[test]
    fn the_lightest_arrow_of_a_circle_runs_up() {
        let graph = graph(3, &[(0, 1, 3), (1, 2, 1), (2, 0, 3)]);
        assert_eq!(order(&graph), [2, 0, 1]);
    }
}
