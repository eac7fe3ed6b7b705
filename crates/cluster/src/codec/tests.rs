//! The golden values, and bytes that are none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use openraft::BasicNode;
use openraft::vote::RaftLeaderId;

use super::*;
use crate::Position;
use crate::types::LeaderId;

/// The file of a version.
fn golden(version: u8) -> String {
    format!("{}/testdata/log-v{version}.txt", env!("CARGO_MANIFEST_DIR"))
}

#[derive(Clone, Debug)]
pub(super) struct Raw(Bytes);

impl Command for Raw {
    fn encode(&self) -> Bytes {
        self.0.clone()
    }

    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        Ok(Self(bytes))
    }
}

pub(super) struct Unused;

impl ReplicatedState for Unused {
    type Command = Raw;
    type Response = ();

    fn apply(&mut self, _: Position, _: &Raw) {}

    fn restore(&mut self, _: &[u8], _: Position) {}
}

pub(super) fn log_id() -> LogId {
    LogId { leader_id: LeaderId::new(3, 1).to_committed(), index: 42 }
}

pub(super) fn vote() -> Vote {
    Vote { leader_id: LeaderId::new(3, 1), committed: true }
}

pub(super) fn membership() -> Membership {
    let nodes = BTreeMap::from([(1, BasicNode::new("a:9095")), (2, BasicNode::new(""))]);
    Membership::new(vec![BTreeSet::from([1]), BTreeSet::from([1, 2])], nodes).unwrap()
}

pub(super) fn entries() -> Vec<Entry<Unused>> {
    let bytes = Bytes::from_static(b"a command");
    let command = Proposal { command: Raw(bytes.clone()), bytes, _room: None };
    let payloads =
        [EntryPayload::Blank, EntryPayload::Normal(command), EntryPayload::Membership(membership())];
    payloads.into_iter().map(|payload| Entry::<Unused> { log_id: log_id(), payload }).collect()
}

fn checkpoint() -> Checkpoint {
    let payload = Bytes::from_static(b"generation 7");
    Checkpoint { log_id: log_id(), membership: StoredMembership::new(Some(log_id()), membership()), payload }
}

fn values() -> Vec<(&'static str, Bytes)> {
    let entries = entries();
    let whole = |entry: &Entry<Unused>| {
        let (head, rest) = encode_entry::<Unused>(entry);
        Bytes::from([head, rest].concat())
    };
    vec![
        ("blank", whole(&entries[0])),
        ("command", whole(&entries[1])),
        ("membership", whole(&entries[2])),
        ("vote", encode_vote(&vote())),
        ("log_id", encode_bare_log_id(&log_id())),
        ("stored_membership", encode_stored_membership(&checkpoint().membership)),
        ("no_membership", encode_stored_membership(&StoredMembership::default())),
        ("checkpoint", encode_checkpoint(&checkpoint())),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

/// With `LATEWOOD_WRITE_GOLDEN` set the file is written: for a new version of the format.
#[test]
fn the_newest_version_is_written_bit_for_bit() {
    let written: String = values().iter().map(|(name, bytes)| format!("{name} {}\n", hex(bytes))).collect();
    if std::env::var_os("LATEWOOD_WRITE_GOLDEN").is_some() {
        std::fs::write(golden(VERSION), &written).unwrap();
    }
    assert_eq!(written, std::fs::read_to_string(golden(VERSION)).unwrap());
}

#[test]
fn all_versions_are_read() {
    (1..=VERSION).for_each(is_read);
}

fn is_read(version: u8) {
    let text = std::fs::read_to_string(golden(version)).unwrap();
    let value = |wanted: &str| {
        let (_, hex) =
            text.lines().filter_map(|line| line.split_once(' ')).find(|(name, _)| *name == wanted).unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        Bytes::from((0..hex.len()).step_by(2).map(byte).collect::<Vec<_>>())
    };
    for (name, entry) in ["blank", "command", "membership"].into_iter().zip(entries()) {
        let read = decode_entry::<Unused>(42, value(name)).unwrap();
        assert_eq!(
            (read.log_id, encode_entry::<Unused>(&read)),
            (entry.log_id, encode_entry::<Unused>(&entry)),
            "{name}"
        );
        assert_eq!(decode_log_id(42, value(name)), Ok(log_id()));
    }
    assert_eq!(decode_vote(value("vote")), Ok(vote()));
    assert_eq!(decode_bare_log_id(value("log_id")), Ok(log_id()));
    assert_eq!(decode_stored_membership(value("stored_membership")), Ok(checkpoint().membership));
    assert_eq!(decode_stored_membership(value("no_membership")), Ok(StoredMembership::default()));
    assert_eq!(decode_checkpoint(value("checkpoint")), Ok(checkpoint()));
}

#[test]
fn other_bytes_are_an_error_and_no_panic() {
    for (name, bytes) in values() {
        let read = |bytes: Bytes| match name {
            "blank" | "command" | "membership" => decode_entry::<Unused>(42, bytes).map(drop),
            "vote" => decode_vote(bytes).map(drop),
            "log_id" => decode_bare_log_id(bytes).map(drop),
            "checkpoint" => decode_checkpoint(bytes).map(drop),
            _ => decode_stored_membership(bytes).map(drop),
        };
        let fixed = if name == "command" { 16 } else { bytes.len() - usize::from(name == "checkpoint") * 12 };
        for cut in 0..fixed {
            assert!(read(bytes.slice(..cut)).is_err(), "{name} cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut other = bytes.to_vec();
            other[at] = 0xff;
            // Some are other values; none is a panic or a large allocation.
            let _ = read(Bytes::from(other));
        }
        let mut newer = bytes.to_vec();
        newer[0] = VERSION + 1;
        assert!(read(Bytes::from(newer)).unwrap_err().0.contains("version 3"), "{name}");
    }
}
