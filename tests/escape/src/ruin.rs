//! A Rowhouse in this process, with one wall taken down.

use crate::Cli;
use crate::adapter::Adapter;
use crate::demo::{self, SCALE, STATEMENT_SECONDS};
use crate::server::Server;
use crate::target::{Attacker, Target};
use crate::walls::{Site, Wall};
use anyhow::{Context, Result};
use rowhouse::config::Settings;
use rowhouse::house::{Ground, House, Watcher};
use rowhouse::keys::Keys;
use rowhouse::mcp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long tokens are good: longer than any run.
const TOKENS: Duration = Duration::from_secs(12 * 60 * 60);

/// It, serving. Its directory goes when this is dropped.
pub(crate) struct Ruin {
    house: House,
    served: JoinHandle<std::io::Result<()>>,
    shutdown: CancellationToken,
    _state: TempDir,
}

/// Says nothing: the progress shown is the run's.
struct Silent;

impl Watcher for Silent {
    fn step(&mut self, _name: &str, _detail: &str) {}
    fn count(&mut self, _name: &str, _what: &str, _done: u64, _total: u64) {}
}

impl Ruin {
    /// Build it, take the wall down, and serve.
    ///
    /// # Errors
    /// When the host is not built, or the house does not open.
    pub(crate) async fn open(cli: &Cli, wall: Wall) -> Result<(Self, Target)> {
        let (rowhouse, plugins) = demo::built(cli)?;
        let state = demo::state()?;
        let mut settings = Settings { state: Some(state.path().to_owned()), ..Settings::default() };
        settings.database.durable = false;
        settings.database.pool.statement_timeout_seconds = STATEMENT_SECONDS;
        settings.plugins.directory = plugins;
        settings.plugins.watch = false;
        settings.http.listen = ([127, 0, 0, 1], 0).into();
        // As in the demo that stands whole.
        (settings.traffic.principal, settings.traffic.tenant) = (None, None);
        wall.settings(&mut settings);
        let keys = Keys::open(state.path()).map_err(|e| anyhow::anyhow!(e))?;
        let ground = Ground::find(&settings, false, &mut Silent).await?;
        ground.prepare(&settings, &keys, &mut Silent).await?;
        ground.seed(SCALE, &mut Silent).await?;
        let admin = ground.admin().await?;
        let house = House::open(&settings, &keys, ground, rowhouse, &mut Silent).await?;
        wall.lower(&house.host.database, &admin).await.with_context(|| format!("take down {}", wall.name()))?;
        let listener = TcpListener::bind(settings.http.listen).await.context("listen")?;
        let url = format!("http://{}{}", listener.local_addr()?, settings.http.path);
        let shutdown = CancellationToken::new();
        let serve = mcp::http::run(listener, Arc::clone(&house.host), settings.http.clone(), shutdown.clone());
        let issue = |name: &str| house.host.identity().issue(name, TOKENS).map_err(|e| anyhow::anyhow!(e));
        let attackers = cli
            .attacker
            .people()
            .iter()
            .map(|&(name, stores)| Ok(Attacker { name: name.to_owned(), token: Some(issue(name)?), stores }));
        let attackers: Vec<Attacker> = attackers.collect::<Result<_>>()?;
        let served = tokio::spawn(serve);
        let admin_url = demo::admin(state.path())?;
        let first = attackers.first().and_then(|attacker| attacker.token.clone());
        let other = "SELECT store_id FROM retail.stores WHERE store_name = 'Spokane'";
        let site = Site {
            admin: &admin,
            config: admin_url.parse().context("the way into the database")?,
            keys: &keys,
            foreign: admin.query_one(other, &[]).await.context("a store nobody here attacks for")?.get(0),
        };
        wall.is_down(&site, &Server::new(&url, &Adapter::default(), first, BTreeMap::new())?).await?;
        let target = Target {
            url,
            oracle: Some(issue("head-office")?),
            admin_url: Some(admin_url),
            processes: vec![std::process::id()],
            attackers,
        };
        Ok((Self { served, house, shutdown, _state: state }, target))
    }

    /// Stop it, and its database with it.
    pub(crate) async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        self.served.await.context("the server's task")??;
        self.house.close().await
    }
}
