//! What replicas of a group ask each other, as bytes. Little-endian:
//!
//! ```text
//! request   version u8, kind u8, then
//!   append    vote, optional log id (the one before), optional log id (committed), u32 count,
//!             each: index u64, u32 length, the entry as in the journal
//!   vote      vote, optional log id (the last), u8 whether leadership was handed over; pre-vote the same
//!   snapshot  vote, u8 whether there is one: log id, stored membership, u32 length, payload
//!   transfer  vote of the leader that hands over, u64 node id, optional log id (the last)
//! answer    version u8, kind u8, then what belongs to the kind
//! ```
//!
//! A vote is term u64, node u64, committed u8; an optional value a u8 and, if that is 1, the value.

use bytes::{BufMut, Bytes, BytesMut};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::reader::Reader;
use super::{
    VERSION, decode_entry, encode_entry, put_count, put_optional_log_id, put_stored_membership, put_vote,
};
use crate::types::{Entry, Snapshot, SnapshotMeta, Types, Vote};
use crate::{DecodeError, ReplicatedState};

const APPEND: u8 = 1;
const VOTE: u8 = 2;
const PRE_VOTE: u8 = 3;
const SNAPSHOT: u8 = 4;
const TRANSFER: u8 = 5;

const DONE: u8 = 0;
const DONE_UP_TO: u8 = 1;
const CONFLICT: u8 = 2;
const HIGHER_VOTE: u8 = 3;
const VOTE_CHANGED: u8 = 4;
const NOT_FLUSHED: u8 = 5;

/// The fewest bytes that an entry takes in a request.
const LEAST_ENTRY: usize = 8 + 4 + 16;

/// A request of one replica to another.
pub(crate) enum Request<S: ReplicatedState> {
    Append(AppendEntriesRequest<Types<S>>),
    Vote(VoteRequest<Types<S>>),
    PreVote(VoteRequest<Types<S>>),
    Snapshot(Vote, Snapshot),
    Transfer(TransferLeaderRequest<Types<S>>),
}

impl<S: ReplicatedState> Request<S> {
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Self::Append(request) => encode_append::<S>(request),
            Self::Vote(request) => encode_vote_request(VOTE, request),
            Self::PreVote(request) => encode_vote_request(PRE_VOTE, request),
            Self::Snapshot(vote, snapshot) => {
                let mut out = begin(SNAPSHOT);
                put_vote(&mut out, vote);
                put_optional_log_id(&mut out, snapshot.meta.last_log_id.as_ref());
                put_stored_membership(&mut out, &snapshot.meta.last_membership);
                put_count(&mut out, snapshot.snapshot.len());
                out.put_slice(&snapshot.snapshot);
                out.freeze()
            }
            Self::Transfer(request) => {
                let mut out = begin(TRANSFER);
                put_vote(&mut out, request.from_leader());
                out.put_u64_le(*request.to_node_id());
                put_optional_log_id(&mut out, request.last_log_id());
                out.freeze()
            }
        }
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut from = Reader::begin(bytes)?;
        let request = match from.u8()? {
            APPEND => Self::Append(append::<S>(&mut from)?),
            VOTE => Self::Vote(vote_request(&mut from)?),
            PRE_VOTE => Self::PreVote(vote_request(&mut from)?),
            SNAPSHOT => {
                let vote = from.vote()?;
                let meta = SnapshotMeta {
                    last_log_id: from.optional_log_id()?,
                    last_membership: from.stored_membership()?,
                };
                let length = from.count("bytes of a checkpoint", u32::MAX)?;
                Self::Snapshot(vote, Snapshot { meta, snapshot: from.take(length as usize)? })
            }
            TRANSFER => {
                let (leader, to, last) = (from.vote()?, from.u64()?, from.optional_log_id()?);
                Self::Transfer(TransferLeaderRequest::new(leader, to, last))
            }
            other => return Err(DecodeError(format!("a request of unknown kind {other}"))),
        };
        from.end()?;
        Ok(request)
    }
}

fn begin(kind: u8) -> BytesMut {
    let mut out = BytesMut::with_capacity(96);
    out.put_slice(&[VERSION, kind]);
    out
}

fn encode_append<S: ReplicatedState>(request: &AppendEntriesRequest<Types<S>>) -> Bytes {
    let entries: Vec<(u64, Bytes, Bytes)> = request.entries.iter().map(encoded::<S>).collect();
    let mut out = begin(APPEND);
    out.reserve(96 + entries.iter().map(|(_, head, rest)| 12 + head.len() + rest.len()).sum::<usize>());
    put_vote(&mut out, &request.vote);
    put_optional_log_id(&mut out, request.prev_log_id.as_ref());
    put_optional_log_id(&mut out, request.leader_commit.as_ref());
    put_count(&mut out, entries.len());
    for (index, head, rest) in entries {
        out.put_u64_le(index);
        put_count(&mut out, head.len() + rest.len());
        out.put_slice(&head);
        out.put_slice(&rest);
    }
    out.freeze()
}

fn encoded<S: ReplicatedState>(entry: &Entry<S>) -> (u64, Bytes, Bytes) {
    let (head, rest) = encode_entry::<S>(entry);
    (entry.log_id.index, head, rest)
}

