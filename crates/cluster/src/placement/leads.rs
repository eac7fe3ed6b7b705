//! Which replica of each shard leads it: pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Which replica of each shard is to lead it: none that is `low` on disk where another is not; as evenly over nodes as can
/// be, and those of `leaders` that lead now where that is as even. Where all are low, whoever leads now goes on.
#[must_use]
pub fn lead(placement: &[Vec<u64>], leaders: &[Option<u64>], low: &BTreeSet<u64>) -> Vec<Option<u64>> {
    let mut leads = Leads::new(placement, leaders, low);
    while leads.even_out() || leads.relieve() {}
    leads.chosen
}

struct Leads {
    /// Who may lead each shard.
    able: Vec<Vec<u64>>,
    chosen: Vec<Option<u64>>,
    /// How many shards each node leads.
    led: BTreeMap<u64, usize>,
    /// What is even: no node needs to lead more, if all that have room can lead all.
    most: usize,
}

impl Leads {
    /// Those that lead go on where they may, and the others are given to whoever has the least.
    fn new(placement: &[Vec<u64>], leaders: &[Option<u64>], low: &BTreeSet<u64>) -> Self {
        let now = |place: usize| leaders.get(place).copied().flatten();
        let able = |(place, replicas): (usize, &Vec<u64>)| {
            let mut able = replicas.clone();
            if replicas.iter().any(|node| !low.contains(node)) {
                able.retain(|node| !low.contains(node));
            } else if let Some(now) = now(place).filter(|now| replicas.contains(now)) {
                able = vec![now];
            }
            able
        };
        let able: Vec<Vec<u64>> = placement.iter().enumerate().map(able).collect();
        let nodes: BTreeSet<u64> = able.iter().flatten().copied().collect();
        let mut this = Self {
            chosen: able
                .iter()
                .enumerate()
                .map(|(place, able)| now(place).filter(|now| able.contains(now)))
                .collect(),
            most: placement.len().div_ceil(nodes.len().max(1)),
            led: nodes.into_iter().map(|node| (node, 0)).collect(),
            able,
        };
        this.chosen.iter().flatten().for_each(|node| *this.led.entry(*node).or_default() += 1);
        for place in 0..placement.len() {
            if this.chosen.get(place).is_some_and(Option::is_none)
                && let Some(node) = this.least(place)
            {
                this.give(place, node);
            }
        }
        this
    }

    fn led(&self, node: u64) -> usize {
        self.led.get(&node).copied().unwrap_or(0)
    }

    /// Who leads the least of those that may lead a shard.
    fn least(&self, place: usize) -> Option<u64> {
        self.able.get(place)?.iter().copied().min_by_key(|node| self.led(*node))
    }

    fn give(&mut self, place: usize, node: u64) {
        let Some(chosen) = self.chosen.get_mut(place) else { return };
        if let Some(before) = chosen.replace(node).and_then(|before| self.led.get_mut(&before)) {
            *before -= 1;
        }
        *self.led.entry(node).or_default() += 1;
    }

    /// Gives shards to others that may lead them where that makes both more even; whether there were any. Each lessens the
    /// sum of squares.
    fn even_out(&mut self) -> bool {
        let mut moved = false;
        for place in 0..self.chosen.len() {
            let Some((now, least)) = self.chosen.get(place).copied().flatten().zip(self.least(place)) else {
                continue;
            };
            if self.led(least) + 2 <= self.led(now) {
                self.give(place, least);
                moved = true;
            }
        }
        moved
    }

    /// Where a node leads more than is even, gives one of its shards to another, which gives one to the next, up to one that
    /// leads less; whether there was such a way.
    fn relieve(&mut self) -> bool {
        let over: Vec<u64> =
            self.led.iter().filter(|(_, led)| **led > self.most).map(|(node, _)| *node).collect();
        for node in over {
            if let Some(moves) = self.way_from(node) {
                moves.into_iter().for_each(|(place, node)| self.give(place, node));
                return true;
            }
        }
        false
    }

    /// The shards on the shortest way to a node that leads less than is even, each with the node that is to lead it.
    fn way_from(&self, start: u64) -> Option<Vec<(usize, u64)>> {
        let mut came: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
        let mut next = VecDeque::from([start]);
        while let Some(node) = next.pop_front() {
            let led =
                self.chosen.iter().zip(&self.able).enumerate().filter(|(_, (by, _))| **by == Some(node));
            for (place, (_, able)) in led {
                for &other in able {
                    if other == start || came.contains_key(&other) {
                        continue;
                    }
                    came.insert(other, (node, place));
                    if self.led(other) < self.most {
                        return Some(way_to(other, start, &came));
                    }
                    next.push_back(other);
                }
            }
        }
        None
    }
}

fn way_to(end: u64, start: u64, came: &BTreeMap<u64, (u64, usize)>) -> Vec<(usize, u64)> {
    let (mut way, mut at) = (Vec::new(), end);
    while let Some((from, place)) = came.get(&at).copied().filter(|_| at != start) {
        way.push((place, at));
        at = from;
    }
    way
}
