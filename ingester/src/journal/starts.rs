//! Start timestamps in an entry: `docs/format/entry.md`.
//!
//! In runs over all samples and then all histograms of a tenant's part. The series of one scrape mostly share few of
//! them, and without any there is one byte.

use latewood_model::{NO_START, TimestampMs};

use super::TenantEntry;
use super::varint::{Reader, push, unzigzag, zigzag};

/// Appends the start timestamps of a part.
pub(super) fn encode_starts(part: &TenantEntry, out: &mut Vec<u8>) {
    let without = if part.starts.is_empty() { part.values.len() } else { 0 };
    let samples = std::iter::repeat_n(NO_START, without).chain(part.starts.iter().copied());
    let histograms = part.histograms.iter().map(|sample| sample.start);
    if part.starts.is_empty() && histograms.clone().all(|start| start == NO_START) {
        push(out, 0);
        return;
    }
    let runs = runs(samples.chain(histograms));
    push(out, runs.len() as u64);
    let mut before = NO_START;
    for (count, start) in runs {
        push(out, count);
        push(out, zigzag(start.wrapping_sub(before)));
        before = start;
    }
}

/// How many in a row are the same, and what.
fn runs(starts: impl Iterator<Item = TimestampMs>) -> Vec<(u64, TimestampMs)> {
    let mut runs: Vec<(u64, TimestampMs)> = Vec::new();
    for start in starts {
        match runs.last_mut().filter(|(_, last)| *last == start) {
            Some((count, _)) => *count += 1,
            None => runs.push((1, start)),
        }
    }
    runs
}

/// Reads what [`encode_starts`] wrote into a part that has its samples and histograms already.
pub(super) fn decode_starts(reader: &mut Reader<'_>, part: &mut TenantEntry) -> Option<()> {
    // A run has at least two bytes.
    let runs = reader.count(2)?;
    if runs == 0 {
        return Some(());
    }
    let (samples, all) = (part.values.len(), part.values.len() + part.histograms.len());
    let (mut starts, mut start): (Vec<TimestampMs>, _) = (Vec::new(), NO_START);
    for _ in 0..runs {
        let count = usize::try_from(reader.number()?).ok()?;
        if count == 0 || count > all - starts.len() {
            return None;
        }
        start = start.wrapping_add(unzigzag(reader.number()?));
        starts.resize(starts.len() + count, start);
    }
    if starts.len() != all {
        return None;
    }
    for (sample, start) in part.histograms.iter_mut().zip(starts.split_off(samples)) {
        sample.start = start;
    }
    if starts.iter().any(|&start| start != NO_START) {
        part.starts = starts;
    }
    Some(())
}
