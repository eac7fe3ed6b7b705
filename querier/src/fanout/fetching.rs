//! The tasks that fetch for an engine's cursors.

use latewood_base::ErrorKind;
use latewood_promql::Control;
use latewood_proto::store::StoreError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a fetching task hands to the engine's thread.
pub(super) type Handed<T> = Result<T, StoreError>;

/// Fetches into a cursor's channel until the end, an error, the deadline, or until nobody wants it any more.
pub(super) async fn fill<T>(
    sender: &mpsc::Sender<Handed<T>>,
    (control, canceled): (&Control, &CancellationToken),
    fetch: impl Future<Output = Result<(), StoreError>>,
) {
    let stop = |kind, text: &str| Some(StoreError::new(kind, text));
    let failure = tokio::select! {
        biased;
        () = sender.closed() => None,
        () = canceled.cancelled() => stop(ErrorKind::Canceled, "query was canceled while series were fetched"),
        () = tokio::time::sleep(control.remaining()) => {
            stop(ErrorKind::Timeout, "query timed out while series were fetched")
        }
        fetched = fetch => fetched.err(),
    };
    if let Some(error) = failure {
        // Fails only when the cursor is gone.
        let _ = sender.send(Err(error)).await;
    }
}
