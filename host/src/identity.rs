//! Who is asking.
//!
//! A [`Principal`] can only be made here, from a proof: an access token of an issuer that is believed, an API key, or
//! the name an operator gave on the command line of a local (stdio) server. Everything after this room takes the
//! `Principal` as given.

pub mod api_key; // Keys for callers without an identity provider.
mod copy; // The host's own tables, in memory.
mod demo; // The host's own issuer.
mod issuer; // What makes a token a proof.
mod key; // An issuer's public key.
mod keyset; // An issuer's keys, kept fresh.
mod memory; // What was proved lately.
pub mod revoked; // Tokens that were taken back.
mod source; // Where an issuer's keys come from.
mod strict; // JSON that can be read in one way only.
mod token; // A token, read but not believed.
mod unproven; // Why not.

pub use unproven::{Reason, Unproven};

use crate::clerk::Clerk;
use crate::config::{self, Person};
use crate::keys::Key;
use api_key::ApiKeys;
use arc_swap::ArcSwap;
use copy::{Changes, Table};
use demo::Demo;
use issuer::Issuer;
use keyset::Pace;
use memory::{Basis, Memory, Proved};
use revoked::Revoked;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use token::Token;
use tokio::sync::watch;
use uuid::Uuid;

/// Someone whose identity was proved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    issuer: String,
    subject: String,
    display_name: String,
    roles: Vec<String>,
    tenants: Vec<Uuid>,
    regions: Vec<String>,
    scopes: Vec<String>,
}

impl Principal {
    /// Who vouches for it (`iss`). One subject of two issuers is two principals.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The stable name at the issuer (`sub`).
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// For people to read.
    pub fn display_name(&self) -> &str {
        &self.display_name
    }

    /// Role names, as the issuer vouches for them. What a role may do is the policy's business.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Tenants the issuer names as this principal's own.
    pub fn tenants(&self) -> &[Uuid] {
        &self.tenants
    }

    /// Regions the issuer names as this principal's own.
    pub fn regions(&self) -> &[String] {
        &self.regions
    }

    /// What this proof may be used for (OAuth scopes).
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }
}

/// What a proof amounts to.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    /// Who was proved.
    pub principal: Principal,
    /// When whatever stands on it, such as an open stream, has to end. When the proof is no longer accepted; a day from
    /// now for one that never ends by itself, so that nothing outlives by more what it stood on. It may end sooner:
    /// see [`Identity::gone`].
    pub until: SystemTime,
    basis: Basis,
}

/// The private keys of the host's own issuer: Ed25519 seeds.
#[derive(Clone, Copy)]
pub struct Seeds<'a> {
    /// Signs, and is believed.
    pub current: &'a Key,
    /// Signed before the last rotation; still believed, while its tokens have not ended.
    pub previous: Option<&'a Key>,
}

/// Identity cannot be set up as the settings say: which one, and what to write instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// How long something may stand on a proof that has no end of its own.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What asking an issuer for its keys came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The issuer, as the settings name it.
    pub issuer: String,
    /// Keys the settings allow the use of, or what stood in the way.
    pub usable: Result<usize, String>,
    /// Seconds its clock is ahead of ours, if its answer had a date.
    pub ahead: Option<i64>,
    /// Seconds the two may disagree, by the settings.
    pub leeway: u64,
}

/// Verifies proofs. One for the whole process; cheap to clone.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    /// Our own issuer, with the keys of the day.
    demo: ArcSwap<Demo>,
    /// Tells that those are others now.
    rotated: watch::Sender<()>,
    /// Whether tokens of our own issuer are believed.
    own: bool,
    /// In the order of the settings; ours is not among them.
    issuers: Vec<Issuer>,
    revoked: Option<Revoked>,
    api_keys: Option<ApiKeys>,
    settings: config::Identity,
    memory: Memory,
}

