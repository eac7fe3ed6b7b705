//! Which keys a bucket takes. One rule for all buckets, so that a key that works on one works on every
//! other: parts separated by `/`, none empty, `.` or `..`, of visible ASCII without what shells, URLs or
//! file systems treat in ways of their own.

use crate::BucketError;

/// The most bytes of a key (S3 takes 1024, prefix included).
pub const MAX_KEY_BYTES: usize = 900;
/// The most bytes of one part (file systems take 255; temporary files need some).
pub const MAX_PART_BYTES: usize = 200;

/// The ending of files that are being written in a directory bucket; no key may have it.
pub(crate) const TEMPORARY_SUFFIX: &str = ".latewood-tmp";

/// Checks the key of an object.
pub(crate) fn check(key: &str) -> Result<(), BucketError> {
    check_parts(key)
        .map_err(|message| BucketError::Invalid { key: key.chars().take(MAX_KEY_BYTES).collect(), message })
}

/// Checks a folder; `""` is the top.
pub(crate) fn check_folder(folder: &str) -> Result<(), BucketError> {
    if folder.is_empty() { Ok(()) } else { check(folder) }
}

/// Checks the prefix of a bucket's URL.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), String> {
    if prefix.is_empty() { Ok(()) } else { check_parts(prefix) }
}

fn check_parts(key: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("the key is empty".to_owned());
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(format!("the key has {} bytes; at most {MAX_KEY_BYTES} are allowed", key.len()));
    }
    key.split('/').try_for_each(check_part)
}

fn check_part(part: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!-_.*'()=+,@~:".contains(c);
    match part {
        "" => Err("a part of the key is empty".to_owned()),
        "." | ".." => Err(format!("the part {part:?} is not allowed")),
        _ if part.len() > MAX_PART_BYTES => {
            Err(format!("a part has {} bytes; at most {MAX_PART_BYTES} are allowed", part.len()))
        }
        _ if part.ends_with(TEMPORARY_SUFFIX) => Err(format!("the ending {TEMPORARY_SUFFIX:?} is reserved")),
        _ => match part.chars().find(|&c| !allowed(c)) {
            Some(odd) => Err(format!("the character {odd:?} is not allowed")),
            None => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_every_bucket_takes_pass() {
        for good in ["a", "t/raw/block=01J/meta.json", "x!()*'_/w=2026-01-01T00:00:00Z/part-0.parquet"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = "a/".repeat(500) + "a";
        let part = "x".repeat(201);
        let bad =
            ["", "/a", "a/", "a//b", "..", "a/../b", "a/./b", "a\\b", "a\0b", "a b", "ü", "a%2e", "a?b"];
        for key in bad.into_iter().chain([long.as_str(), part.as_str(), "a/b.latewood-tmp"]) {
            assert!(check(key).is_err(), "{key}");
        }
        assert_eq!(check_folder(""), Ok(()));
    }
}
