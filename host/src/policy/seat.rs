//! What is worked out once for each principal: the entity, and the tenants it may assume.

use super::explain::Verdict;
use super::fault::Faults;
use super::rules::Rules;
use super::{Denied, Question, Scope, Subject, Tenant, entities};
use crate::error::BoxError;
use cedar_policy::{AuthorizationError, Authorizer, Decision, Entities, EntityUid, PolicyId, PolicySet, Response};
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// What a seat weighs besides its lists, in names of entities: the five actions, the user and the maps around them.
pub(super) const WEIGHT: u32 = 14;

/// The rules and what they speak about, without memory of anybody.
pub(super) struct Snapshot {
    rules: Arc<Rules>,
    /// In order of their ids.
    directory: Vec<Tenant>,
    ids: Arc<[Uuid]>,
    /// Actions and the directory, as entities.
    ground: Entities,
    actions: Entities,
    next: AtomicU64,
    /// Policies whose failure was logged. One line for each is enough; there are no more than policies.
    said: Mutex<HashSet<PolicyId>>,
}

/// One principal, as far as decisions go.
pub(super) struct Seat {
    /// Which seat of its snapshot. Never given twice.
    number: u64,
    user: EntityUid,
    /// The actions and the user. `None`: the user could not be made an entity, and may nothing.
    entities: Option<Entities>,
    /// Whether it may see every tenant there is or will be.
    all: bool,
    /// The tenants of the directory it may assume, in order.
    allowed: Arc<[Uuid]>,
    weight: u32,
}

/// Somebody a single question is asked for: the user among all that the snapshot knows.
pub(super) struct Guest {
    user: EntityUid,
    entities: Option<Entities>,
}

impl Snapshot {
    pub(super) fn new(rules: Arc<Rules>, mut directory: Vec<Tenant>) -> Result<Self, Faults> {
        directory.sort_unstable();
        if let Some(twice) = directory.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(Faults::whole(format!("the directory lists the tenant {} twice", twice[0].id)));
        }
        let ids = directory.iter().map(|tenant| tenant.id).collect();
        let ground = entities::ground(&directory).map_err(|error| Faults::whole(error.to_string()))?;
        let (next, said) = (AtomicU64::new(0), Mutex::default());
        Ok(Self { rules, directory, ids, ground, actions: super::rules::actions(), next, said })
    }

    pub(super) fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    pub(super) fn directory(&self) -> &[Tenant] {
        &self.directory
    }

    /// The subject among everything there is.
    pub(super) fn guest(&self, subject: &Subject) -> Guest {
        Guest { user: entities::user_uid(subject), entities: self.with(&self.ground, subject) }
    }

    /// Work out what holds for every call of a principal. Asks about every tenant of the directory.
    pub(super) fn seat(&self, subject: &Subject) -> Seat {
        let (all, allowed) = self.reach(&self.guest(subject));
        let lists = subject.roles.len() + subject.tenants.len() + subject.regions.len() + subject.scopes.len();
        // The directory's own list is shared; a list of the seat's own has 16 bytes a tenant.
        let own = if Arc::ptr_eq(&allowed, &self.ids) { 0 } else { allowed.len() / 16 };
        Seat {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            user: entities::user_uid(subject),
            entities: self.with(&self.actions, subject),
            all,
            allowed,
            weight: u32::try_from(lists + own).unwrap_or(u32::MAX).saturating_add(WEIGHT),
        }
    }

    /// Whether a guest may see every tenant there is or will be, and which of the directory it may assume. Whoever may
    /// assume the directory but not one of its tenants sees the others, by name, and so does everybody where a policy
    /// makes a difference between tenants that the directory need not list: a forbidden one is never among "all".
    pub(super) fn reach(&self, guest: &Guest) -> (bool, Arc<[Uuid]>) {
        let decides = |policies: &PolicySet, question: &Question| {
            self.verdict_of(policies, &guest.user, guest.entities.as_ref(), question)
        };
        let assume = self.rules.about(Question::AssumeAll.action());
        let allowed: Vec<Uuid> =
            self.ids.iter().copied().filter(|id| decides(assume, &Question::Assume(*id))).collect();
        if allowed.len() < self.ids.len() {
            return (false, allowed.into());
        }
        let everything = |policies: &PolicySet| decides(policies, &Question::AssumeAll);
        (everything(assume) && self.rules.everything.as_ref().is_some_and(everything), Arc::clone(&self.ids))
    }

    /// What is decided for a guest, and by which policies.
    pub(super) fn verdict(&self, guest: &Guest, question: &Question) -> Verdict {
        if self.is_nobody(question) {
            return Verdict::default();
        }
        let policies = self.rules.about(question.action());
        let answer = self.ask(policies, &guest.user, guest.entities.as_ref(), question);
        match answer {
            Ok(response) => Verdict {
                allowed: Self::allows_in(&response),
                because: sorted(response.diagnostics().reason()),
                failed: sorted(response.diagnostics().errors().map(failing)),
            },
            Err(_) => Verdict::default(),
        }
    }

    /// What is decided for a seat. Principal and resource are all that is shown: no policy reaches further.
    pub(super) fn allows(&self, seat: &Seat, question: &Question) -> bool {
        self.verdict_of(self.rules.about(question.action()), &seat.user, seat.entities.as_ref(), question)
    }

    fn verdict_of(
        &self,
        policies: &PolicySet,
        user: &EntityUid,
        entities: Option<&Entities>,
        question: &Question,
    ) -> bool {
        match self.ask(policies, user, entities, question) {
            Ok(response) => {
                self.log(&response);
                Self::allows_in(&response)
            }
            Err(error) => {
                tracing::error!(
                    action = question.action(),
                    "a decision could not be asked for, and is a denial: {error}"
                );
                false
            }
        }
    }

    /// A policy that could not be evaluated is one Cedar leaves out. Were it a `forbid`, leaving it out would allow.
    fn allows_in(response: &Response) -> bool {
        response.decision() == Decision::Allow && response.diagnostics().errors().next().is_none()
    }

    fn ask(
        &self,
        policies: &PolicySet,
        user: &EntityUid,
        entities: Option<&Entities>,
        question: &Question,
    ) -> Result<Response, BoxError> {
        let entities = entities.ok_or("the user could not be made an entity")?;
        let request = question.request(user)?;
        let among = question.among(entities)?;
        Ok(Authorizer::new().is_authorized(&request, policies, among.as_ref().unwrap_or(entities)))
    }

    /// A tenant the directory does not list is nobody's, whatever a policy says.
    fn is_nobody(&self, question: &Question) -> bool {
        matches!(question, Question::Assume(id) if self.ids.binary_search(id).is_err())
    }

    fn with(&self, entities: &Entities, subject: &Subject) -> Option<Entities> {
        let made = entities::user(subject).and_then(|user| Ok(entities.clone().add_entities([user], None)?));
        made.inspect_err(|error| tracing::error!("a principal could not be made an entity, and may nothing: {error}"))
            .ok()
    }

    fn log(&self, response: &Response) {
        for error in response.diagnostics().errors() {
            let id = failing(error);
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.insert(id.clone()) {
                let line = self.rules.place_of(id).map_or(1, |(line, _)| line);
                tracing::error!(policy.id = %id, policy.line = line, "every decision a policy fails in is a denial: {error}");
            }
        }
    }
}

