//! The one place that lets requests in: who asks, what the route needs, which tenant.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use latewood_auth::{
    Authenticator, Credentials, Denial, Need, PasswordCheck, Principal, Refusal, Right, Verdict,
};
use latewood_base::Clock;
use latewood_model::TenantId;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use crate::audit::Entry;
use crate::connection::Caller;
use crate::tenant::{TENANT_HEADERS, TenantFromRequest, TenantRejection};
use crate::web::Web;

/// Passwords that wait to be checked; further requests are told to come again.
const MAX_WAITING: usize = 64;

/// What a route needs, by its pattern.
pub type Needs = fn(&str) -> Option<Need>;

/// Lets requests in. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Guard(Arc<Inner>, Serves);

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// All there is.
    All,
    /// All but what needs an administrator's right, which has a listener of its own.
    AllButAdmin,
    /// What needs an administrator's right, and probes.
    AdminAlone,
}

impl Serves {
    fn has(self, need: Need) -> bool {
        let is_admin = need.right() == Some(Right::Admin);
        match self {
            Self::All => true,
            Self::AllButAdmin => !is_admin,
            Self::AdminAlone => is_admin || need == Need::Nothing,
        }
    }
}

#[derive(Debug)]
struct Inner {
    web: Web,
    needs: Needs,
    clock: Clock,
    /// Passwords that wait.
    waiting: Semaphore,
    /// Those that are checked: others have work, too.
    checked: Semaphore,
    outcomes: Family<OutcomeLabels, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// Why a request is not let in.
#[derive(Debug)]
enum Refused {
    /// It is nobody's: 401.
    Nobody(Refusal),
    /// Somebody may not: 403, or 400 where they did not say which tenant.
    Denied(Denial),
    /// The tenant is none: 400.
    Tenant(TenantRejection),
    /// Too many passwords wait: 503.
    Busy,
}

impl Guard {
    /// Guards by what the files say.
    #[must_use]
    pub fn new(web: Web, needs: Needs, clock: Clock) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(
            Arc::new(Inner {
                web,
                needs,
                clock,
                waiting: Semaphore::new(MAX_WAITING),
                checked: Semaphore::new(cores.div_ceil(2)),
                outcomes: Family::default(),
            }),
            Serves::All,
        )
    }

    /// The same guard before a listener that serves this.
    #[must_use]
    pub fn of(&self, serves: Serves) -> Self {
        Self(Arc::clone(&self.0), serves)
    }

    /// Registers how many were let in.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("latewood_service");
        let help = "HTTP requests by whether they were let in, where it is asked who sends them";
        registry.register("auth_requests", help, self.0.outcomes.clone());
    }

    /// Puts the guard before all of these routes, and before what is answered where there is none.
    pub fn protect(&self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self.clone(), check))
    }

    /// What a request needs.
    fn need(&self, request: &Request) -> Need {
        // A route that nobody thought of is for nobody but who may everything; a test finds it.
        let unknown = Need::Process(Right::Admin);
        let path = request.extensions().get::<MatchedPath>();
        path.map_or(Need::Somebody, |path| (self.0.needs)(path.as_str()).unwrap_or(unknown))
    }

    /// Lets a request in, with the tenant that it is of, or says why not. Nobody is somebody where nobody is asked.
    async fn admit(&self, request: &mut Request, need: Need) -> Result<Option<Arc<Principal>>, Refused> {
        let settings = self.0.web.current();
        if settings.auth.is_open() || need == Need::Nothing {
            return Ok(None);
        }
        let headers = request.headers();
        let shown = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let principal = self.principal(&settings.auth, &Credentials::read(shown)).await?;
        let named = TenantFromRequest::named(headers).map_err(Refused::Tenant)?;
        let meant = principal.may(need, named.as_ref()).map_err(Refused::Denied)?;
        let headers = request.headers_mut();
        if let Some(tenant) = meant {
            name_tenant(headers, &tenant);
        }
        name_sender(headers, &principal);
        Ok(Some(principal))
    }

    async fn principal(
        &self,
        auth: &Authenticator,
        credentials: &Credentials,
    ) -> Result<Arc<Principal>, Refused> {
        match auth.authenticate(credentials, self.0.clock.now_ms()) {
            Verdict::Principal(principal) => Ok(principal),
            Verdict::Refused(refusal) => Err(Refused::Nobody(refusal)),
            Verdict::IfRight(check, principal) => match self.is_right(check).await {
                Some(true) => Ok(principal),
                Some(false) => Err(Refused::Nobody(Refusal::Password)),
                None => Err(Refused::Busy),
            },
        }
    }

    /// Checks a password off the runtime; `None` when too many wait.
    async fn is_right(&self, check: PasswordCheck) -> Option<bool> {
        let _waits = self.0.waiting.try_acquire().ok()?;
        let _runs = self.0.checked.acquire().await.ok()?;
        tokio::task::spawn_blocking(move || check.run()).await.ok()
    }

    fn count(&self, outcome: &'static str) {
        self.0.outcomes.get_or_create(&OutcomeLabels { outcome }).inc();
    }
}

