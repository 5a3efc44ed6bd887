//! How long and how often a model is asked before it is left alone: tries with growing, jittered waits, and a breaker.
//!
//! After five failures in a row nobody asks for a second, then for longer, up to a minute; then one question is let
//! through to find out. Waits are by backon and the breaker by failsafe; both know nothing of embeddings.

use super::NoVectors;
use super::provider::Failure;
use crate::telemetry::{Breaker, Dial};
use backon::{ExponentialBuilder, Retryable};
use failsafe::backoff::{self, Exponential};
use failsafe::failure_policy::{self, ConsecutiveFailures};
use failsafe::{Instrument, StateMachine};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Failures in a row that open the breaker: more than one restart of one of several servers behind an address makes.
const FAILURES: u32 = 5;

/// How long it stays open at first, and at most. A minute of answers by words is long enough to wait after an outage.
const OPEN_FIRST: Duration = Duration::from_secs(1);
const OPEN_MOST: Duration = Duration::from_secs(60);

/// The first wait between two tries, and the longest. Jittered up to twice as long: hosts do not come back together.
const WAIT_FIRST: Duration = Duration::from_millis(100);
const WAIT_MOST: Duration = Duration::from_secs(5);

/// The breaker before one model, and how often it is asked.
pub(super) struct Patience {
    breaker: StateMachine<ConsecutiveFailures<Exponential>, Watch>,
    watch: Watch,
    /// One question at a time finds out whether it is back.
    probing: AtomicBool,
    tries: usize,
}

/// Told by the breaker what it does.
#[derive(Clone)]
struct Watch {
    model: Arc<str>,
    standing: Arc<Dial>,
}

impl Instrument for Watch {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        self.standing.turn(Breaker::Open);
        tracing::warn!(embedding.model = %self.model, "the embedding model fails; it is left alone for a while");
    }

    fn on_half_open(&self) {
        self.standing.turn(Breaker::HalfOpen);
    }

    fn on_closed(&self) {
        if self.standing.turn(Breaker::Closed) != Breaker::Closed {
            tracing::info!(embedding.model = %self.model, "the embedding model answers again");
        }
    }
}

impl Patience {
    /// For the model of this name.
    pub(super) fn new(model: &str, tries: usize) -> Self {
        let watch = Watch { model: model.into(), standing: Arc::default() };
        let open = backoff::exponential(OPEN_FIRST, OPEN_MOST);
        let breaker = StateMachine::new(failure_policy::consecutive_failures(FAILURES, open), watch.clone());
        Self { breaker, watch, probing: AtomicBool::new(false), tries }
    }

    /// How the breaker stands.
    pub(super) fn standing(&self) -> Breaker {
        self.watch.standing.read()
    }

    /// Ask, again where that may help, within `budget`.
    ///
    /// # Errors
    /// The last failure, or that nobody asks at the moment.
    pub(super) async fn ask<T, F>(&self, budget: Duration, question: impl Fn() -> F) -> Result<T, NoVectors>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        if !self.breaker.is_call_permitted() {
            return Err(NoVectors::Unavailable(
                "the embedding service failed several times and is left alone for a while".into(),
            ));
        }
        let _probe = match self.standing() {
            Breaker::HalfOpen => Some(Probe::begin(&self.probing).ok_or_else(|| {
                NoVectors::Unavailable("the embedding service is being tried again after it failed".into())
            })?),
            _ => None,
        };
        let waits = ExponentialBuilder::default()
            .with_min_delay(WAIT_FIRST)
            .with_max_delay(WAIT_MOST)
            .with_max_times(self.tries.saturating_sub(1))
            .with_jitter();
        let tried = || {
            let asked = question();
            async move {
                let made = asked.await;
                match &made {
                    Ok(_) => self.breaker.on_success(),
                    Err(failure) if failure.counts() => self.breaker.on_error(),
                    Err(_) => {}
                }
                made
            }
        };
        let asked = tried
            .retry(waits)
            .sleep(tokio::time::sleep)
            // Once the breaker opens, more tries are what it is there to prevent.
            .when(|failure| failure.passes() && self.standing() != Breaker::Open)
            // What the service asks for comes before our own idea.
            .adjust(|failure, wait| match failure {
                Failure::Busy { after: Some(after) } => wait.map(|wait| wait.max(*after)),
                _ => wait,
            });
        match tokio::time::timeout(budget, asked).await {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(failure)) => Err(NoVectors::Failed(failure)),
            Err(_) => {
                self.breaker.on_error();
                Err(NoVectors::Unavailable(format!(
                    "the embedding service did not answer within {} ms",
                    budget.as_millis()
                )))
            }
        }
    }
}

