//! Which caller: somebody known, somebody a token proves, or somebody described.

use crate::clerk::Clerk;
use crate::cli::run::on_ground;
use crate::cli::token;
use crate::config::Settings;
use crate::house;
use crate::identity::{Reason, Unproven};
use crate::keys::Keys;
use crate::policy::{Subject, Tenant, tenant_named};
use anyhow::{Result, anyhow};
use clap::Args;
use rowhouse_migrations as shape;
use tokio_util::sync::CancellationToken;

/// Of an identity provider's callers nothing is known here but what a token or the operator says.
#[derive(Args, Clone, Debug, Default)]
#[group(required = true, multiple = true)]
pub(crate) struct Who {
    /// One of the host's own people; `rowhouse token` lists the names.
    #[arg(long = "as", value_name = "NAME", conflicts_with_all = DESCRIBED)]
    pub(super) identity: Option<String>,
    /// Read a token or an API key from standard input and prove it as a host would: asks issuer and database.
    #[arg(long, value_name = "-", value_parser = ["-"], conflicts_with_all = DESCRIBED, conflicts_with = "identity")]
    pub(super) token: Option<String>,
    /// Describe a caller: a role of its. May be given several times, like the next three.
    #[arg(long = "role", value_name = "ROLE")]
    pub(super) roles: Vec<String>,
    /// A tenant of its own, by id or by its name in the directory.
    #[arg(long = "own-tenant", value_name = "ID|NAME")]
    pub(super) own_tenants: Vec<String>,
    /// A region of its own.
    #[arg(long = "region", value_name = "REGION")]
    pub(super) regions: Vec<String>,
    /// What its token is good for. Unset: the scopes every call needs.
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(super) scopes: Vec<String>,
    /// Who vouches for it (`iss`).
    #[arg(long, value_name = "URL")]
    pub(super) issuer: Option<String>,
    /// Its stable name there (`sub`).
    #[arg(long, value_name = "NAME")]
    pub(super) subject: Option<String>,
}

/// What describes a caller.
const DESCRIBED: [&str; 6] = ["roles", "own_tenants", "regions", "scopes", "issuer", "subject"];

/// A caller, and the tenants it is explained over.
pub(super) struct Caller {
    /// For people to read.
    pub(super) name: String,
    pub(super) subject: Subject,
    pub(super) directory: Vec<Tenant>,
}

impl Who {
    /// Find the caller. `Err` inside: the host would not believe the token.
    pub(super) async fn find(&self, settings: &Settings) -> Result<Result<Caller, Unproven>> {
        if self.token.is_some() {
            return proved(settings, token::read()?.trim()).await;
        }
        let directory = super::directory(settings).await?;
        let (name, subject) = match &self.identity {
            Some(name) => (name.clone(), known(settings, name)?),
            None => ("somebody".to_owned(), self.described(settings, &directory)?),
        };
        Ok(Ok(Caller { name, subject, directory }))
    }

    fn described(&self, settings: &Settings, directory: &[Tenant]) -> Result<Subject> {
        let tenants = self.own_tenants.iter().map(|name| Ok(tenant_named(directory, name)?));
        let scopes = if self.scopes.is_empty() { &settings.identity.scopes } else { &self.scopes };
        Ok(Subject {
            issuer: self.issuer.clone().unwrap_or_default(),
            subject: self.subject.clone().unwrap_or_default(),
            roles: self.roles.clone(),
            tenants: tenants.collect::<Result<_>>()?,
            regions: self.regions.clone(),
            scopes: scopes.clone(),
        })
    }
}

fn known(settings: &Settings, name: &str) -> Result<Subject> {
    let identity = house::identity(&Keys::with(&settings.state_dir(), &settings.keys)?, settings, None)?;
    let unknown = |_| {
        anyhow!(
            "no identity named {name:?}; known: {}. Describe another caller with --role, or prove it with --token -",
            identity.names().join(", ")
        )
    };
    Ok(Subject::from(&identity.local(name).map_err(unknown)?))
}

/// Whom a token proves, with all a host knows: its issuers, its API keys, and what was taken back.
async fn proved(settings: &Settings, token: &str) -> Result<Result<Caller, Unproven>> {
    on_ground(settings, async |ground| {
        let keys = Keys::with(&settings.state_dir(), &settings.keys)?;
        let stop = CancellationToken::new();
        let clerk = Clerk::start(ground.clerk(&keys), stop.clone());
        let _end = stop.drop_guard();
        let identity = house::identity(&keys, settings, Some(clerk))?;
        let principal = match identity.from_bearer(token).await {
            Ok(proof) => proof.principal,
            Err(unproven) if cannot_tell(unproven.reason()) => return Err(unproven.into()),
            Err(unproven) => return Ok(Err(unproven)),
        };
        let directory = house::tenants(shape::tenants(&ground.admin().await?).await?);
        let name = format!("{} of {}", principal.subject(), principal.issuer());
        Ok(Ok(Caller { name, subject: Subject::from(&principal), directory }))
    })
    .await
}

/// Whether a proof was refused for something that has nothing to do with it.
fn cannot_tell(reason: Reason) -> bool {
    [Reason::RevocationsUnknown, Reason::ApiKeysUnknown, Reason::IssuerUnreachable, Reason::Busy].contains(&reason)
}