async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let need = guard.need(&request);
    if !guard.1.has(need) && need != Need::Somebody {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    }
    let caller = request.extensions().get::<Caller>();
    let mut entry = Entry::of(need, request.method(), request.uri(), request.headers(), caller);
    let answer = match guard.admit(&mut request, need).await {
        Ok(principal) => {
            if let Some(principal) = principal {
                guard.count("allowed");
                if let Some(entry) = &mut entry {
                    entry.proved(&principal.name, request.headers());
                }
            }
            next.run(request).await
        }
        Err(refused) => {
            guard.count(refused.outcome());
            if let (Some(entry), Refused::Denied(denial)) = (&mut entry, &refused) {
                entry.proved(denial.who(), request.headers());
            }
            let challenges = match &refused {
                Refused::Nobody(refusal) => guard.0.web.current().auth.challenges(*refusal),
                _ => Vec::new(),
            };
            refused.into_answer(&challenges)
        }
    };
    if let Some(entry) = entry {
        entry.write(answer.status());
    }
    answer
}

impl Refused {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Nobody(_) => "unauthorized",
            Self::Denied(_) => "forbidden",
            Self::Tenant(_) => "invalid",
            Self::Busy => "busy",
        }
    }

    fn into_answer(self, challenges: &[String]) -> Response {
        match self {
            Self::Nobody(refusal) => {
                let mut answer =
                    (StatusCode::UNAUTHORIZED, format!("Unauthorized: {refusal}\n")).into_response();
                for challenge in challenges.iter().filter_map(|challenge| challenge.parse().ok()) {
                    answer.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
                }
                answer
            }
            Self::Denied(denial @ Denial::WhichTenant { .. }) => {
                (StatusCode::BAD_REQUEST, format!("{denial}\n")).into_response()
            }
            Self::Denied(denial) => (StatusCode::FORBIDDEN, format!("Forbidden: {denial}\n")).into_response(),
            Self::Tenant(rejection) => rejection.into_response(),
            Self::Busy => {
                let text = "too many passwords are being checked: retry\n";
                (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], text).into_response()
            }
        }
    }
}

/// From here on the request says which tenant is meant.
fn name_tenant(headers: &mut HeaderMap, tenant: &TenantId) {
    if let Ok(value) = HeaderValue::from_str(tenant.as_str()) {
        headers.insert(TENANT_HEADERS[0], value);
    }
}

/// From here on what the request says of its sender is proved.
fn name_sender(headers: &mut HeaderMap, principal: &Principal) {
    let name = HeaderValue::from_str(&principal.name);
    headers.insert("x-forwarded-user", name.unwrap_or(HeaderValue::from_static("unprintable")));
}

/// Adds the headers that the web configuration file has.
pub(crate) fn with_headers(routes: Router, web: &Web) -> Router {
    let add = async |State(web): State<Web>, request: Request, next: Next| {
        let mut answer = next.run(request).await;
        for (name, value) in &web.current().headers {
            answer.headers_mut().insert(name.clone(), value.clone());
        }
        answer
    };
    routes.layer(from_fn_with_state(web.clone(), add))
}