/// The one question that finds out.
struct Probe<'a>(&'a AtomicBool);

impl<'a> Probe<'a> {
    fn begin(probing: &'a AtomicBool) -> Option<Self> {
        (!probing.swap(true, Ordering::Acquire)).then_some(Self(probing))
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    const LONG: Duration = Duration::from_secs(60);

    /// Ask once with a service that gives these answers, the last of them for ever; how often it was asked.
    async fn asked(patience: &Patience, answers: &[Result<(), Failure>]) -> (u32, Result<(), NoVectors>) {
        let count = AtomicU32::new(0);
        let made = patience
            .ask(LONG, || {
                let at = count.fetch_add(1, Ordering::Relaxed) as usize;
                std::future::ready(answers[at.min(answers.len() - 1)].clone())
            })
            .await;
        (count.into_inner(), made)
    }

    fn down() -> Result<(), Failure> {
        Err(Failure::Down("answered 503".to_owned()))
    }

    #[tokio::test]
    async fn what_may_help_is_tried_again_and_nothing_else() {
        let fresh = || Patience::new("m", 3);
        assert_eq!(asked(&fresh(), &[down(), Ok(())]).await, (2, Ok(())));
        assert_eq!(asked(&fresh(), &[down()]).await.0, 3);
        let refused = Failure::Refused("answered 401".to_owned());
        assert_eq!(asked(&fresh(), &[Err(refused.clone())]).await, (1, Err(NoVectors::Failed(refused))));
        assert_eq!(asked(&fresh(), &[Err(Failure::TooMuch)]).await.0, 1);
        let before = std::time::Instant::now();
        // Longer than its own first wait can be.
        let busy = Failure::Busy { after: Some(Duration::from_millis(700)) };
        assert_eq!(asked(&fresh(), &[Err(busy), Ok(())]).await, (2, Ok(())));
        assert!(before.elapsed() >= Duration::from_millis(700));
    }

    #[tokio::test]
    async fn who_fails_is_left_alone_and_then_asked_once() {
        let patience = Patience::new("m", 1);
        for _ in 0..FAILURES {
            assert_eq!(asked(&patience, &[down()]).await.0, 1);
        }
        assert_eq!(patience.standing(), Breaker::Open);
        let (times, refused) = asked(&patience, &[Ok(())]).await;
        assert!(times == 0 && refused.unwrap_err().to_string().contains("left alone"));
        // failsafe looks at the clock itself.
        tokio::time::sleep(OPEN_FIRST).await;
        let slow = patience.ask(LONG, || async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(())
        });
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            asked(&patience, &[Ok(())]).await
        };
        let (slow, (times, refused)) = tokio::join!(slow, meanwhile);
        assert_eq!(slow, Ok(()));
        assert!(times == 0 && refused.unwrap_err().to_string().contains("being tried again"));
        assert_eq!((patience.standing(), asked(&patience, &[Ok(())]).await), (Breaker::Closed, (1, Ok(()))));
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_the_budget() {
        let patience = Patience::new("m", 5);
        let waited = patience.ask(Duration::from_millis(80), std::future::pending::<Result<(), Failure>>);
        assert!(waited.await.unwrap_err().to_string().contains("within 80 ms"));
    }
}
