//! Callers at work: each asks, waits for the answer, holds it against the truth, and asks again.

use crate::caller::{Line, Question, Said};
use crate::stage::Truth;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Between an answer and the next question: eight callers then leave two processors some rest.
const THOUGHT: Duration = Duration::from_millis(60);

/// How one call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Right; and whether it said that words alone had found it.
    Right(bool),
    /// Not the right answer: what it was.
    Wrong(String),
    /// No answer: the code.
    Failed(String),
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The identity that asked.
    pub(crate) who: &'static str,
    /// When it was asked.
    pub(crate) began: Instant,
    /// Until the last byte of the answer.
    pub(crate) took: Duration,
    /// How it ended.
    pub(crate) end: End,
}

impl Call {
    /// When it was over.
    pub(crate) fn ended(&self) -> Instant {
        self.began + self.took
    }

    /// Whether it was answered, and rightly.
    pub(crate) fn is_right(&self) -> bool {
        matches!(self.end, End::Right(_))
    }
}

/// One caller.
pub(crate) struct Caller {
    /// Its identity.
    pub(crate) who: &'static str,
    /// Its way to the host.
    pub(crate) line: Line,
}

/// Characters of a wrong answer that are kept.
const SHOWN: usize = 300;

impl Caller {
    /// Ask one question, and judge the answer.
    async fn ask(&self, question: &Question, truth: &Truth) -> Call {
        let began = Instant::now();
        let end = match self.line.ask(question).await {
            Said::Failed(code) => End::Failed(code),
            Said::Answer(answer, by_words) if truth.holds(self.who, question.name, by_words, &answer) => {
                End::Right(by_words)
            }
            Said::Answer(answer, _) => {
                let text: String = answer.to_string().chars().take(SHOWN).collect();
                End::Wrong(format!("{} was told of {}: {text}", self.who, question.name))
            }
        };
        Call { who: self.who, began, took: began.elapsed(), end }
    }
}

/// Callers at work. They end when this is dropped.
pub(crate) struct Load {
    callers: JoinSet<()>,
    calls: Arc<Mutex<Vec<Call>>>,
    stop: CancellationToken,
}

impl Load {
    /// Set them to work.
    pub(crate) fn start(crew: Vec<Caller>, truth: &Arc<Truth>) -> Self {
        let (calls, stop) = (Arc::<Mutex<Vec<Call>>>::default(), CancellationToken::new());
        let mut callers = JoinSet::new();
        for (at, caller) in crew.into_iter().enumerate() {
            let (calls, stop, truth) = (Arc::clone(&calls), stop.clone(), Arc::clone(truth));
            callers.spawn(async move {
                // Not all of them the same question at the same time.
                for question in Question::all().iter().cycle().skip(at) {
                    if stop.is_cancelled() {
                        return;
                    }
                    let call = caller.ask(question, &truth).await;
                    calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
                    tokio::select! {
                        () = tokio::time::sleep(THOUGHT) => {}
                        () = stop.cancelled() => {}
                    }
                }
            });
        }
        Self { callers, calls, stop }
    }

    /// What was asked and answered so far.
    pub(crate) fn so_far(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Let each finish its call; all calls.
    pub(crate) async fn stop(mut self) -> Vec<Call> {
        self.stop.cancel();
        while self.callers.join_next().await.is_some() {}
        self.so_far()
    }
}