impl Identity {
    /// Believe whom the settings say.
    ///
    /// `resource` is this host's own public URL, the audience of tokens for it; `seeds` the private keys of our own
    /// issuer; `people` those the host brings along, beside the ones of the settings, which win over them. Without a
    /// `clerk` nothing is known of revocations and API keys are off: for commands that only print tokens, never for a
    /// host that serves. With one, must be called inside a tokio runtime.
    ///
    /// # Errors
    /// A setting that cannot be used, or a system without certificates while there are issuers to reach.
    pub fn open(
        settings: &config::Identity,
        resource: &str,
        seeds: Seeds<'_>,
        people: Vec<Person>,
        clerk: Option<Clerk>,
    ) -> Result<Self, Error> {
        let configured = |issuer| Issuer::configured(issuer, resource, Pace::USUAL);
        let issuers = settings.issuers.iter().map(configured).collect::<Result<_, _>>()?;
        let revoked = clerk.clone().map(Revoked::follow);
        let api_keys = clerk.filter(|_| settings.api_keys).map(ApiKeys::follow);
        let demo = Demo::new(seeds, people.into_iter().chain(settings.people.clone()));
        Self::assemble(settings, issuers, demo, revoked, api_keys)
    }

    fn assemble(
        settings: &config::Identity,
        issuers: Vec<Issuer>,
        demo: Demo,
        revoked: Option<Revoked>,
        api_keys: Option<ApiKeys>,
    ) -> Result<Self, Error> {
        let mut names = HashSet::new();
        if let Some(twice) = issuers.iter().find(|issuer| !names.insert(issuer.name())) {
            return Err(Error(format!("identity.issuers: {} is there twice", twice.name())));
        }
        let (own, demo) = (settings.trusts_own_issuer(), ArcSwap::from_pointee(demo));
        let (rotated, memory) = (watch::Sender::new(()), Memory::new());
        let settings = settings.clone();
        Ok(Self(Arc::new(Inner { demo, rotated, own, issuers, revoked, api_keys, settings, memory })))
    }

    /// What a bearer token (RFC 6750) proves: an access token, or an API key.
    ///
    /// # Errors
    /// [`Unproven`], with one text for every reason.
    pub async fn from_bearer(&self, token: &str) -> Result<Proof, Unproven> {
        let now = SystemTime::now();
        let proved = match self.0.memory.recall(token, now) {
            Some(proved) => proved,
            None => self.0.memory.keep(token, self.0.prove(token).await?),
        };
        self.0.check(&proved.basis).await?;
        let (principal, basis) = (proved.principal.clone(), proved.basis.clone());
        Ok(Proof { principal, until: proved.until.unwrap_or(now + DAY), basis })
    }

    /// Ends when a proof does not hold any more although its time is not over: it was taken back, it means something
    /// else by now, the key that signed it was replaced, or the host has not known for too long whether it was.
    pub fn gone(&self, proof: &Proof) -> impl Future<Output = ()> + Send + use<> {
        let (inner, basis) = (Arc::clone(&self.0), proof.basis.clone());
        async move {
            match &basis {
                Basis::Token(_) | Basis::Own(..) => {
                    inner.outlive(&basis, inner.revoked.as_ref().map(Revoked::changes)).await;
                }
                Basis::ApiKey(..) => inner.outlive(&basis, inner.api_keys.as_ref().map(ApiKeys::changes)).await,
            }
        }
    }

    /// The principal an operator named for a local server, who needs no token: whoever can start the process can read
    /// its files.
    ///
    /// # Errors
    /// [`Unproven`] when there is no such person.
    pub fn local(&self, name: &str) -> Result<Principal, Unproven> {
        self.0.demo.load().local(name)
    }

    /// A token of our own issuer for one of the people it knows.
    ///
    /// # Errors
    /// [`Unproven`] when there is no such person ([`Reason::UnknownPerson`]), or when this host would not believe the
    /// token ([`Reason::TurnedOff`]).
    pub fn issue(&self, name: &str, lifetime: Duration) -> Result<String, Unproven> {
        if !self.0.own {
            return Err(Unproven::new(Reason::TurnedOff, "tokens of the host's own issuer are off (identity.demo)"));
        }
        self.0.demo.load().issue(name, lifetime)
    }

    /// Sign our own issuer's tokens with another key from now on, and believe those signed with the one before it and
    /// no others, remembered or not.
    pub fn set_seeds(&self, seeds: Seeds<'_>) {
        self.0.demo.store(Arc::new(self.0.demo.load().with(seeds)));
        self.0.rotated.send_replace(());
    }

    /// The names [`Identity::local`] and [`Identity::issue`] know.
    pub fn names(&self) -> Vec<String> {
        self.0.demo.load().names()
    }

    /// Whether tokens of the host's own issuer are believed. It has no login: fine to try things on one machine, not
    /// for a host that others reach.
    pub fn trusts_own_issuer(&self) -> bool {
        self.0.own
    }

