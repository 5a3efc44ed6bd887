//! An open house, served until it is told to stop.

use super::manager;
use super::reload::Reload;
use crate::config::Settings;
use crate::house::House;
use crate::mcp;
use anyhow::{Context, Result};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serve until told to stop, and close the house, whatever ended it.
pub(super) async fn serve(
    house: House,
    settings: &Settings,
    listener: TcpListener,
    shutdown: CancellationToken,
    reload: Option<&mut Reload<'_>>,
) -> Result<ExitCode> {
    let served = answer(&house, settings, listener, shutdown, reload).await;
    manager::stopping();
    tracing::info!("no call is taken any more; what is left is written down");
    let closed = house.close().await;
    served.and(closed)?;
    tracing::info!("closed");
    Ok(ExitCode::SUCCESS)
}

async fn answer(
    house: &House,
    settings: &Settings,
    listener: TcpListener,
    shutdown: CancellationToken,
    reload: Option<&mut Reload<'_>>,
) -> Result<()> {
    let metrics = match settings.telemetry.metrics {
        Some(address) => {
            let bound = TcpListener::bind(address).await;
            Some(bound.with_context(|| format!("telemetry.metrics: {address}: is another server there?"))?)
        }
        None => None,
    };
    let metrics = async {
        match metrics {
            Some(listener) => mcp::metrics::run(listener, Arc::clone(&house.host), shutdown.clone()).await,
            None => std::future::pending().await,
        }
    };
    let admin = match &settings.http.admin {
        Some(path) => Some(mcp::admin::listen(path).with_context(|| format!("http.admin: {}", path.display()))?),
        None => None,
    };
    let admin = async {
        match admin {
            Some(listener) => mcp::admin::run(listener, Arc::clone(&house.host), shutdown.clone()).await,
            None => std::future::pending().await,
        }
    };
    manager::ready();
    let served = mcp::http::run(listener, Arc::clone(&house.host), settings.http.clone(), shutdown.clone());
    let reloaded = async {
        match reload {
            Some(reload) => reload.follow(house).await,
            None => std::future::pending().await,
        }
    };
    let served = tokio::select! {
        served = served => served.context("serve"),
        // It ends with the other one, or it broke.
        Err(broke) = admin => Err(broke).context("serve the admin endpoint"),
        Err(broke) = metrics => Err(broke).context("serve the metrics"),
        gone = house.ground().ended() => Err(gone),
        () = reloaded => Ok(()),
    };
    // Ours: nobody else could listen there meanwhile.
    settings.http.admin.iter().for_each(|path| drop(std::fs::remove_file(path)));
    served
}
