//! `POST /compactor/delete_tenant` and `GET /compactor/delete_tenant_status`, by their names in Mimir.
//!
//! A deletion is a mark in the tenant's catalog: from then on nothing is added, queriers and ingesters refuse the tenant as
//! they learn of it, and after the delay `garbage` removes what there is.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use latewood_base::Kinded;
use latewood_catalog::{CatalogError, Catalogs, Change, TenantCatalog, TenantFate};
use latewood_model::TenantId;
use latewood_service::{TenantFromRequest, asked_by, http_status};

/// What the routes need.
#[derive(Clone, Debug)]
struct Parts {
    catalogs: Arc<Catalogs>,
    enabled: bool,
}

/// The routes.
pub(crate) fn routes(catalogs: Arc<Catalogs>, enabled: bool) -> Router {
    Router::new()
        .route("/compactor/delete_tenant", post(delete_tenant))
        .route("/compactor/delete_tenant_status", get(status))
        .with_state(Parts { catalogs, enabled })
}

async fn delete_tenant(State(parts): State<Parts>, headers: HeaderMap) -> Response {
    if !parts.enabled {
        let text = "tenants are not deleted over HTTP: compactor.enable_admin_api is false\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    // A header that was forgotten must not cost `anonymous` its data.
    let tenant = match TenantFromRequest::from_named(&headers) {
        Ok(TenantFromRequest(tenant)) => tenant,
        Err(refused) => return refused.into_response(),
    };
    let by = asked_by(&headers);
    match mark_deleted(&parts.catalogs.tenant(&tenant), &by).await {
        Ok(false) => (StatusCode::NOT_FOUND, format!("tenant {tenant} has no catalog\n")).into_response(),
        Ok(true) => {
            tracing::warn!(%tenant, by, "the tenant is being deleted");
            StatusCode::OK.into_response()
        }
        Err(error) => (http_status(error.kind()), format!("{error}\n")).into_response(),
    }
}

/// Begins the deletion of a tenant; once more does nothing. False, and nothing is written, when it has no catalog.
async fn mark_deleted(catalog: &TenantCatalog, by: &str) -> Result<bool, CatalogError> {
    let view = catalog.refresh(0).await?;
    if view.version == 0 || view.is_deleted() {
        return Ok(view.version > 0);
    }
    catalog.record_now("delete_tenant", by, "").await?;
    let delete = Change { fate: Some(TenantFate::Deleted), ..Change::default() };
    catalog.commit_with(|view| (!view.is_deleted()).then(|| delete.clone())).await?;
    Ok(true)
}

async fn status(State(parts): State<Parts>, TenantFromRequest(tenant): TenantFromRequest) -> Response {
    match has_gone(&parts.catalogs, &tenant).await {
        Ok(gone) => {
            // A tenant's id needs no escaping.
            let json = format!("{{\"tenant_id\":\"{tenant}\",\"blocks_deleted\":{gone}}}\n");
            ([(header::CONTENT_TYPE, "application/json")], json).into_response()
        }
        Err(error) => (http_status(error.kind()), format!("{error}\n")).into_response(),
    }
}

/// Whether nothing is left of a tenant that is deleted, but for its catalog, which says so.
async fn has_gone(catalogs: &Catalogs, tenant: &TenantId) -> Result<bool, CatalogError> {
    let catalog = catalogs.tenant(tenant);
    let view = catalog.refresh(0).await?;
    Ok(view.is_deleted() && view.blocks.is_empty() && catalog.block_folders().await?.is_empty())
}
