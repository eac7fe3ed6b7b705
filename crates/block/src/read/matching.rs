//! Which series match: matchers run once per distinct value, then on codes.

use latewood_model::{METRIC_NAME, Matcher};

use super::codes::Codes;
use super::series_table::SeriesTable;

impl SeriesTable {
    /// The rows of the series that all matchers accept, ascending.
    pub(super) fn matching(&self, matchers: &[Matcher]) -> Vec<u32> {
        let mut ordered: Vec<&Matcher> = matchers.iter().collect();
        // The metric's name decides most.
        ordered.sort_by_key(|matcher| (matcher.name() != METRIC_NAME, matcher.op()));
        let mut rows: Option<Vec<u32>> = None;
        for matcher in ordered {
            let verdict = Verdict::new(self, matcher);
            let accepted = match rows.take() {
                Some(mut rows) => {
                    rows.retain(|&row| verdict.accepts(self, row));
                    rows
                }
                None => (0..self.rows as u32).filter(|&row| verdict.accepts(self, row)).collect(),
            };
            rows = Some(accepted);
        }
        rows.unwrap_or_else(|| (0..self.rows as u32).collect())
    }
}

/// What a matcher says of every value that its label has.
struct Verdict<'a> {
    /// The codes of the label's column, and the verdict on each code; code 0 is "not there".
    hot: Option<(&'a Codes, Vec<bool>)>,
    /// The number of the label's name among the others, and the verdict on each of their values.
    rest: Option<(u32, Vec<bool>)>,
    empty: bool,
}

impl<'a> Verdict<'a> {
    fn new(table: &'a SeriesTable, matcher: &Matcher) -> Self {
        let empty = matcher.matches_empty();
        let hot = table.column(matcher.name()).map(|column| {
            let values = column.values.iter().map(|value| matcher.matches(value));
            (&column.codes, std::iter::once(empty).chain(values).collect())
        });
        let position = table.rest.names.iter().position(|name| name == matcher.name());
        let rest = position.map(|name| {
            let name = name as u32;
            let mut verdicts = vec![false; table.rest.values.len()];
            let mut known = vec![false; table.rest.values.len()];
            for &(_, value) in table.rest.all_pairs().iter().filter(|pair| pair.0 == name) {
                let at = value as usize;
                if let Some(known) = known.get_mut(at).filter(|known| !**known)
                    && let Some(verdict) = verdicts.get_mut(at)
                {
                    (*known, *verdict) = (true, matcher.matches(table.rest.values.get(value)));
                }
            }
            (name, verdicts)
        });
        Self { hot, rest, empty }
    }

    fn accepts(&self, table: &SeriesTable, row: u32) -> bool {
        if let Some((codes, verdicts)) = &self.hot {
            let code = codes.get(row as usize);
            if code != 0 || self.rest.is_none() {
                return verdicts.get(code as usize).copied().unwrap_or(false);
            }
        }
        let Some((name, verdicts)) = &self.rest else {
            return self.empty;
        };
        let pair = table.rest.pairs(row as usize).iter().find(|pair| pair.0 == *name);
        pair.map_or(self.empty, |pair| verdicts.get(pair.1 as usize).copied().unwrap_or(false))
    }
}
