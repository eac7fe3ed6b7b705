//! The roles: which parts run in a process. `all` is every part; nothing else tells it apart.

mod compactor;
mod context;
mod ingester;
mod peers;
mod querier;
mod reporting;
mod rights;
mod services;
mod store_gateway;
mod stores;
mod unrouted;

pub use context::{Context, Started};
pub use rights::needs;
pub use services::routes as services_routes;
pub use stores::served_store;
pub use unrouted::with_fallbacks;

/// A part of a role. Parts start in this order and stop in the opposite one, because later ones ask
/// earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Takes writes, serves the newest samples.
    Ingester,
    /// Serves blocks.
    StoreGateway,
    /// Answers PromQL.
    Querier,
    /// Tends blocks.
    Compactor,
}

impl Part {
    /// As its subcommand is called.
    fn name(self) -> &'static str {
        match self {
            Self::Ingester => "ingester",
            Self::StoreGateway => "store-gateway",
            Self::Querier => "querier",
            Self::Compactor => "compactor",
        }
    }
}

/// What a subcommand runs.
#[derive(Debug)]
pub struct Role {
    /// The subcommand's name.
    pub name: &'static str,
    parts: &'static [Part],
}

/// `latewood all`
pub const ALL: Role =
    Role { name: "all", parts: &[Part::Ingester, Part::StoreGateway, Part::Querier, Part::Compactor] };
/// `latewood ingester`
pub const INGESTER: Role = Role { name: "ingester", parts: &[Part::Ingester] };
/// `latewood store-gateway`
pub const STORE_GATEWAY: Role = Role { name: "store-gateway", parts: &[Part::StoreGateway] };
/// `latewood querier`
pub const QUERIER: Role = Role { name: "querier", parts: &[Part::Querier] };
/// `latewood compactor`
pub const COMPACTOR: Role = Role { name: "compactor", parts: &[Part::Compactor] };

impl Role {
    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Whether it commits to catalogs, for which the bucket must honour create-if-absent.
    pub fn commits(&self) -> bool {
        self.has(Part::Ingester) || self.has(Part::Compactor)
    }

    /// Whether it has an ingester.
    pub fn takes_writes(&self) -> bool {
        self.has(Part::Ingester)
    }

    /// Starts the role's parts in order.
    ///
    /// # Errors
    /// The first part's that cannot start.
    pub async fn start(&self, context: &mut Context) -> anyhow::Result<Started> {
        let mut started = Started::default();
        for part in self.parts {
            match part {
                Part::Ingester => ingester::start(context, &mut started).await?,
                Part::StoreGateway => store_gateway::start(context, &mut started).await?,
                Part::Querier => querier::start(context, &mut started).await?,
                Part::Compactor => compactor::start(context, &mut started)?,
            }
            tracing::debug!(?part, "started");
        }
        Ok(started)
    }
}
