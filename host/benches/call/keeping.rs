//! A house that keeps answers, and calls into any house.

use crate::harness::{self, App};
use crate::load::{self, Lap};
use rowhouse::call::Request;
use rowhouse::identity::Principal;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A house that keeps answers of the tables asked for here, for as long as a run takes.
pub(crate) async fn keeping(shared: &harness::Shared) -> App {
    let admin = shared.admin(rowhouse::embedded::DATABASE).await;
    let announce = "CALL rowhouse.announce('retail.orders'); CALL rowhouse.announce('retail.order_items')";
    admin.batch_execute(announce).await.expect("tables that tell of changes");
    let app = App::plan(|plan| {
        plan.guests = vec!["sales"];
        plan.settings.plugins.concurrent_calls = 64;
        (plan.settings.cache.enabled, plan.settings.cache.seconds) = (true, 3_600);
    })
    .await;
    while app.host.database.answers().expect("a cache").status().standing.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app
}

/// Answers it has given again.
pub(crate) fn kept(app: &App) -> u64 {
    let counted = app.host.database.answers().expect("a cache").status().counted;
    counted.hits + counted.joined
}

/// Calls without HTTP.
pub(crate) async fn within_house(
    app: &App,
    who: &Arc<Principal>,
    callers: usize,
    calls: usize,
    tool: &'static str,
    arguments: Value,
) -> Lap {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let (host, who, arguments) = (Arc::clone(&app.host), Arc::clone(who), Arc::new(arguments));
    load::within(callers, calls, move |_| {
        let (host, who, arguments) = (Arc::clone(&host), Arc::clone(&who), Arc::clone(&arguments));
        async move {
            let arguments: Map<String, Value> = (*arguments).clone();
            let (id, tool) = ("bench".to_owned(), tool.to_owned());
            let (tenants, cancelled) = (None, CancellationToken::new());
            let request = Request { id, tool, arguments, tenants, listener: None, cancelled };
            let answer = host.call(&who, request).await.expect("an answer");
            assert!(answer.structured.is_some());
        }
    })
    .await
}
