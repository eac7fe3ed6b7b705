//! Label names and values over heads and local blocks.

use latewood_base::Offload;
use latewood_proto::store::StoreError;
use latewood_proto::store::wire::LabelStrings;

use super::reads::Reads;
use super::scope::Scope;
use super::store::store_error;
use crate::head::HeadPart;

/// The values of a label, or the names of all labels, on the series that match; at most `limit` (0: all).
pub(super) async fn strings(
    reads: Reads,
    scope: Scope,
    label: Option<String>,
    limit: u64,
    offload: &Offload,
) -> Result<LabelStrings, StoreError> {
    let newest_version = reads.newest_version;
    let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let mut all = Vec::new();
    for part in reads.parts() {
        // The first of all are among the first of each.
        all.extend(of_part(part.part, &scope, label.clone(), offload).await?.into_iter().take(limit));
    }
    // Of sorted parts, which this sort makes use of.
    all.sort();
    all.dedup();
    all.truncate(limit);
    Ok(LabelStrings { values: all, newest_version, bucket: None })
}

async fn of_part(
    part: HeadPart,
    scope: &Scope,
    label: Option<String>,
    offload: &Offload,
) -> Result<Vec<String>, StoreError> {
    let (matchers, range) = (scope.matchers.clone(), scope.range);
    match part {
        HeadPart::Memory(head) => {
            let work = move || match label {
                Some(label) => head.label_values(&label, &matchers, range),
                None => head.label_names(&matchers, range),
            };
            offload.run(work).await.map_err(|error| store_error(&error))
        }
        HeadPart::Local(local) => {
            let open = local.open().await.map_err(|error| store_error(&error))?;
            let found = match label {
                Some(label) => open.block().label_values(&label, &matchers, range).await,
                None => open.block().label_names(&matchers, range).await,
            };
            found.map_err(|error| store_error(&error))
        }
    }
}
