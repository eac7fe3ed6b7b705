//! The bytes of log entries, votes, memberships and checkpoints in the journal. Drawn in
//! `docs/format/journal.md`. Little-endian; each value begins with a version.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};
use openraft::vote::RaftLeaderId;
use openraft::{BasicNode, EntryPayload};

use crate::types::{Appender, Entry, LeaderId, LogId, Membership, Proposal, StoredMembership, Vote};
use crate::{Command, DecodeError, ReplicatedState};

/// Version 1 had the node id of the leader behind each term of an entry, which says no more than the term.
const VERSION: u8 = 2;
const WITH_NODE_IDS: u8 = 1;
const BLANK: u8 = 0;
const COMMAND: u8 = 1;
const MEMBERSHIP: u8 = 2;
/// Voters, nodes and configurations in a membership: more is not believed.
const MAX_MEMBERS: u32 = 1024;
const MAX_ADDRESS: u32 = 4096;

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
    out.put_u64_le(vote.leader_id.term);
    out.put_u64_le(vote.leader_id.voted_for);
    out.put_u8(u8::from(vote.committed));
    out.freeze()
}

pub(crate) fn decode_vote(bytes: Bytes) -> Result<Vote, DecodeError> {
    let mut from = Reader::begin(bytes)?;
    let leader_id = LeaderId { term: from.u64()?, voted_for: from.u64()? };
    let committed = from.u8()? != 0;
    from.end()?;
    Ok(Vote { leader_id, committed })
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

fn put_log_id(out: &mut BytesMut, id: &LogId) {
    out.put_u64_le(id.leader_id.term);
    out.put_u64_le(id.index);
}

fn put_stored_membership(out: &mut BytesMut, stored: &StoredMembership) {
    out.put_u8(u8::from(stored.log_id().is_some()));
    if let Some(id) = stored.log_id() {
        put_log_id(out, id);
    }
    put_membership(out, stored.membership());
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

/// Reads from the front, and never beyond the end.
struct Reader {
    version: u8,
    rest: Bytes,
}

impl Reader {
    fn begin(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Self { version: VERSION, rest: bytes };
        reader.version = reader.u8()?;
        match reader.version {
            WITH_NODE_IDS..=VERSION => Ok(reader),
            other => Err(DecodeError(format!("version {other} is not known here, only 1 to {VERSION}"))),
        }
    }

    fn take(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        if len > self.rest.len() {
            let left = self.rest.len();
            return Err(DecodeError(format!("{len} bytes are missing at the end, {left} are left")));
        }
        Ok(self.rest.split_to(len))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(N)?;
        bytes.first_chunk().copied().ok_or_else(|| DecodeError("too short".to_owned()))
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    fn count(&mut self, what: &str, limit: u32) -> Result<u32, DecodeError> {
        let count = self.array().map(u32::from_le_bytes)?;
        if count > limit {
            return Err(DecodeError(format!("{count} {what} are more than {limit}")));
        }
        Ok(count)
    }

    fn kind(&mut self) -> Result<u8, DecodeError> {
        let kind = self.u8()?;
        self.take(6)?;
        Ok(kind)
    }

    fn appender(&mut self) -> Result<Appender, DecodeError> {
        let term = self.u64()?;
        if self.version == WITH_NODE_IDS {
            self.u64()?;
        }
        Ok(LeaderId::new(term, 0).to_committed())
    }

    fn log_id(&mut self) -> Result<LogId, DecodeError> {
        Ok(LogId { leader_id: self.appender()?, index: self.u64()? })
    }

    fn stored_membership(&mut self) -> Result<StoredMembership, DecodeError> {
        let id = if self.u8()? != 0 { Some(self.log_id()?) } else { None };
        Ok(StoredMembership::new(id, self.membership()?))
    }

    fn membership(&mut self) -> Result<Membership, DecodeError> {
        let mut configs = Vec::new();
        for _ in 0..self.count("configurations", MAX_MEMBERS)? {
            let voters = self.count("voters", MAX_MEMBERS)?;
            configs.push((0..voters).map(|_| self.u64()).collect::<Result<BTreeSet<_>, _>>()?);
        }
        let mut nodes = BTreeMap::new();
        for _ in 0..self.count("nodes", MAX_MEMBERS)? {
            let id = self.u64()?;
            let len = self.count("bytes of an address", MAX_ADDRESS)?;
            let addr = String::from_utf8(self.take(len as usize)?.to_vec());
            let addr = addr.map_err(|_| DecodeError("an address is not UTF-8".to_owned()))?;
            nodes.insert(id, BasicNode { addr });
        }
        if configs.is_empty() {
            return Ok(Membership::default());
        }
        Membership::new(configs, nodes).map_err(|error| DecodeError(error.to_string()))
    }

    fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(DecodeError(format!("{} bytes too many", self.rest.len())))
    }
}

#[cfg(test)]
mod tests;
