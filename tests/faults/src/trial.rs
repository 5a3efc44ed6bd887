//! One fault, from calm to calm.

use crate::cluster::Cluster;
use crate::host::Host;
use crate::load::{Call, Load};
use crate::row::Row;
use crate::stage::{Crew, IDENTITIES, Truth};
use crate::vitals::Vitals;
use anyhow::{Result, bail};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long callers work before what the host holds is taken for usual: all pools are filled by then.
const WARM: Duration = Duration::from_secs(2);

/// Without callers, before that is looked at: what ends by itself has ended.
const REST: Duration = Duration::from_secs(1);

/// Of work before the fault and after it.
const CALM: Duration = Duration::from_secs(1);

/// How long the first answer after the fault may take before nobody waits for it any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at what was answered.
const LOOK: Duration = Duration::from_millis(50);

/// A fault under way, and callers who do not know of it.
pub(crate) struct Trial {
    name: String,
    load: Load,
    before: Vitals,
    struck: Instant,
    mended: Instant,
}

impl Trial {
    /// Let callers fill the pools, look at what the host holds, and set them to work again. The fault comes next.
    ///
    /// # Errors
    /// When not everything is answered rightly before there is any fault.
    pub(crate) async fn begin(name: &str, crew: &Crew, truth: Truth, host: &Host, cluster: &Cluster) -> Result<Self> {
        let truth = Arc::new(truth);
        let warm = Load::start(crew.callers()?, &truth);
        tokio::time::sleep(WARM).await;
        if let Some(call) = warm.stop().await.into_iter().find(|call| !call.is_right()) {
            bail!("before any fault {} was answered {:?} after {:?}", call.who, call.end, call.took);
        }
        tokio::time::sleep(REST).await;
        let before = Vitals::of(host, cluster).await?;
        let load = Load::start(crew.callers()?, &truth);
        tokio::time::sleep(CALM).await;
        let now = Instant::now();
        Ok(Self { name: name.to_owned(), load, before, struck: now, mended: now })
    }

    /// The fault begins now.
    pub(crate) fn strike(&mut self) {
        self.struck = Instant::now();
    }

    /// What was broken is whole again, now.
    pub(crate) fn mend(&mut self) {
        self.mended = Instant::now();
    }

    /// What was asked and answered since the fault began.
    pub(crate) fn meanwhile(&self) -> Vec<Call> {
        self.load.so_far().into_iter().filter(|call| call.ended() >= self.struck).collect()
    }

    /// Wait until each identity was answered again, let the callers go, and look at what is left behind.
    ///
    /// # Errors
    /// When the host is gone, or the database is not back.
    pub(crate) async fn end(self, host: &Host, cluster: &Cluster) -> Result<Row> {
        while recovery(&self.load.so_far(), self.mended).is_none() && self.mended.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
        tokio::time::sleep(CALM).await;
        let calls = self.load.stop().await;
        let after = Vitals::settled(host, cluster, self.before).await?;
        let mut row = Row::new(&self.name, (self.before, after));
        row.calls(&calls, self.struck, self.mended, recovery(&calls, self.mended));
        let panics = host.said().matches("panicked at").count();
        row.check("the host does not panic", panics == 0, &format!("{panics} times"));
        Ok(row)
    }
}

/// From when all was whole until the last identity had its first right answer.
fn recovery(calls: &[Call], mended: Instant) -> Option<Duration> {
    let first = |who: &str| {
        let right = calls.iter().filter(|call| call.who == who && call.is_right() && call.ended() >= mended);
        right.map(|call| call.ended() - mended).min()
    };
    IDENTITIES.iter().map(|(who, _)| first(who)).collect::<Option<Vec<_>>>()?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::End;

    #[test]
    fn whole_again_is_when_everybody_was_answered() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let call = |who, began, took, end| Call { who, began: at(began), took: Duration::from_secs(took), end };
        let right = || End::Right(false);
        let mut calls = vec![
            call("seattle", 0, 1, right()),
            call("spokane", 0, 1, right()),
            call("head-office", 0, 1, right()),
            call("seattle", 9, 2, right()),
            call("spokane", 10, 1, End::Failed("DATABASE_ERROR".to_owned())),
            call("spokane", 12, 3, right()),
            call("spokane", 20, 1, right()),
        ];
        assert_eq!(recovery(&calls, at(10)), None, "head office waits");
        calls.push(call("head-office", 11, 1, End::Wrong(String::new())));
        assert_eq!(recovery(&calls, at(10)), None, "a wrong answer is none");
        calls.push(call("head-office", 11, 1, right()));
        assert_eq!(recovery(&calls, at(10)), Some(Duration::from_secs(5)));
    }
}
