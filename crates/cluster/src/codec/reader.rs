//! Reading values back from bytes that may be anybody's.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use openraft::BasicNode;
use openraft::vote::RaftLeaderId;

use super::{VERSION, WITH_NODE_IDS};
use crate::DecodeError;
use crate::types::{Appender, LeaderId, LogId, Membership, StoredMembership, Vote};

/// Voters, nodes and configurations in a membership: more is not believed.
const MAX_MEMBERS: u32 = 1024;
const MAX_ADDRESS: u32 = 4096;

/// Reads from the front, and never beyond the end.
pub(super) struct Reader {
    version: u8,
    /// What was not read yet.
    pub(super) rest: Bytes,
}

impl Reader {
    pub(super) fn begin(bytes: Bytes) -> Result<Self, DecodeError> {
        let mut reader = Self { version: VERSION, rest: bytes };
        reader.version = reader.u8()?;
        match reader.version {
            WITH_NODE_IDS..=VERSION => Ok(reader),
            other => Err(DecodeError(format!("version {other} is not known here, only 1 to {VERSION}"))),
        }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        if len > self.rest.len() {
            let left = self.rest.len();
            return Err(DecodeError(format!("{len} bytes are missing at the end, {left} are left")));
        }
        Ok(self.rest.split_to(len))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(N)?;
        bytes.first_chunk().copied().ok_or_else(|| DecodeError("too short".to_owned()))
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn count(&mut self, what: &str, limit: u32) -> Result<u32, DecodeError> {
        let count = self.array().map(u32::from_le_bytes)?;
        if count > limit {
            return Err(DecodeError(format!("{count} {what} are more than {limit}")));
        }
        Ok(count)
    }

    pub(super) fn kind(&mut self) -> Result<u8, DecodeError> {
        let kind = self.u8()?;
        self.take(6)?;
        Ok(kind)
    }

    pub(super) fn vote(&mut self) -> Result<Vote, DecodeError> {
        let leader_id = LeaderId { term: self.u64()?, voted_for: self.u64()? };
        Ok(Vote { leader_id, committed: self.u8()? != 0 })
    }

    pub(super) fn optional_log_id(&mut self) -> Result<Option<LogId>, DecodeError> {
        if self.u8()? != 0 { self.log_id().map(Some) } else { Ok(None) }
    }

    pub(super) fn appender(&mut self) -> Result<Appender, DecodeError> {
        let term = self.u64()?;
        if self.version == WITH_NODE_IDS {
            self.u64()?;
        }
        Ok(LeaderId::new(term, 0).to_committed())
    }

    pub(super) fn log_id(&mut self) -> Result<LogId, DecodeError> {
        Ok(LogId { leader_id: self.appender()?, index: self.u64()? })
    }

    pub(super) fn stored_membership(&mut self) -> Result<StoredMembership, DecodeError> {
        Ok(StoredMembership::new(self.optional_log_id()?, self.membership()?))
    }

    pub(super) fn membership(&mut self) -> Result<Membership, DecodeError> {
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

    pub(super) fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(DecodeError(format!("{} bytes too many", self.rest.len())))
    }
}
