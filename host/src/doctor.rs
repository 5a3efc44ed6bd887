//! Is a live deployment as it should be? Each room looks at one part and says what to run where it is not.
//!
//! What is [`Level::Unsafe`] here is refused by the serving path, too. Nothing is changed by looking, with one
//! exception: an embedded database that nobody runs is started for it.

mod connections; // Room for every host's.
mod database; // The walls, as the migrations' lint sees them, and what only this side knows.
mod issuers; // Those whose tokens are believed.
mod keys; // Files, and keys on their way out.
mod memory; // The fifth wall, where it can be seen.
mod policy; // What everyone may.
mod plugins; // Who may change them, and what they were granted.
mod settings; // Settings that do not go together.
mod trail; // The audit trail.

pub use rowhouse_migrations::Level;

use crate::config::Settings;
use crate::house::{self, Ground};
use crate::keys::Keys;
use crate::policy::Tenant;
use rowhouse_migrations as shape;
use std::path::PathBuf;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Which part of the deployment: `database`, `keys`, `issuers`, `policy`, `audit`, `plugins`, `settings`.
    pub area: &'static str,
    /// What is wrong, a few stable words.
    pub what: String,
    /// The role, file, plugin or setting in question.
    pub object: String,
    /// What to run, or to write, to mend it.
    pub mend: String,
    /// The settings say that it is known and stays.
    pub accepted: bool,
}

impl Finding {
    /// One finding.
    pub fn new(
        level: Level,
        area: &'static str,
        what: impl Into<String>,
        object: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { level, area, what: what.into(), object: object.into(), mend: mend.into(), accepted: false }
    }
}

impl From<shape::Finding> for Finding {
    fn from(found: shape::Finding) -> Self {
        Self::new(found.level, "database", found.rule, found.object, found.mend)
    }
}

/// A part that could not be looked at, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// Which part.
    pub area: &'static str,
    /// Why.
    pub why: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// Parts nobody looked at. An empty list of findings says nothing about them.
    pub unchecked: Vec<Unchecked>,
}

impl Report {
    /// Add what one room found, or that it could not look.
    pub fn add(&mut self, area: &'static str, found: anyhow::Result<Vec<Finding>>) {
        match found {
            Ok(found) => self.findings.extend(found),
            Err(error) => self.unchecked.push(Unchecked { area, why: format!("{error:#}") }),
        }
        self.findings.sort_by(|a, b| (a.level, a.area, &a.what, &a.object).cmp(&(b.level, b.area, &b.what, &b.object)));
    }

    /// Mark what the settings accept. What is unsafe is never accepted.
    pub fn accept(&mut self, settings: &crate::config::Doctor) {
        for found in &mut self.findings {
            found.accepted = found.level != Level::Unsafe && settings.accepts(&found.what);
        }
    }

    /// The exit code: 0 where all is well, 1 where something must be mended (with `strict` notes, too), 2 where nothing
    /// bad was found and something could not be looked at. What is accepted does not count.
    pub fn exit(&self, strict: bool) -> u8 {
        let mut counted = self.findings.iter().filter(|found| !found.accepted);
        let bad = counted.any(|found| strict || found.level != Level::Note);
        match (bad, self.unchecked.is_empty()) {
            (true, _) => 1,
            (false, false) => 2,
            (false, true) => 0,
        }
    }
}

/// Look at everything. `compiler` is the executable of the compiler process. `ground` comes from whoever can wait for
/// it; where there is none, everything but the database is looked at.
pub async fn examine(settings: &Settings, compiler: PathBuf, ground: anyhow::Result<&Ground>) -> Report {
    let state = settings.state_dir();
    let mut report = Report::default();
    report.add("settings", settings::look(settings));
    report.add("keys", keys::look(&state, &settings.keys));
    report.add("plugins", plugins::look(&settings.plugins, settings.requires_signatures(), &state, compiler).await);
    let given = settings.keys.clone();
    // Programs of the settings block the thread they are waited for on.
    let opened = tokio::task::spawn_blocking(move || Keys::with(&state, &given)).await;
    let opened = opened.map_err(anyhow::Error::from).and_then(|keys| keys.map_err(anyhow::Error::from));
    let directory = match &ground {
        Ok(ground) => directory(ground).await,
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    let found = match (ground, &opened) {
        (Err(error), _) => Err(error),
        (Ok(ground), keys) => database::look(ground, keys.as_ref().ok(), settings).await,
    };
    report.add("database", found);
    report.add("audit", trail::look(settings));
    report.add("policy", directory.and_then(|directory| policy::look(settings, directory)));
    match opened {
        Ok(keys) => report.add("issuers", issuers::look(settings, &keys).await),
        Err(error) => report.add("keys", Err(error)),
    }
    report.accept(&settings.doctor);
    report
}

/// The tenants the policy speaks about.
async fn directory(ground: &Ground) -> anyhow::Result<Vec<Tenant>> {
    Ok(house::tenants(shape::tenants(&ground.admin().await?).await?))
}

#[cfg(test)]
mod tests {
    use super::{Finding, Level, Report};

    #[track_caller]
    fn check(levels: &[Level], unchecked: bool, exit: u8, strict: u8) {
        let mut report = Report::default();
        let found = levels.iter().map(|level| Finding::new(*level, "keys", "w", "o", "m")).collect();
        report.add("keys", Ok(found));
        if unchecked {
            report.add("plugins", Err(anyhow::anyhow!("gone")));
        }
        assert_eq!((report.exit(false), report.exit(true)), (exit, strict), "{report:?}");
        assert!(report.findings.is_sorted_by_key(|found| found.level), "{report:?}");
    }

    #[test]
    fn what_is_accepted_is_kept_and_does_not_count() {
        let settings = crate::config::Doctor { accept: vec!["w".to_owned(), "u".to_owned()] };
        let check = |level, what: &str, accepted: bool, exit: u8| {
            let mut report = Report::default();
            report.add("database", Ok(vec![Finding::new(level, "database", what, "o", "m")]));
            report.accept(&settings);
            let said: Vec<_> = report.findings.iter().map(|found| found.accepted).collect();
            assert_eq!((said, report.exit(false)), (vec![accepted], exit), "{level} {what}");
        };
        check(Level::Weak, "w", true, 0);
        check(Level::Weak, "another", false, 1);
        check(Level::Unsafe, "u", false, 1);
    }

    #[test]
    fn the_exit_code_says_whether_something_must_be_mended() {
        check(&[], false, 0, 0);
        check(&[Level::Note], false, 0, 1);
        check(&[Level::Weak], false, 1, 1);
        check(&[Level::Note, Level::Unsafe], false, 1, 1);
        check(&[], true, 2, 2);
        check(&[Level::Note], true, 2, 1);
        check(&[Level::Weak], true, 1, 1);
    }
}
