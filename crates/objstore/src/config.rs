//! The settings of a bucket. Credentials are never settings: they come from the environment
//! (`AWS_*`, `GOOGLE_*`, `AZURE_*`) or from the machine's identity.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

/// Where the bucket is and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BucketConfig {
    /// `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    /// Default: none; the binary then chooses a folder below its data folder.
    pub url: Option<String>,
    /// The address of an S3 store that is not Amazon's, such as `http://127.0.0.1:8333`. `http://` is
    /// allowed. Default: none (Amazon, or `AWS_ENDPOINT_URL` from the environment).
    pub s3_endpoint: Option<String>,
    /// The region. Default: none (`AWS_REGION` or `AWS_DEFAULT_REGION`, else `us-east-1`).
    pub s3_region: Option<String>,
    /// Puts the bucket's name in the host (`bucket.endpoint/key`) rather than in the path
    /// (`endpoint/bucket/key`).
    pub s3_virtual_hosted: bool,
    /// How S3 encrypts what it stores: `SSE-S3` with its own key, `SSE-KMS` with one of KMS. Default: none; as the bucket is set
    /// up.
    pub s3_sse_type: Option<String>,
    /// The id of the key for `SSE-KMS`. Default: none; the account's key for S3.
    pub s3_sse_kms_key_id: Option<String>,
    /// Whether `SSE-KMS` uses a key of the bucket, which asks KMS less often.
    pub s3_sse_bucket_key_enabled: bool,
    /// How long opening a connection may take, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long one request may take, in milliseconds.
    pub request_timeout_ms: u64,
    /// How often a request is repeated when the bucket does not answer; 0 is never. A conditional write
    /// is never repeated here.
    pub retries: u32,
    /// The first pause between attempts, in milliseconds; it doubles each time.
    pub retry_initial_ms: u64,
    /// The longest pause between attempts, in milliseconds.
    pub retry_max_ms: u64,
    /// How many requests may run at once; further ones wait.
    pub max_concurrent_requests: usize,
}

impl Default for BucketConfig {
    fn default() -> Self {
        Self {
            url: None,
            s3_endpoint: None,
            s3_region: None,
            s3_virtual_hosted: false,
            s3_sse_type: None,
            s3_sse_kms_key_id: None,
            s3_sse_bucket_key_enabled: false,
            connect_timeout_ms: 5_000,
            request_timeout_ms: 60_000,
            retries: 5,
            retry_initial_ms: 100,
            retry_max_ms: 10_000,
            max_concurrent_requests: 256,
        }
    }
}

/// What is wrong with the settings of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bucket setting {field}: {message}")]
pub struct BucketConfigError {
    /// The setting.
    pub field: &'static str,
    /// What is wrong with it and what would be right.
    pub message: String,
}

/// The most requests that may ever run at once.
const MAX_CONCURRENT_REQUESTS: usize = 4_096;
/// The most attempts that may ever be asked for.
const MAX_RETRIES: u32 = 20;

impl BucketConfig {
    /// The settings for a bucket at this URL, all else as by default.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { url: Some(url.to_owned()), ..Self::default() }
    }

    /// Checks what can be checked without opening the bucket.
    ///
    /// # Errors
    /// [`BucketConfigError`] names the setting and what is wrong with it.
    pub fn validate(&self) -> Result<(), BucketConfigError> {
        if self.url.is_some() {
            self.location()?;
        }
        if let Some(endpoint) = &self.s3_endpoint {
            check_endpoint(endpoint)?;
        }
        self.encryption()?;
        let positive = |field, value: u64| {
            let wrong = BucketConfigError { field, message: "must be more than 0".to_owned() };
            if value == 0 { Err(wrong) } else { Ok(()) }
        };
        positive("connect_timeout_ms", self.connect_timeout_ms)?;
        positive("request_timeout_ms", self.request_timeout_ms)?;
        positive("retry_initial_ms", self.retry_initial_ms)?;
        positive("max_concurrent_requests", self.max_concurrent_requests as u64)?;
        let at_most = |field, value: u64, most: u64| {
            let wrong =
                BucketConfigError { field, message: format!("is {value}; at most {most} is allowed") };
            if value > most { Err(wrong) } else { Ok(()) }
        };
        at_most(
            "max_concurrent_requests",
            self.max_concurrent_requests as u64,
            MAX_CONCURRENT_REQUESTS as u64,
        )?;
        at_most("retries", self.retries.into(), MAX_RETRIES.into())?;
        at_most("retry_initial_ms", self.retry_initial_ms, self.retry_max_ms)
    }

    /// How S3 is to encrypt, if that is said.
    pub(crate) fn encryption(&self) -> Result<Option<Encryption<'_>>, BucketConfigError> {
        let wrong = |field, message: &str| BucketConfigError { field, message: message.to_owned() };
        let is_of_kms = self.s3_sse_kms_key_id.is_some() || self.s3_sse_bucket_key_enabled;
        match self.s3_sse_type.as_deref() {
            Some("SSE-KMS") => Ok(Some(Encryption::Kms {
                key_id: self.s3_sse_kms_key_id.as_deref(),
                bucket_key: self.s3_sse_bucket_key_enabled,
            })),
            None | Some("SSE-S3") if is_of_kms => {
                Err(wrong("s3_sse_type", "must be SSE-KMS where a key of KMS or of the bucket is to be used"))
            }
            Some("SSE-S3") => Ok(Some(Encryption::S3)),
            None => Ok(None),
            Some(_) => Err(wrong("s3_sse_type", "must be SSE-S3 or SSE-KMS")),
        }
    }

    /// Whether the bucket is a folder of this machine.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        matches!(self.location(), Ok(Location::Directory(_)))
    }

    /// How long opening a connection may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// How long one request may take.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    /// The URL, taken apart.
    pub(crate) fn location(&self) -> Result<Location, BucketConfigError> {
        let wrong = |message: String| BucketConfigError { field: "url", message };
        let text = self.url.as_deref().unwrap_or_default();
        if text.is_empty() {
            return Err(wrong(
                "is missing: give file:///folder, s3://bucket/prefix, gs://… or az://…".to_owned(),
            ));
        }
        let url = Url::parse(text).map_err(|error| wrong(format!("{text:?} is no URL: {error}")))?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(wrong(
                "takes no user, query or fragment: credentials come from the environment".to_owned(),
            ));
        }
        if url.scheme() == "file" {
            let path = url
                .to_file_path()
                .map_err(|()| wrong(format!("{text:?} names no folder: write file:///folder")))?;
            return Ok(Location::Directory(path));
        }
        let service = match url.scheme() {
            "s3" | "s3a" => Service::S3,
            "gs" | "gcs" => Service::Google,
            "az" | "azure" | "abfs" => Service::Azure,
            other => {
                return Err(wrong(format!("knows file, s3, gs and az, not {other:?}")));
            }
        };
        let bucket = url.host_str().unwrap_or_default().to_owned();
        if bucket.is_empty() {
            return Err(wrong(format!("{text:?} names no bucket")));
        }
        let prefix = url.path().trim_matches('/').to_owned();
        crate::key::check_prefix(&prefix)
            .map_err(|message| wrong(format!("prefix {prefix:?}: {message}")))?;
        Ok(Location::Remote { service, bucket, prefix })
    }
}

