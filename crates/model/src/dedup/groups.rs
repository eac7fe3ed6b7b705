//! Which series are the replicas of one, and by which streams they are best read: a pure function of their labels.

use std::collections::HashMap;

use super::ReplicaLabels;
use crate::{Labels, MatchOp, Matcher, MatcherError, storage_order};

/// The most streams by which a selection is read. Each asks all stores.
const MAX_STREAMS: usize = 8;

/// A series as it is answered, and those that it is made of.
#[derive(Clone, Debug)]
pub struct Group {
    /// Without replica labels.
    pub labels: Labels,
    /// In their rank: the stream that has it, and its labels.
    pub replicas: Vec<(usize, Labels)>,
}

/// A selection in groups.
#[derive(Debug, Default)]
pub struct Groups {
    /// In storage order of their labels, which is not always that of their replicas.
    pub groups: Vec<Group>,
    /// What each stream selects beside what all do. With a stream for each replica, the replicas of a series come at
    /// the same time; were there but one, all of the first replica may come before any of the second.
    pub streams: Vec<Vec<Matcher>>,
    /// Whether any series has replica labels.
    pub have_labels: bool,
    /// Whether any group has several replicas.
    pub have_pairs: bool,
}

impl Groups {
    /// Of the series found.
    ///
    /// # Errors
    /// None is expected: a matcher for equality cannot be wrong.
    pub fn new(found: Vec<Labels>, replicas: &ReplicaLabels) -> Result<Self, MatcherError> {
        let mut members: HashMap<Labels, usize> = HashMap::new();
        let mut series = Vec::with_capacity(found.len());
        for labels in found {
            let next = members.len();
            let member = *members.entry(replicas.of(&labels)).or_insert(next);
            series.push((replicas.strip(&labels), member, labels));
        }
        let (streams, place) = ranked(members);
        series.iter_mut().for_each(|one| one.1 = place.get(one.1).copied().unwrap_or_default());
        series.sort_by(|a, b| storage_order(&a.0, &b.0).then(a.1.cmp(&b.1)));
        let mut all =
            Self { have_labels: streams.iter().any(|labels| !labels.is_empty()), ..Self::default() };
        for (labels, member, replica) in series {
            match all.groups.last_mut() {
                Some(group) if group.labels == labels => {
                    group.replicas.push((member, replica));
                    all.have_pairs = true;
                }
                _ => all.groups.push(Group { labels, replicas: vec![(member, replica)] }),
            }
        }
        all.plan(&streams)?;
        Ok(all)
    }

    /// One stream for each replica, or one for all where that does not pay.
    fn plan(&mut self, members: &[Labels]) -> Result<(), MatcherError> {
        if !self.have_pairs || members.len() > MAX_STREAMS {
            let replicas = self.groups.iter_mut().flat_map(|group| &mut group.replicas);
            replicas.for_each(|replica| replica.0 = 0);
            self.streams = vec![Vec::new()];
            return Ok(());
        }
        let mut names: Vec<&str> =
            members.iter().flat_map(|labels| labels.iter().map(|pair| pair.0)).collect();
        names.sort_unstable();
        names.dedup();
        let matcher = |labels: &Labels, name: &str| {
            Matcher::new(MatchOp::Equal, name, labels.get(name).unwrap_or_default())
        };
        let of = |labels: &Labels| names.iter().map(|name| matcher(labels, name)).collect();
        self.streams = members.iter().map(of).collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// The replica labels in their rank, and the place of each number there.
fn ranked(members: HashMap<Labels, usize>) -> (Vec<Labels>, Vec<usize>) {
    let mut sorted: Vec<(Labels, usize)> = members.into_iter().collect();
    sorted.sort_unstable();
    let mut places = vec![0; sorted.len()];
    for (place, (_, number)) in sorted.iter().enumerate() {
        places.get_mut(*number).into_iter().for_each(|slot| *slot = place);
    }
    (sorted.into_iter().map(|(labels, _)| labels).collect(), places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(found: &[&[(&str, &str)]]) -> Groups {
        let found = found.iter().map(|pairs| Labels::from_pairs(pairs.iter().copied()));
        Groups::new(found.collect(), &ReplicaLabels::new(["__replica__", "replica"])).unwrap()
    }

    #[test]
    fn replicas_are_grouped_in_storage_order_of_what_is_left() {
        let all = groups(&[
            &[("__name__", "up"), ("__replica__", "b"), ("job", "x")],
            &[("__name__", "up"), ("job", "x"), ("replica", "1")],
            &[("__name__", "up"), ("replica", "1")],
            &[("__name__", "up"), ("__replica__", "a"), ("job", "x")],
        ]);
        let labels: Vec<_> = all.groups.iter().map(|group| group.labels.to_string()).collect();
        assert_eq!(labels, [r#"{__name__="up"}"#, r#"{__name__="up", job="x"}"#]);
        let texts = |matchers: &Vec<Matcher>| -> Vec<(String, String)> {
            matchers.iter().map(|one| (one.name().to_owned(), one.value().to_owned())).collect()
        };
        let pair = |a: &str, b: &str| vec![("__replica__".into(), a.into()), ("replica".into(), b.into())];
        let streams: Vec<_> = all.streams.iter().map(texts).collect();
        assert_eq!(streams, [pair("a", ""), pair("b", ""), pair("", "1")]);
        let members: Vec<usize> = all.groups[1].replicas.iter().map(|replica| replica.0).collect();
        assert_eq!((members, all.have_pairs, all.have_labels), (vec![0, 1, 2], true, true));
    }

    #[test]
    fn one_stream_is_enough_without_pairs_and_where_there_are_very_many() {
        let single = groups(&[&[("a", "1"), ("replica", "1")], &[("a", "2"), ("replica", "2")]]);
        assert_eq!((single.streams.len(), single.have_pairs, single.have_labels), (1, false, true));
        let many: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let many: Vec<[(&str, &str); 1]> = many.iter().map(|number| [("replica", number.as_str())]).collect();
        let many = groups(&many.iter().map(<[_; 1]>::as_slice).collect::<Vec<_>>());
        assert_eq!((many.streams.len(), many.groups.len(), many.groups[0].replicas.len()), (1, 1, 20));
        assert!(many.groups[0].replicas.iter().all(|replica| replica.0 == 0));
        assert!(!groups(&[&[("a", "1")]]).have_labels);
    }
}
