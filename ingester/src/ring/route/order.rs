//! In which order nodes are asked to take a write: pure.

/// What is known of where a shard is.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Who took the last write, or was named by whom did not.
    pub(super) seen: Option<u64>,
    /// Who leads as the replica here knows.
    pub(super) here: Option<u64>,
    /// Who is to lead.
    pub(super) wanted: Option<u64>,
    /// Who has it, or is to have it.
    pub(super) replicas: Vec<u64>,
}

/// The nodes that did not take it, this time round.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried(Vec<u64>);

impl Tried {
    /// The next one to ask; none when all were.
    pub(super) fn next(&self, known: &Known) -> Option<u64> {
        let likely = [known.seen, known.here, known.wanted].into_iter().flatten();
        let mut all = likely.chain(known.replicas.iter().copied());
        all.find(|node| !self.0.contains(node))
    }

    /// One did not take it.
    pub(super) fn add(&mut self, node: u64) {
        self.0.push(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_is_asked_first_and_each_once() {
        let known = Known { seen: Some(4), here: Some(2), wanted: Some(4), replicas: vec![1, 2, 3, 1] };
        let mut tried = Tried::default();
        let mut asked = Vec::new();
        while let Some(node) = tried.next(&known) {
            asked.push(node);
            tried.add(node);
        }
        assert_eq!(asked, [4, 2, 1, 3]);
        assert_eq!(Tried::default().next(&Known::default()), None);
    }
}