    /// The issuers a client can get a token from, for the protected resource metadata (RFC 9728).
    pub fn authorization_servers(&self) -> Vec<String> {
        let published = self.0.issuers.iter().filter(|issuer| issuer.published().is_some());
        published.map(|issuer| issuer.name().to_owned()).collect()
    }

    /// Every scope there is a use for (`scopes_supported` of RFC 9728), each once.
    pub fn all_scopes(&self) -> Vec<String> {
        let all = self.0.settings.scopes.iter().chain(self.0.settings.tool_scopes.values().flatten());
        all.fold(Vec::new(), |mut seen, scope| {
            if !seen.contains(scope) {
                seen.push(scope.clone());
            }
            seen
        })
    }

    /// The scopes every call needs: what a client without a proof is told to ask for (RFC 6750, section 3).
    pub fn needed_scopes(&self) -> &[String] {
        &self.0.settings.scopes
    }

    /// All scopes the principal would need, to call this tool (`plugin/tool`) or at all, if it lacks one of them:
    /// what a `403` with `insufficient_scope` names, in one challenge. Nothing, if it has them.
    pub fn lacking(&self, principal: &Principal, tool: Option<&str>) -> Option<Vec<String>> {
        self.0.settings.lacking(&principal.scopes, tool)
    }

    /// Fetch every issuer's keys now, for warming up and for the doctor.
    pub async fn refresh(&self) -> Vec<Asked> {
        let mut found = Vec::new();
        for issuer in &self.0.issuers {
            if let Some(keys) = issuer.published() {
                let usable = Arc::clone(&keys).refresh().await;
                let (issuer, leeway) = (issuer.name().to_owned(), issuer.leeway());
                found.push(Asked { issuer, usable, ahead: keys.ahead(), leeway });
            }
        }
        found
    }
}

impl Inner {
    async fn prove(&self, text: &str) -> Result<Proved, Unproven> {
        // What a proof becomes is no longer than the proof, a fixed part aside.
        let weight = 512 + u32::try_from(text.len()).unwrap_or(u32::MAX / 2);
        if api_key::is_meant(text) {
            let off = || Unproven::new(Reason::TurnedOff, "API keys are off (identity.api_keys)");
            let (id, entry) = self.api_keys.as_ref().ok_or_else(off)?.prove(text).await?;
            let (principal, until) = (entry.principal.clone(), entry.expires);
            return Ok(Proved { principal, until, basis: Basis::ApiKey(id, entry), weight });
        }
        let token = Token::read(text)?;
        let name = token.name("iss")?;
        let (demo, mut all) = (self.demo.load(), self.issuers.iter());
        let own = Some(demo.issuer()).filter(|own| self.own && own.name() == name);
        let issuer = all.find(|issuer| issuer.name() == name).or(own);
        let issuer = issuer.ok_or_else(|| Unproven::new(Reason::UnknownIssuer, "its issuer is not believed"))?;
        let grant = issuer.prove(&token, SystemTime::now()).await?;
        let mark = revoked::mark(issuer.name(), &grant.id);
        let basis = match grant.own_key {
            Some(key) => Basis::Own(mark, key),
            None => Basis::Token(mark),
        };
        Ok(Proved { principal: grant.principal, until: Some(grant.until), basis, weight })
    }

    /// What can change between two uses of one proof.
    async fn check(&self, basis: &Basis) -> Result<(), Unproven> {
        if let Basis::Own(_, key) = basis
            && !self.demo.load().issuer().has_own(key)
        {
            return Err(Unproven::new(Reason::BadSignature, "made by a key of ours that was replaced"));
        }
        match (basis, &self.revoked, &self.api_keys) {
            (Basis::Token(mark) | Basis::Own(mark, _), Some(revoked), _) => revoked.check(*mark).await,
            (Basis::Token(_) | Basis::Own(..), None, _) => Ok(()),
            (Basis::ApiKey(id, entry), _, Some(keys)) => keys.check(id, entry).await,
            (Basis::ApiKey(..), _, None) => Err(Unproven::new(Reason::TurnedOff, "API keys are off")),
        }
    }

    /// Look at it again with every change, until it does not hold.
    async fn outlive<T: Table>(&self, basis: &Basis, mut copy: Option<Changes<T>>) {
        let mut rotated = self.rotated.subscribe();
        while self.check(basis).await.is_ok() {
            let changed = async {
                match &mut copy {
                    Some(copy) => copy.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                _ = rotated.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
