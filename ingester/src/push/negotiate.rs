//! Which message a request says it carries.

use axum::http::{HeaderMap, header};

use crate::IngestError;

/// A version of remote write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `prometheus.WriteRequest`
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

impl Protocol {
    /// As metrics name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::V2 => "2.0",
        }
    }

    /// From the content type; a request without one, or without the `proto` parameter, is 1.0. The
    /// content encoding must be snappy, or absent, as Prometheus takes it.
    ///
    /// # Errors
    /// [`IngestError::Unsupported`] for any other type or encoding.
    pub fn of(headers: &HeaderMap) -> Result<Self, IngestError> {
        let text = |name| {
            let value = headers.get(name);
            value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let protocol = text(header::CONTENT_TYPE).map_or(Ok(Self::V1), |value| from_content_type(&value))?;
        match text(header::CONTENT_ENCODING) {
            Some(encoding) if !encoding.trim().eq_ignore_ascii_case("snappy") => Err(unsupported(format!(
                "content encoding {encoding:?} is not spoken here: send snappy (block format)"
            ))),
            _ => Ok(protocol),
        }
    }
}

fn from_content_type(value: &str) -> Result<Protocol, IngestError> {
    let mut parts = value.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    if !media.eq_ignore_ascii_case("application/x-protobuf") {
        return Err(unsupported(format!(
            "content type {value:?} is not spoken here: send application/x-protobuf"
        )));
    }
    let parameter = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("proto"));
    let message = parameter.map(|(_, message)| message.trim().trim_matches('"'));
    match message {
        None | Some("prometheus.WriteRequest") => Ok(Protocol::V1),
        Some("io.prometheus.write.v2.Request") => Ok(Protocol::V2),
        Some(other) => Err(unsupported(format!(
            "the message {other:?} is not spoken here: send proto=io.prometheus.write.v2.Request or prometheus.WriteRequest"
        ))),
    }
}

fn unsupported(message: String) -> IngestError {
    IngestError::Unsupported(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content_type: Option<&str>, encoding: Option<&str>) -> Option<Protocol> {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::CONTENT_TYPE, content_type), (header::CONTENT_ENCODING, encoding)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
        }
        Protocol::of(&headers).ok()
    }

    #[test]
    fn content_types_choose_the_message() {
        let v1 = Some(Protocol::V1);
        for (content_type, expected) in [
            (None, v1),
            (Some("application/x-protobuf"), v1),
            (Some("application/x-protobuf;proto=prometheus.WriteRequest"), v1),
            (Some("application/x-protobuf; charset=utf-8"), v1),
            (Some("Application/X-Protobuf; proto=\"io.prometheus.write.v2.Request\""), Some(Protocol::V2)),
            (Some("application/x-protobuf;proto=unknown.Message"), None),
            (Some("application/json"), None),
            (Some("text/plain"), None),
            (Some(""), None),
        ] {
            assert_eq!(of(content_type, Some("snappy")), expected, "{content_type:?}");
        }
        assert_eq!(of(None, None), v1);
        assert_eq!(of(None, Some("Snappy")), v1);
        assert_eq!(of(None, Some("gzip")), None);
        assert_eq!(of(None, Some("zstd")), None);
    }
}
