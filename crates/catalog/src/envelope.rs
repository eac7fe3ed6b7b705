//! What every object of the catalog is wrapped in: a line that says what it is, in which version of the
//! format, how long and with which checksum, then the JSON. See `docs/format/catalog.md`.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::CatalogError;

/// The most bytes of the first line.
const MAX_HEADER_BYTES: usize = 256;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Commit,
    Checkpoint,
    Hint,
    Lease,
    Shard,
    Cluster,
    Audit,
}

impl Kind {
    /// The newest version of the format; the one that is written. All before it are read.
    pub(crate) fn version(self) -> u32 {
        match self {
            Self::Commit | Self::Checkpoint => 4,
            Self::Hint | Self::Lease | Self::Shard | Self::Cluster | Self::Audit => 1,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    latewood: Kind,
    version: u32,
    /// The length of the JSON, without the line end after it.
    bytes: usize,
    /// CRC-32C of the JSON, eight hexadecimal digits.
    crc32c: String,
}

/// The object of a value. The same value gives the same bytes.
pub(crate) fn encode<T: Serialize>(kind: Kind, value: &T) -> Result<Bytes, String> {
    let body = serde_json::to_vec(value).map_err(|error| error.to_string())?;
    let header =
        Header { latewood: kind, version: kind.version(), bytes: body.len(), crc32c: checksum(&body) };
    let mut object = serde_json::to_vec(&header).map_err(|error| error.to_string())?;
    object.push(b'\n');
    object.extend_from_slice(&body);
    object.push(b'\n');
    Ok(object.into())
}

/// The value of an object; `key` is for the errors.
pub(crate) fn decode<T: DeserializeOwned>(kind: Kind, key: &str, object: &[u8]) -> Result<T, CatalogError> {
    let corrupt = |message: String| CatalogError::Corrupt { key: key.to_owned(), message };
    let line_end = object.iter().take(MAX_HEADER_BYTES).position(|byte| *byte == b'\n');
    let (line, rest) = line_end
        .and_then(|end| object.split_at_checked(end))
        .ok_or_else(|| corrupt(format!("no header in its first {MAX_HEADER_BYTES} bytes")))?;
    let header: Header = serde_json::from_slice(line)
        .map_err(|error| corrupt(format!("its header is unreadable: {error}")))?;
    if header.latewood != kind {
        return Err(corrupt(format!("it is a {:?}, not a {kind:?}", header.latewood)));
    }
    let newest = kind.version();
    if !(1..=newest).contains(&header.version) {
        return Err(CatalogError::UnknownFormat { key: key.to_owned(), found: header.version, newest });
    }
    let body = rest.get(1..).and_then(|rest| rest.strip_suffix(b"\n"));
    let body = body.filter(|body| body.len() == header.bytes).ok_or_else(|| {
        let (has, needs) = (rest.len().saturating_sub(2), header.bytes);
        corrupt(format!("it has {has} bytes of JSON where its header says {needs}"))
    })?;
    let found = checksum(body);
    if found != header.crc32c {
        return Err(corrupt(format!("its checksum is {found} where its header says {}", header.crc32c)));
    }
    serde_json::from_slice(body)
        .map_err(|error| corrupt(format!("its JSON is not what it should be: {error}")))
}

fn checksum(body: &[u8]) -> String {
    format!("{:08x}", crc32c::crc32c(body))
}
