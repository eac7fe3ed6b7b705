//! In which order nodes are asked to take a write: pure.

use super::super::Way;

/// What is known of where a shard is.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// By which way the last write was taken, or who was named by whom did not take it.
    pub(super) seen: Option<Way>,
    /// Who leads as the replica here knows.
    pub(super) here: Option<u64>,
    /// Who is to lead.
    pub(super) wanted: Option<u64>,
    /// Who has it, or is to have it.
    pub(super) replicas: Vec<u64>,
}

/// The nodes that did not take it, this time round.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    ways: Vec<Way>,
    /// Those that did not answer.
    away: Vec<u64>,
    /// Those that do not lead, and whom they named.
    named: Vec<(u64, u64)>,
}

impl Tried {
    /// The next way to try; none when all were. Who leads may be out of reach from here alone: whoever names it is asked to
    /// pass on to it, after all others.
    pub(super) fn next(&self, known: &Known) -> Option<Way> {
        let likely = [known.here, known.wanted].into_iter().flatten();
        let direct = likely.chain(known.replicas.iter().copied()).map(Way::direct);
        let out_of_reach = self.named.iter().filter(|(_, leader)| self.away.contains(leader));
        let relays = out_of_reach.map(|(node, leader)| Way { node: *node, relay_to: Some(*leader) });
        known.seen.into_iter().chain(direct).chain(relays).find(|way| !self.ways.contains(way))
    }

    /// A node does not lead, and names who does.
    pub(super) fn is_not(&mut self, way: Way, leader: Option<u64>) {
        self.ways.push(way);
        self.named.extend(leader.map(|leader| (way.node, leader)));
    }

    /// A node did not answer, or who it passed on to did not.
    pub(super) fn is_away(&mut self, way: Way) {
        self.ways.push(way);
        self.away.extend(way.relay_to.is_none().then_some(way.node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known { seen: Some(Way::direct(4)), here: Some(2), wanted: Some(4), replicas: vec![1, 2, 3, 1] }
    }

    #[test]
    fn the_likeliest_is_asked_first_and_each_once() {
        let mut tried = Tried::default();
        let mut asked = Vec::new();
        while let Some(way) = tried.next(&known()) {
            asked.push(way.node);
            tried.is_not(way, Some(9));
        }
        assert_eq!(asked, [4, 2, 1, 3]);
        assert_eq!(Tried::default().next(&Known::default()), None);
    }

    #[test]
    fn who_names_a_leader_that_is_out_of_reach_passes_on_to_it() {
        let mut tried = Tried::default();
        tried.is_away(Way::direct(4));
        tried.is_away(Way::direct(2));
        tried.is_not(Way::direct(1), Some(3));
        tried.is_not(Way::direct(3), Some(4));
        let relay = Way { node: 3, relay_to: Some(4) };
        assert_eq!(tried.next(&known()), Some(relay));
        tried.is_away(relay);
        assert_eq!(tried.next(&known()), None);
        let seen = Known { seen: Some(relay), ..known() };
        assert_eq!(Tried::default().next(&seen), Some(relay), "it was the way of the last write");
    }
}