/// How S3 is to encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption<'a> {
    /// With a key of its own.
    S3,
    /// With a key of KMS.
    Kms {
        /// Which; the account's for S3 where none is said.
        key_id: Option<&'a str>,
        /// By way of one of the bucket.
        bucket_key: bool,
    },
}

/// Where a bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// A folder of this machine.
    Directory(std::path::PathBuf),
    /// A service.
    Remote {
        /// Whose protocol.
        service: Service,
        /// The bucket or container.
        bucket: String,
        /// The folder in it, without slashes at the ends; may be empty.
        prefix: String,
    },
}

/// The protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Amazon S3 and those that speak like it.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

fn check_endpoint(endpoint: &str) -> Result<(), BucketConfigError> {
    let wrong = |message: String| BucketConfigError { field: "s3_endpoint", message };
    let url = Url::parse(endpoint).map_err(|error| wrong(format!("{endpoint:?} is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong(format!("{endpoint:?} must be http://host:port or https://host:port")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("takes no user: credentials come from the environment".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let location = |url: &str| BucketConfig::at(url).location().unwrap();
        assert_eq!(location("file:///data/b"), Location::Directory("/data/b".into()));
        for (url, service) in
            [("s3://b/x/y/", Service::S3), ("gs://b/x/y", Service::Google), ("az://b/x/y", Service::Azure)]
        {
            let expected = Location::Remote { service, bucket: "b".to_owned(), prefix: "x/y".to_owned() };
            assert_eq!(location(url), expected);
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        let check = |config: BucketConfig, expected: &str| {
            let text = config.validate().unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        };
        check(BucketConfig::at("ftp://b"), "not \"ftp\"");
        check(BucketConfig::at("b"), "is no URL");
        check(BucketConfig::at("s3:///p"), "url");
        check(BucketConfig::at("s3://key:secret@b/p"), "credentials come from the environment");
        let mut config = BucketConfig::at("s3://b");
        config.s3_endpoint = Some("localhost:1".to_owned());
        check(config, "s3_endpoint");
        let mut config = BucketConfig::at("s3://b");
        config.s3_endpoint = Some("http://key:hunter2@localhost:1".to_owned());
        assert!(!config.validate().unwrap_err().to_string().contains("hunter2"));
        check(config, "credentials come from the environment");
        let sse = |kind: Option<&str>, key: Option<&str>| BucketConfig {
            s3_sse_type: kind.map(str::to_owned),
            s3_sse_kms_key_id: key.map(str::to_owned),
            ..BucketConfig::at("s3://b")
        };
        check(sse(Some("AES256"), None), "s3_sse_type: must be SSE-S3 or SSE-KMS");
        check(sse(Some("SSE-S3"), Some("key")), "s3_sse_type: must be SSE-KMS");
        check(sse(None, Some("key")), "s3_sse_type: must be SSE-KMS");
        assert_eq!(sse(Some("SSE-KMS"), None).validate(), Ok(()));
        let idle = BucketConfig { max_concurrent_requests: 0, ..BucketConfig::default() };
        check(idle, "max_concurrent_requests");
        assert_eq!(BucketConfig::default().validate(), Ok(()));
    }
}
