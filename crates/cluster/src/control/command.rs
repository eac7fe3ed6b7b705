//! What changes the cluster. As JSON in the log, with a version: they are few.

use bytes::Bytes;
use latewood_base::Ulid;
use serde::{Deserialize, Serialize};

use super::Member;
use crate::{Command, DecodeError, Placement};

/// A change of what the nodes agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ControlCommand {
    /// Founds the cluster; refused when it was founded.
    Found {
        /// Its id.
        cluster: Ulid,
        /// How many replicas a shard is to have.
        replication_factor: usize,
        /// The numbers of its shards in the catalogs.
        shards: Vec<u32>,
        /// Its first nodes.
        members: Vec<(u64, Member)>,
    },
    /// A node comes, or comes back, or is reached elsewhere.
    Join {
        /// Its id.
        node: u64,
        /// What it is.
        member: Member,
    },
    /// A node is to give away its shards.
    Drain {
        /// Its id.
        node: u64,
    },
    /// A node is no member any more; refused while it has shards.
    Forget {
        /// Its id.
        node: u64,
    },
    /// A node has little room left on its disk, or has enough again.
    Room {
        /// Its id.
        node: u64,
        /// Whether it has little.
        low_on_disk: bool,
    },
    /// Where the shards are to be from now on; refused when anything has changed since it was planned.
    Place {
        /// The generation that it was planned for.
        based_on: u64,
        /// The nodes of each shard.
        placement: Placement,
        /// The node that is to lead each shard.
        leaders: Vec<Option<u64>>,
    },
    /// The voters of a shard's group are these now.
    Changed {
        /// The shard's place.
        shard: usize,
        /// The voters.
        voters: Vec<u64>,
        /// The entry of the shard's log that made them so: what is older is refused.
        at: u64,
    },
}

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    change: &'a ControlCommand,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    version: u32,
    change: serde_json::Value,
}

impl Command for ControlCommand {
    fn encode(&self) -> Bytes {
        // Numbers, texts and lists of them are always JSON.
        serde_json::to_vec(&Written { version: VERSION, change: self }).unwrap_or_default().into()
    }

    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        let wrong = |error: serde_json::Error| DecodeError(error.to_string());
        let Read { version, change } = serde_json::from_slice(&bytes).map_err(wrong)?;
        if version != VERSION {
            return Err(DecodeError(format!("version {version} is not known here, only {VERSION}")));
        }
        serde_json::from_value(change).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_as_they_were_written() {
        let member = Member::new("ingester-0:9095", "a");
        let commands = [
            (
                ControlCommand::Found {
                    cluster: Ulid::from_parts(1, 2),
                    replication_factor: 3,
                    shards: vec![1024, 1025],
                    members: vec![(7, member.clone())],
                },
                r#"{"version":1,"change":{"found":{"cluster":"00000000010000000000000002","replication_factor":3,"shards":[1024,1025],"members":[[7,{"address":"ingester-0:9095","zone":"a","status":"active"}]]}}}"#,
            ),
            (
                ControlCommand::Join { node: 7, member },
                r#"{"version":1,"change":{"join":{"node":7,"member":{"address":"ingester-0:9095","zone":"a","status":"active"}}}}"#,
            ),
            (ControlCommand::Drain { node: 7 }, r#"{"version":1,"change":{"drain":{"node":7}}}"#),
            (ControlCommand::Forget { node: 7 }, r#"{"version":1,"change":{"forget":{"node":7}}}"#),
            (
                ControlCommand::Room { node: 7, low_on_disk: true },
                r#"{"version":1,"change":{"room":{"node":7,"low_on_disk":true}}}"#,
            ),
            (
                ControlCommand::Place { based_on: 4, placement: vec![vec![7, 8]], leaders: vec![Some(8)] },
                r#"{"version":1,"change":{"place":{"based_on":4,"placement":[[7,8]],"leaders":[8]}}}"#,
            ),
            (
                ControlCommand::Changed { shard: 1, voters: vec![7], at: 12 },
                r#"{"version":1,"change":{"changed":{"shard":1,"voters":[7],"at":12}}}"#,
            ),
        ];
        for (command, golden) in commands {
            assert_eq!(command.encode(), golden.as_bytes());
            assert_eq!(ControlCommand::decode(command.encode()), Ok(command));
        }
    }

    #[test]
    fn other_texts_are_an_error() {
        for text in
            ["", "{}", r#"{"version":2,"change":{"drain":{"node":7}}}"#, r#"{"version":1,"change":{"go":1}}"#]
        {
            assert!(ControlCommand::decode(text.into()).is_err(), "{text}");
        }
    }
}
