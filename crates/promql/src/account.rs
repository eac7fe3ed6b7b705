//! The account of a query's memory and samples.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::commons::Commons;
use crate::{Control, QueryError, QueryLimits};

/// Bytes that a query takes at once from what all share.
const SHARE: u64 = 1 << 20;

/// Bytes that a query keeps of what all share while it holds less: it may need them again.
const SPARE: u64 = 8 << 20;

/// What a query holds and held at most.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) limits: QueryLimits,
    pub(crate) bytes: AtomicU64,
    pub(crate) peak_bytes: AtomicU64,
    samples: AtomicU64,
    pub(crate) peak_samples: AtomicU64,
    /// What all queries share, and how much of it this one has.
    commons: Option<Arc<Commons>>,
    shared: AtomicU64,
}

impl Account {
    /// Of a query that holds nothing yet.
    pub(crate) fn new(limits: QueryLimits, commons: Option<Arc<Commons>>) -> Self {
        Self {
            limits,
            bytes: AtomicU64::new(0),
            peak_bytes: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            peak_samples: AtomicU64::new(0),
            commons,
            shared: AtomicU64::new(0),
        }
    }

    /// Bytes and samples held now.
    pub(crate) fn booked(&self) -> [u64; 2] {
        [self.bytes.load(Relaxed), self.samples.load(Relaxed)]
    }

    fn add_bytes(&self, bytes: u64) -> Result<(), QueryError> {
        let limit = self.limits.max_bytes;
        let now = add(&self.bytes, bytes, limit).ok_or(QueryError::TooMuchMemory { limit })?;
        if let Err(error) = self.share(now) {
            self.bytes.fetch_sub(bytes, Relaxed);
            return Err(error);
        }
        self.peak_bytes.fetch_max(now, Relaxed);
        Ok(())
    }

    /// Takes from what all queries share, in pieces, what this one holds now.
    fn share(&self, bytes: u64) -> Result<(), QueryError> {
        let Some(commons) = &self.commons else { return Ok(()) };
        let missing = bytes.saturating_sub(self.shared.load(Relaxed));
        if missing == 0 {
            return Ok(());
        }
        let piece = missing.max(SHARE);
        if !commons.take_bytes(piece) {
            return Err(QueryError::OutOfMemory { limit: commons.max_bytes() });
        }
        self.shared.fetch_add(piece, Relaxed);
        Ok(())
    }

    /// Gives bytes back, and what it has too much of to all.
    fn give_bytes(&self, bytes: u64) {
        let held = self.bytes.fetch_sub(bytes, Relaxed).saturating_sub(bytes);
        let Some(commons) = &self.commons else { return };
        // Where another thread books meanwhile, what is short is taken with its next booking.
        let without_surplus = |shared: u64| (shared > held.saturating_add(SPARE)).then_some(held + SHARE);
        if let Ok(before) = self.shared.fetch_update(Relaxed, Relaxed, without_surplus) {
            commons.give_bytes(before - (held + SHARE));
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(commons) = &self.commons {
            commons.give_bytes(*self.shared.get_mut());
        }
    }
}

/// Memory and samples booked with a [`Control`]; given back on drop.
#[derive(Debug)]
pub struct Reservation {
    control: Control,
    bytes: u64,
    samples: u64,
}

impl Reservation {
    /// Of nothing yet.
    pub(crate) fn new(control: &Control) -> Self {
        Self { control: control.clone(), bytes: 0, samples: 0 }
    }

    /// Books more memory.
    ///
    /// # Errors
    /// [`QueryError::TooMuchMemory`] and [`QueryError::OutOfMemory`].
    pub fn grow(&mut self, bytes: u64) -> Result<(), QueryError> {
        self.control.account().add_bytes(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Books samples.
    ///
    /// # Errors
    /// [`QueryError::TooManySamples`].
    pub fn grow_samples(&mut self, samples: u64) -> Result<(), QueryError> {
        let account = self.control.account();
        let most = account.limits.max_samples;
        let now = add(&account.samples, samples, most).ok_or(QueryError::TooManySamples)?;
        self.samples += samples;
        account.peak_samples.fetch_max(now, Relaxed);
        Ok(())
    }

    /// Gives some of its memory back.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.control.account().give_bytes(bytes);
    }

    /// Bytes and samples that it holds.
    pub(crate) fn booked(&self) -> [u64; 2] {
        [self.bytes, self.samples]
    }

    /// Takes over what another reservation holds.
    pub fn absorb(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
        self.samples += std::mem::take(&mut other.samples);
    }
}

/// The new total, unless it would pass the limit.
fn add(total: &AtomicU64, more: u64, limit: u64) -> Option<u64> {
    let within = |now: u64| now.checked_add(more).filter(|&sum| sum <= limit);
    let before = total.fetch_update(Relaxed, Relaxed, within).ok()?;
    before.checked_add(more)
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let account = self.control.account();
        account.give_bytes(self.bytes);
        account.samples.fetch_sub(self.samples, Relaxed);
    }
}
