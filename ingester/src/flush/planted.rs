//! Faults that a simulation of the flush must find. What ships has none of them.

/// A fence between leaders that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfenced {
    /// All leaders upload a generation under one id.
    SharedIds,
    /// A leader looks for no blocks but its own.
    OwnBlocksAlone,
}

#[cfg(feature = "testing")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Unfenced>> = const { std::cell::Cell::new(None) };
}

/// From here on, the flushes of this thread have this fault.
#[cfg(feature = "testing")]
pub fn plant(fault: Option<Unfenced>) {
    PLANTED.set(fault);
}

/// Whether the flushes of this thread have this fault.
#[cfg(feature = "testing")]
pub(super) fn has(fault: Unfenced) -> bool {
    PLANTED.get() == Some(fault)
}

/// Nothing has.
#[cfg(not(feature = "testing"))]
pub(super) const fn has(_: Unfenced) -> bool {
    false
}
