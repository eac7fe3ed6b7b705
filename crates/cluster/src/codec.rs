//! The bytes of log entries, votes, memberships and checkpoints in the journal. Drawn in
//! `docs/format/journal.md`. Little-endian; each value begins with a version.

mod reader;
mod rpc;

pub(crate) use rpc::{Answer, Request};

use bytes::{BufMut, Bytes, BytesMut};
use openraft::EntryPayload;

use self::reader::Reader;
use crate::types::{Entry, LogId, Membership, Proposal, StoredMembership, Vote};
use crate::{Command, DecodeError, ReplicatedState};

/// Version 1 had the node id of the leader behind each term of an entry, which says no more than the term.
const VERSION: u8 = 2;
const WITH_NODE_IDS: u8 = 1;
const BLANK: u8 = 0;
const COMMAND: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// A state machine's state at a log position, as its owner described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) log_id: LogId,
    pub(crate) membership: StoredMembership,
    pub(crate) payload: Bytes,
}

/// An entry's bytes: a head, and the command as it was encoded by its proposer.
pub(crate) fn encode_entry<S: ReplicatedState>(entry: &Entry<S>) -> (Bytes, Bytes) {
    let mut head = BytesMut::with_capacity(16);
    let kind = match &entry.payload {
        EntryPayload::Blank => BLANK,
        EntryPayload::Normal(_) => COMMAND,
        EntryPayload::Membership(_) => MEMBERSHIP,
    };
    head.put_slice(&[VERSION, kind, 0, 0, 0, 0, 0, 0]);
    head.put_u64_le(entry.log_id.leader_id.term);
    let rest = match &entry.payload {
        EntryPayload::Blank => Bytes::new(),
        EntryPayload::Normal(proposal) => proposal.bytes.clone(),
        EntryPayload::Membership(membership) => {
            put_membership(&mut head, membership);
            Bytes::new()
        }
    };
    (head.freeze(), rest)
}

/// Reads an entry back.
pub(crate) fn decode_entry<S: ReplicatedState>(index: u64, bytes: Bytes) -> Result<Entry<S>, DecodeError> {
    let mut from = Reader::begin(bytes)?;
    let kind = from.kind()?;
    let leader_id = from.appender()?;
    let payload = match kind {
        BLANK => EntryPayload::Blank,
        COMMAND => {
            let bytes = std::mem::take(&mut from.rest);
            let command = S::Command::decode(bytes.clone())?;
            EntryPayload::Normal(Proposal { command, bytes, _room: None })
        }
        MEMBERSHIP => EntryPayload::Membership(from.membership()?),
        other => return Err(DecodeError(format!("entry {index} is of unknown kind {other}"))),
    };
    from.end()?;
    Ok(Entry::<S> { log_id: LogId { leader_id, index }, payload })
}

/// Reads only which leader appended an entry.
pub(crate) fn decode_log_id(index: u64, bytes: Bytes) -> Result<LogId, DecodeError> {
    let mut from = Reader::begin(bytes)?;
    from.kind()?;
    Ok(LogId { leader_id: from.appender()?, index })
}

pub(crate) fn encode_vote(vote: &Vote) -> Bytes {
    let mut out = begin();
    put_vote(&mut out, vote);
    out.freeze()
}

pub(crate) fn decode_vote(bytes: Bytes) -> Result<Vote, DecodeError> {
    let mut from = Reader::begin(bytes)?;
    let vote = from.vote()?;
    from.end()?;
    Ok(vote)
}

pub(crate) fn encode_bare_log_id(id: &LogId) -> Bytes {
    let mut out = begin();
    put_log_id(&mut out, id);
    out.freeze()
}

pub(crate) fn decode_bare_log_id(bytes: Bytes) -> Result<LogId, DecodeError> {
    let mut from = Reader::begin(bytes)?;
    let id = from.log_id()?;
    from.end()?;
    Ok(id)
}

pub(crate) fn encode_stored_membership(stored: &StoredMembership) -> Bytes {
    let mut out = begin();
    put_stored_membership(&mut out, stored);
    out.freeze()
}

pub(crate) fn decode_stored_membership(bytes: Bytes) -> Result<StoredMembership, DecodeError> {
    let mut from = Reader::begin(bytes)?;
    let stored = from.stored_membership()?;
    from.end()?;
    Ok(stored)
}

pub(crate) fn encode_checkpoint(checkpoint: &Checkpoint) -> Bytes {
    let mut out = begin();
    put_log_id(&mut out, &checkpoint.log_id);
    put_stored_membership(&mut out, &checkpoint.membership);
    out.put_slice(&checkpoint.payload);
    out.freeze()
}

pub(crate) fn decode_checkpoint(bytes: Bytes) -> Result<Checkpoint, DecodeError> {
    let mut from = Reader::begin(bytes)?;
    let (log_id, membership) = (from.log_id()?, from.stored_membership()?);
    Ok(Checkpoint { log_id, membership, payload: from.rest })
}

fn begin() -> BytesMut {
    let mut out = BytesMut::with_capacity(64);
    out.put_u8(VERSION);
    out
}

fn put_vote(out: &mut BytesMut, vote: &Vote) {
    out.put_u64_le(vote.leader_id.term);
    out.put_u64_le(vote.leader_id.voted_for);
    out.put_u8(u8::from(vote.committed));
}

fn put_log_id(out: &mut BytesMut, id: &LogId) {
    out.put_u64_le(id.leader_id.term);
    out.put_u64_le(id.index);
}

fn put_stored_membership(out: &mut BytesMut, stored: &StoredMembership) {
    put_optional_log_id(out, stored.log_id().as_ref());
    put_membership(out, stored.membership());
}

fn put_optional_log_id(out: &mut BytesMut, id: Option<&LogId>) {
    out.put_u8(u8::from(id.is_some()));
    id.into_iter().for_each(|id| put_log_id(out, id));
}

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u32_le(u32::try_from(count).unwrap_or(u32::MAX));
}

fn put_membership(out: &mut BytesMut, membership: &Membership) {
    put_count(out, membership.get_joint_config().len());
    for voters in membership.get_joint_config() {
        put_count(out, voters.len());
        voters.iter().for_each(|voter| out.put_u64_le(*voter));
    }
    put_count(out, membership.nodes().count());
    for (id, node) in membership.nodes() {
        out.put_u64_le(*id);
        put_count(out, node.addr.len());
        out.put_slice(node.addr.as_bytes());
    }
}

#[cfg(test)]
mod tests;
