//! What the simulated groups replicate: numbers, in the order of the log.

use std::sync::Arc;

use bytes::Bytes;
use latewood_cluster::{Command, DecodeError, Position, ReplicatedState};
use parking_lot::Mutex;

use crate::history::History;

/// A number that one client proposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(pub u64);

impl Command for Number {
    fn encode(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0.to_le_bytes())
    }

    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let number = bytes[..].try_into().map_err(|_| DecodeError("eight bytes are a number".to_owned()))?;
        Ok(Self(u64::from_le_bytes(number)))
    }
}

/// All numbers that a replica has, each with its position.
#[derive(Clone, Debug, Default)]
pub struct Numbers(pub Arc<Mutex<Vec<(Position, u64)>>>);

impl Numbers {
    /// A checkpoint of the first ones.
    pub fn encode(numbers: &[(Position, u64)]) -> Bytes {
        let words = numbers.iter().flat_map(|(at, number)| [at.term, at.index, *number]);
        words.flat_map(u64::to_le_bytes).collect()
    }
}

/// A replica of the numbers.
#[derive(Debug)]
pub struct Register {
    pub node: u64,
    pub numbers: Numbers,
    pub history: History,
}

impl ReplicatedState for Register {
    type Command = Number;
    type Response = usize;

    fn apply(&mut self, position: Position, command: &Number) -> usize {
        self.history.applied(self.node, position, command.0);
        let mut numbers = self.numbers.0.lock();
        numbers.push((position, command.0));
        numbers.len()
    }

    fn restore(&mut self, checkpoint: &[u8], _: Position) {
        let words: Vec<u64> =
            checkpoint.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
        let numbers = words.chunks_exact(3).map(|one| (Position { term: one[0], index: one[1] }, one[2]));
        *self.numbers.0.lock() = numbers.collect();
    }
}
