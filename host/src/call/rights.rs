//! What a call needs before it runs: its right, and its place. Without one, why it does not.

use super::{Host, Request};
use crate::audit::{Event, List, Short, Who};
use crate::error::{CallError, Code};
use crate::identity::Principal;
use crate::plugin::Loaded;
use crate::policy::{Denied, Permit, kind};
use crate::traffic::{Charge, Pass};
use std::sync::Arc;
use std::time::Instant;

impl Host {
    /// The one answer for what is not there and what is not this caller's; `kind` is an item's, without its name.
    pub(super) fn absent(&self, who: &Arc<Principal>, request: &Request, kind: &str) -> CallError {
        let tool = Short::new(&format!("{kind}{}", request.tool));
        self.audit.event(Event::ToolForbidden { request: Short::new(&request.id), who: Who::from(&**who), tool });
        match kind.strip_suffix(':') {
            None => CallError::unknown_tool(&request.tool),
            Some(kind) => CallError::unknown(kind, &request.tool),
        }
    }

    /// The same, for a call that gets no further than its name.
    pub(super) fn missing(&self, who: &Arc<Principal>, request: &Request, kind: &str) -> CallError {
        let error = self.absent(who, request, kind);
        self.telemetry.refused(error.code);
        error
    }

    /// The right to use an item.
    pub(super) fn permit(
        &self,
        who: &Arc<Principal>,
        request: &Request,
        plugin: &Loaded,
        item: &str,
    ) -> Result<Permit, CallError> {
        let permit = self.policy.current().permit(who, &plugin.name, item, request.tenants.as_deref());
        let permit = permit.map_err(|denied| match denied {
            Denied::Tool => self.absent(who, request, kind(item)),
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
        if let Some(scopes) = self.identity.lacking(who, Some(&format!("{}/{item}", plugin.name))) {
            let (name, tool) = (Some(Short::new(&request.id)), Some(Short::new(item)));
            let needs = List::texts(&scopes);
            self.audit.event(Event::ScopeLacking { request: name, who: Who::from(&**who), tool, needs });
            let text = format!("this needs a token with the scopes: {}", scopes.join(" "));
            return Err(CallError::new(Code::Authorization, text));
        }
        Ok(permit)
    }

    /// A place among the calls that run.
    pub(super) async fn pass(&self, permit: &Permit, request: &Request, deadline: Instant) -> Result<Pass, CallError> {
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
