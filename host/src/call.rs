//! The street: what happens between a request and its answer, in order.

mod record;

use crate::audit::{Audit, Event, List, Short, Who};
use crate::config::Limits;
use crate::error::{CallError, Code};
use crate::identity::{Identity, Principal};
use crate::plugin::{Answer, CallFacts, Listener, Loaded, Registry, Stop, Tool};
use crate::policy::{Denied, Keeper, Permit};
use crate::query::catalog::Catalog;
use crate::query::{Bounds, Database};
use crate::traffic::{Charge, Pass, Traffic};
use arc_swap::ArcSwap;
use record::{Held, Record};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Everything a call needs. One for the whole process.
pub struct Host {
    /// Who is asking.
    pub identity: Identity,
    /// What they may call.
    pub policy: Arc<Keeper>,
    /// How much, how often, how many at once.
    pub traffic: Traffic,
    /// The tools.
    pub plugins: Arc<Registry>,
    /// The door to the rows.
    pub database: Database,
    /// What there is to ask about.
    pub catalog: ArcSwap<Catalog>,
    /// Who did what.
    pub audit: Audit,
    /// What one call may use.
    pub limits: Limits,
}

/// One call, as the transport understood it.
pub struct Request {
    /// Names the call in logs and in errors.
    pub id: String,
    /// The tool's name, as the caller wrote it.
    pub tool: String,
    /// The tool's arguments, as the caller wrote them.
    pub arguments: Map<String, Value>,
    /// The tenants the call is about, where the caller said so. Narrows what it sees and never widens it.
    pub tenants: Option<Vec<Uuid>>,
    /// The caller's ear, where it asked for word.
    pub listener: Option<Arc<dyn Listener>>,
    /// Fires when the caller leaves.
    pub cancelled: CancellationToken,
}

impl Host {
    /// Answer one call of someone whose identity was proved.
    ///
    /// # Errors
    /// See [`Code`]; who may not call a tool is told what one is told whose tool does not exist.
    pub async fn call(&self, who: &Arc<Principal>, request: Request) -> Result<Answer, CallError> {
        let began = Instant::now();
        let deadline = began + Duration::from_millis(self.limits.wall_ms);
        let (plugin, tool, permit) = self.permit(who, &request)?;
        let pass = self.pass(&permit, &request, deadline).await?;
        let stop = Arc::new(Stop::default());
        let time = deadline.saturating_duration_since(Instant::now());
        let bounds = Bounds { rows: self.limits.rows, bytes: self.limits.row_bytes, time };
        let opened = async {
            let transaction = self.database.open(&permit, bounds, stop.token().clone())?;
            let record = Record::open(&self.audit, &permit, &plugin, &request, began, deadline).await?;
            Ok((Arc::new(transaction), record))
        };
        let (transaction, mut record) = match opened.await {
            Ok(opened) => opened,
            Err(refused) => {
                pass.give_back();
                return Err(refused);
            }
        };
        record.keep_arguments(&tool, &request.arguments);
        let arguments = Value::Object(request.arguments);
        let outcome = match tool.check_arguments(&arguments) {
            Err(mistake) => Err(mistake),
            Ok(()) => {
                let facts = CallFacts {
                    request: request.id,
                    permit,
                    transaction: Arc::clone(&transaction),
                    catalog: self.catalog.load_full(),
                    listener: request.listener,
                    deadline,
                    now: now(),
                };
                let held = Held::new(pass, Arc::clone(&transaction));
                let outcome = plugin.run(&tool, arguments.to_string(), facts, stop, request.cancelled, held).await;
                plugin.tried(who, &outcome);
                outcome
            }
        };
        record.close(&transaction.ran(), &outcome);
        outcome
    }

    /// The tools this principal may call, by name.
    pub fn tools(&self, who: &Arc<Principal>) -> Vec<Arc<Tool>> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let listed =
            published.tools_for(who, &policy).filter(|(plugin, tool)| policy.lists(who, &plugin.name, &tool.name));
        listed.map(|(_, tool)| Arc::clone(tool)).collect()
    }

    /// One tool, if this principal sees it.
    pub fn tool(&self, who: &Arc<Principal>, name: &str) -> Option<Arc<Tool>> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let (plugin, tool) = published.find_for(name, who, &policy)?;
        policy.lists(who, &plugin.name, &tool.name).then(|| Arc::clone(tool))
    }

    /// The scopes a token would need to call this tool, where this principal's lacks one of them. `None` also for a
    /// tool the policy does not let it call: whoever has no business there is not told what it would take.
    pub fn lacking(&self, who: &Arc<Principal>, tool: &str) -> Option<Vec<String>> {
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let (plugin, tool) = published.find_for(tool, who, &policy)?;
        policy.permit(who, &plugin.name, &tool.name, None).ok()?;
        self.identity.lacking(who, Some(&format!("{}/{}", plugin.name, tool.name)))
    }

    /// Ticks when some caller may see another set of tools. Not for callers as it is: it tells of what they may not see.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.plugins.changes()
    }

    /// Who is asking.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The tool and the right to call it.
    fn permit(&self, who: &Arc<Principal>, request: &Request) -> Result<(Arc<Loaded>, Arc<Tool>, Permit), CallError> {
        let unknown = || {
            let (request, tool) = (Short::new(&request.id), Short::new(&request.tool));
            self.audit.event(Event::ToolForbidden { request, who: Who::from(&**who), tool });
        };
        let absent = || CallError::unknown_tool(&request.tool);
        let (policy, published) = (self.policy.current(), self.plugins.published());
        let Some((plugin, tool)) = published.find_for(&request.tool, who, &policy).cloned() else {
            unknown();
            return Err(absent());
        };
        let permit = policy.permit(who, &plugin.name, &tool.name, request.tenants.as_deref());
        let permit = permit.map_err(|denied| match denied {
            Denied::Tool => {
                unknown();
                absent()
            }
            Denied::Tenant => {
                let tenants = request.tenants.iter().flatten().copied().take(1);
                for tenant in tenants {
                    let (request, who) = (Short::new(&request.id), Who::from(&**who));
                    self.audit.event(Event::TenantForbidden { request, who, tenant });
                }
                CallError::new(Code::Authorization, denied.to_string())
            }
        })?;
        // A transport says so before it comes to this; here it is held for those that do not.
        if let Some(scopes) = self.identity.lacking(who, Some(&format!("{}/{}", plugin.name, tool.name))) {
            let (name, tool) = (Some(Short::new(&request.id)), Some(Short::new(&request.tool)));
            let needs = List::texts(&scopes);
            self.audit.event(Event::ScopeLacking { request: name, who: Who::from(&**who), tool, needs });
            let text = format!("this tool needs a token with the scopes: {}", scopes.join(" "));
            return Err(CallError::new(Code::Authorization, text));
        }
        Ok((plugin, tool, permit))
    }

    /// A place among the calls that run.
    async fn pass(&self, permit: &Permit, request: &Request, deadline: Instant) -> Result<Pass, CallError> {
        let admitted = self.traffic.admit(&Charge::of_permit(permit), deadline, &request.cancelled).await;
        admitted.map_err(|refused| {
            if let Some(limit) = refused.limit {
                let (request, who) = (Short::new(&request.id), Who::from(&**permit.principal()));
                self.audit.event(Event::LimitBreached { request, who, limit: limit.into() });
            }
            refused.error
        })
    }
}

/// The call's clock, in microseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
