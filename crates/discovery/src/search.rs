//! Which full names a name may stand for: the search list of `resolv.conf`.

/// The machine's search list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Search {
    /// A name with fewer dots is first looked for below the suffixes.
    pub(crate) ndots: usize,
    /// Each with a dot at its end.
    pub(crate) suffixes: Vec<String>,
}

impl Search {
    /// The full names, in the order in which they are tried, each with a dot at its end.
    pub(crate) fn full_names(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let mut names: Vec<String> =
            self.suffixes.iter().map(|suffix| format!("{name}.{}", suffix.trim_start_matches('.'))).collect();
        let is_full_enough = name.matches('.').count() >= self.ndots;
        let at = if is_full_enough { 0 } else { names.len() };
        names.insert(at, format!("{name}."));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_few_dots_is_looked_for_below_the_suffixes_first() {
        let suffixes = ["monitoring.svc.cluster.local.", "cluster.local."].map(str::to_owned).to_vec();
        let search = Search { ndots: 2, suffixes };
        assert_eq!(search.full_names("a.b.c."), ["a.b.c."]);
        assert_eq!(
            search.full_names("a.b"),
            ["a.b.monitoring.svc.cluster.local.", "a.b.cluster.local.", "a.b."]
        );
        assert_eq!(
            search.full_names("a.b.c"),
            ["a.b.c.", "a.b.c.monitoring.svc.cluster.local.", "a.b.c.cluster.local."]
        );
        assert_eq!(Search::default().full_names("a"), ["a."]);
    }
}
