//! Series with windows, one after another, from the query's source.

use latewood_model::{Labels, SeriesRollups};

use crate::exec::Env;
use crate::exec::selections::failed;
use crate::{QueryError, Reservation, RollupCursor, RollupSelect};

/// Series of one selection. Opens the selection at the first pull.
pub(super) struct RollupFeed {
    env: Env,
    select: RollupSelect,
    cursor: Option<Box<dyn RollupCursor>>,
    batch: std::iter::Peekable<std::vec::IntoIter<SeriesRollups>>,
    held: Option<Reservation>,
    is_at_end: bool,
}

impl RollupFeed {
    pub(super) fn new(env: &Env, select: RollupSelect) -> Self {
        let batch = Vec::new().into_iter().peekable();
        Self { env: env.clone(), select, cursor: None, batch, held: None, is_at_end: false }
    }

    /// The labels of the next series; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<&Labels>, QueryError> {
        while self.batch.peek().is_none() && !self.is_at_end {
            self.held = None;
            self.pull()?;
        }
        Ok(self.batch.peek().map(|series| &series.labels))
    }

    /// The next series, which was looked at before.
    pub(super) fn take(&mut self) -> Option<SeriesRollups> {
        self.batch.next()
    }

    fn pull(&mut self) -> Result<(), QueryError> {
        self.env.control.check()?;
        self.env.reads_at(self.select.resolution);
        let cursor = match &mut self.cursor {
            Some(cursor) => cursor,
            None => {
                let opened = self.env.source.select_rollups(&self.select);
                self.cursor.insert(opened.or_else(|error| failed(&self.env, error))?)
            }
        };
        self.env.control.rest();
        let batch = cursor.next_batch();
        let Some(batch) = batch.or_else(|error| failed(&self.env, error))? else {
            let mut annotations = self.env.annotations.lock();
            cursor.warnings().into_iter().for_each(|text| annotations.warn(text));
            (self.cursor, self.is_at_end) = (None, true);
            return Ok(());
        };
        let windows: usize = batch.iter().map(|series| series.floats.len() + series.histograms.len()).sum();
        self.env.control.count_read(batch.len() as u64, windows as u64);
        let floats: usize = batch.iter().map(SeriesRollups::weight).sum();
        self.held = Some(self.env.control.reserve(8 * floats as u64)?);
        self.batch = batch.into_iter().peekable();
        Ok(())
    }
}
