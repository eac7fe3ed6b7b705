//! YAML as the files of this crate are written.

use serde::de::DeserializeOwned;

/// Reads a file's text; an error names the line and the field. An empty file has nothing set.
pub(crate) fn parse<T: DeserializeOwned + Default>(text: &str) -> Result<T, String> {
    let is_empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(is_empty) {
        return Ok(T::default());
    }
    // A snippet of the file could have a secret in it.
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}