fn failing(error: &AuthorizationError) -> &PolicyId {
    match error {
        AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
    }
}

fn sorted<'a>(ids: impl Iterator<Item = &'a PolicyId>) -> Vec<String> {
    let mut ids: Vec<String> = ids.map(ToString::to_string).collect();
    ids.sort_unstable();
    ids
}

impl Seat {
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) const fn weight(&self) -> u32 {
        self.weight
    }

    /// The tenant, where it may assume no other one.
    pub(super) fn sole_tenant(&self) -> Option<Uuid> {
        match *self.allowed {
            [tenant] if !self.all => Some(tenant),
            _ => None,
        }
    }

    /// Whose rows: all that are allowed, or the wanted ones, each of which must be.
    pub(super) fn scope(&self, wanted: Option<&[Uuid]>) -> Result<Scope, Denied> {
        if self.allowed.is_empty() && !self.all {
            return Err(Denied::Tool);
        }
        let Some(wanted) = wanted else {
            return if self.all { Ok(Scope::All) } else { shape(self.allowed.to_vec()).ok_or(Denied::Tool) };
        };
        if wanted.iter().any(|id| self.allowed.binary_search(id).is_err()) {
            return Err(Denied::Tenant);
        }
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        // Who asks for no tenant at all is given none.
        shape(wanted).ok_or(Denied::Tenant)
    }
}

/// The narrowest scope that holds these tenants, which are in order and each there once.
pub(super) fn shape(tenants: Vec<Uuid>) -> Option<Scope> {
    match tenants.as_slice() {
        [] => None,
        [one] => Some(Scope::One(*one)),
        _ => Some(Scope::Some(tenants)),
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("number", &self.number).finish_non_exhaustive()
    }
}
