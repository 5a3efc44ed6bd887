//! A host that makes backups by itself.

use super::Site;
use crate::harness::App;
use crate::patience::soon;
use chrono::Utc;
use rowhouse::backup::Known;
use rowhouse::config::Every;
use std::time::Duration;

async fn until(app: &App, what: impl Fn(&Known) -> bool) -> Known {
    soon(async {
        loop {
            let known = app.host.backups.look(Utc::now()).expect("it makes backups");
            if what(&known) {
                return known;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_host_makes_them_and_says_when_it_cannot() {
    let mut site = Site::new().await;
    site.open(false).await.leave().await.expect("an end");
    site.settings.backup.every = Some(Every(Duration::from_secs(3_600)));
    let good = site.settings.backup.to.replace("file:///dev/null/place".to_owned());
    let app = App::plan(|plan| (plan.settings, plan.guests) = (site.settings.clone(), Vec::new())).await;
    let known = until(&app, |known| known.trouble.is_some()).await;
    assert!(known.last.is_none() && known.trouble.is_some_and(|why| why.contains("/dev/null/place")));
    soon(app.stop()).await;

    site.settings.backup.to = good;
    let app = App::plan(|plan| (plan.settings, plan.guests) = (site.settings.clone(), Vec::new())).await;
    let known = until(&app, |known| known.last.is_some()).await;
    soon(app.stop()).await;
    let (id, _, bytes) = known.last.expect("seen above");
    let catalog = site.catalog().await;
    let made = catalog.latest().expect("a backup");
    assert_eq!((&made.id, made.size()), (&id, bytes));
    // It is not yet time for another one, whoever asks.
    let app = App::plan(|plan| (plan.settings, plan.guests) = (site.settings.clone(), Vec::new())).await;
    assert_eq!(until(&app, |known| known.last.is_some()).await.last.map(|(id, ..)| id), Some(id));
    soon(app.stop()).await;
    assert_eq!(site.catalog().await.entries.len(), 1);
}