fn append<S: ReplicatedState>(from: &mut Reader) -> Result<AppendEntriesRequest<Types<S>>, DecodeError> {
    let (vote, prev_log_id, leader_commit) = (from.vote()?, from.optional_log_id()?, from.optional_log_id()?);
    let most = u32::try_from(from.rest.len() / LEAST_ENTRY).unwrap_or(u32::MAX);
    let count = from.count("entries", most)?;
    let mut entries = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (index, length) = (from.u64()?, from.count("bytes of an entry", u32::MAX)?);
        entries.push(decode_entry::<S>(index, from.take(length as usize)?)?);
    }
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

fn encode_vote_request<S: ReplicatedState>(kind: u8, request: &VoteRequest<Types<S>>) -> Bytes {
    let mut out = begin(kind);
    put_vote(&mut out, &request.vote);
    put_optional_log_id(&mut out, request.last_log_id.as_ref());
    out.put_u8(u8::from(request.leadership_transfer));
    out.freeze()
}

fn vote_request<S: ReplicatedState>(from: &mut Reader) -> Result<VoteRequest<Types<S>>, DecodeError> {
    let mut request = VoteRequest::new(from.vote()?, from.optional_log_id()?);
    request.leadership_transfer = from.u8()? != 0;
    Ok(request)
}

/// The answer to a request.
pub(crate) enum Answer<S: ReplicatedState> {
    Append(AppendEntriesResponse<Types<S>>),
    Vote(VoteResponse<Types<S>>),
    Snapshot(SnapshotResponse<Types<S>>),
    Transfer(TransferLeaderResponse<Types<S>>),
}

impl<S: ReplicatedState> Answer<S> {
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Self::Append(answer) => encode_appended(answer),
            Self::Vote(answer) => {
                let mut out = begin(VOTE);
                put_vote(&mut out, &answer.vote);
                put_optional_log_id(&mut out, answer.last_log_id.as_ref());
                out.put_u8(u8::from(answer.vote_granted));
                out.freeze()
            }
            Self::Snapshot(answer) => {
                let mut out = begin(SNAPSHOT);
                put_vote(&mut out, &answer.vote);
                out.freeze()
            }
            Self::Transfer(answer) => encode_transferred(answer),
        }
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut from = Reader::begin(bytes)?;
        let answer = match from.u8()? {
            APPEND => Self::Append(appended(&mut from)?),
            VOTE => {
                let (vote, last) = (from.vote()?, from.optional_log_id()?);
                Self::Vote(VoteResponse::new(vote, last, from.u8()? != 0))
            }
            SNAPSHOT => Self::Snapshot(SnapshotResponse::new(from.vote()?)),
            TRANSFER => Self::Transfer(transferred(&mut from)?),
            other => return Err(DecodeError(format!("an answer of unknown kind {other}"))),
        };
        from.end()?;
        Ok(answer)
    }
}

fn encode_appended<S: ReplicatedState>(answer: &AppendEntriesResponse<Types<S>>) -> Bytes {
    let mut out = begin(APPEND);
    match answer {
        AppendEntriesResponse::Success => out.put_u8(DONE),
        AppendEntriesResponse::PartialSuccess(upto) => {
            out.put_u8(DONE_UP_TO);
            put_optional_log_id(&mut out, upto.as_ref());
        }
        AppendEntriesResponse::Conflict => out.put_u8(CONFLICT),
        AppendEntriesResponse::HigherVote(vote) => {
            out.put_u8(HIGHER_VOTE);
            put_vote(&mut out, vote);
        }
    }
    out.freeze()
}

fn appended<S: ReplicatedState>(from: &mut Reader) -> Result<AppendEntriesResponse<Types<S>>, DecodeError> {
    Ok(match from.u8()? {
        DONE => AppendEntriesResponse::Success,
        DONE_UP_TO => AppendEntriesResponse::PartialSuccess(from.optional_log_id()?),
        CONFLICT => AppendEntriesResponse::Conflict,
        HIGHER_VOTE => AppendEntriesResponse::HigherVote(from.vote()?),
        other => return Err(DecodeError(format!("an append ended in an unknown way, {other}"))),
    })
}

fn encode_transferred<S: ReplicatedState>(answer: &TransferLeaderResponse<Types<S>>) -> Bytes {
    let mut out = begin(TRANSFER);
    match answer {
        Ok(()) => out.put_u8(DONE),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            out.put_u8(VOTE_CHANGED);
            put_vote(&mut out, expected);
            put_vote(&mut out, actual);
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            out.put_u8(NOT_FLUSHED);
            put_optional_log_id(&mut out, expected.as_ref());
            put_optional_log_id(&mut out, actual.as_ref());
        }
    }
    out.freeze()
}

fn transferred<S: ReplicatedState>(
    from: &mut Reader,
) -> Result<TransferLeaderResponse<Types<S>>, DecodeError> {
    Ok(match from.u8()? {
        DONE => Ok(()),
        VOTE_CHANGED => {
            Err(TransferLeaderError::VoteChanged { expected: from.vote()?, actual: from.vote()? })
        }
        NOT_FLUSHED => Err(TransferLeaderError::LogNotFlushed {
            expected: from.optional_log_id()?,
            actual: from.optional_log_id()?,
        }),
        other => return Err(DecodeError(format!("a transfer ended in an unknown way, {other}"))),
    })
}

#[cfg(test)]
mod tests;
