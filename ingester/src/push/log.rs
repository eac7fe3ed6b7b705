//! What of the write path is logged.

use latewood_base::{Clock, Kinded};
use latewood_model::TenantId;
use latewood_service::{LogLimit, http_status};

use super::Receipt;
use crate::refusal::shorten;

/// The most bytes of an error that are logged.
const ERROR_BYTES: usize = 500;

/// Logs writes that were refused: defects each time, what senders do wrong now and then, with an example. Senders
/// are told all of it, and metrics count.
#[derive(Debug)]
pub(super) struct PushLog(LogLimit);

impl PushLog {
    pub(super) fn new(clock: Clock) -> Self {
        Self(LogLimit::new(clock))
    }

    pub(super) fn answered(&self, tenant: Option<&TenantId>, receipt: &Receipt) {
        let name = tenant.map_or("unknown", TenantId::as_str);
        if let Some(error) = &receipt.failure {
            let status = receipt.status();
            let cause = http_status(error.kind()).canonical_reason().unwrap_or("unknown");
            if status == axum::http::StatusCode::INTERNAL_SERVER_ERROR {
                tracing::error!(tenant = name, %error, "write failed");
            } else if let Some(held_back) = self.0.pass(tenant, cause) {
                let (status, error) = (status.as_u16(), shorten(error.to_string(), ERROR_BYTES));
                tracing::warn!(tenant = name, status, error, held_back, "write refused");
            }
        }
        for (cause, refused) in receipt.refusals.counts() {
            let cause_name = cause.as_str();
            if let Some(held_back) = self.0.pass(tenant, cause_name) {
                let example = receipt.refusals.example(cause).unwrap_or_default();
                tracing::warn!(
                    tenant = name,
                    cause = cause_name,
                    refused,
                    example,
                    held_back,
                    "part of a write refused"
                );
            }
        }
    }
}
