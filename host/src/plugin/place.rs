//! Where guests compute: on everybody's threads while they are short, then on threads that step behind them.
//!
//! A guest that computes holds a thread for a tick, and whoever waits for that thread waits. Few calls are long, most are
//! over before the first tick: so a call goes on elsewhere once it has shown that it is one of the few, as a process
//! sinks to a lower queue in a system that shares its time (Corbató et al., *An Experimental Time-Sharing System*, 1962).

use super::clock;
use crate::cores;
use crate::query::gate::STACK_BYTES;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// How long a call may compute on everybody's threads. One that mostly asks the database computes for one or two
/// milliseconds; to go elsewhere costs some tens of microseconds.
pub(super) const SHORT: Duration = Duration::from_millis(4);

/// Ticks that a guest computes at a stretch where it holds nobody's thread: ten milliseconds.
const STRETCH: u64 = 5;

/// The priority of long calls: such a thread has 110 shares of a core where another has 1,024 (`sched(7)`). Where
/// everybody wants every core a call still gets a tenth of one, and by default all of `cpu_ms` fits into `wall_ms` so.
const LONG: i32 = 10;

/// The least of the kernel's priorities: 15 shares of 1,024.
const PROBATION: i32 = 19;

/// Have this thread step behind the others. Where it cannot, long calls hold nobody's threads and share the cores with
/// everybody.
fn step_behind(nice: i32) {
    clock::step_behind();
    if let Err(error) = cores::step_behind(None, nice) {
        tracing::warn!(%error, "the threads of long calls keep their priority");
    }
}

/// The threads that step behind others, started with the first call they run.
#[derive(Default)]
pub(super) struct Background {
    long: OnceLock<Option<Runtime>>,
    probation: OnceLock<Option<Runtime>>,
}

impl Background {
    /// How a call goes on that computes for long.
    fn long(&self) -> Aside {
        Aside { threads: self.long_threads(), everybodys: Handle::current(), statements: None }
    }

    /// One core is never theirs, where there is more than one: priorities count among the threads of one session, and the
    /// database's processes have sessions of their own (`sched(7)`, "The autogroup feature").
    fn long_threads(&self) -> Handle {
        start(&self.long, "long", LONG, |cores| cores.get().saturating_sub(1).max(1))
    }

    /// How a call of an account on probation is run, with these turns for its statements. On half of the cores: memory
    /// and caches, which have no priorities, are shared with the neighbours too.
    pub(super) fn probation(&self, turns: Arc<Semaphore>) -> Aside {
        let threads = start(&self.probation, "probation", PROBATION, |cores| cores.get().div_ceil(2));
        Aside { threads, everybodys: Handle::current(), statements: Some(turns) }
    }
}

/// The threads, or the caller's own where no others could be had: slower neighbours, and no call lost.
fn start(
    runtime: &OnceLock<Option<Runtime>>,
    name: &str,
    nice: i32,
    threads: impl Fn(std::num::NonZeroUsize) -> usize,
) -> Handle {
    let runtime = runtime.get_or_init(|| {
        let started = Builder::new_multi_thread()
            .worker_threads(available_parallelism().map_or(1, threads))
            .thread_name(name)
            .thread_stack_size(STACK_BYTES)
            .on_thread_start(move || step_behind(nice))
            .enable_all()
            .build();
        started.inspect_err(|error| tracing::error!(%error, threads = name, "no threads for long calls")).ok()
    });
    runtime.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone())
}

impl Drop for Background {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which nothing asynchronous may do.
        for runtime in [&mut self.long, &mut self.probation] {
            if let Some(runtime) = runtime.take().flatten() {
                runtime.shutdown_background();
            }
        }
    }
}

/// Where one call computes.
#[derive(Clone)]
pub(super) enum Place {
    /// Where it is asked, to its end: what a plugin is asked before anybody calls it.
    Here,
    /// On everybody's threads, while it is short.
    Front(Front),
    /// On threads that step behind those, since it is not.
    Long(Aside),
    /// Behind all others, because its account is on probation.
    Probation(Aside),
}

/// A call that is short so far.
#[derive(Clone)]
pub(super) struct Front {
    background: Arc<Background>,
    /// It is to go on elsewhere.
    leaves: Arc<AtomicBool>,
}

impl Place {
    /// On everybody's threads.
    pub(super) fn front(background: Arc<Background>) -> Self {
        Self::Front(Front { background, leaves: Arc::default() })
    }

    /// Ticks until a guest that computes lets others have its thread.
    pub(super) fn stretch(&self) -> u64 {
        match self {
            Self::Here | Self::Front(_) => 1,
            Self::Long(_) | Self::Probation(_) => STRETCH,
        }
    }

    /// It has computed for long. To be called where it lets go of its thread at once, and awaits nothing.
    pub(super) fn step_aside(&mut self) {
        if let Self::Front(front) = self {
            let aside = front.background.long();
            front.leaves.store(true, Ordering::Relaxed);
            *self = Self::Long(aside);
        }
    }

    /// How it asks the host, where it is not on everybody's threads.
    pub(super) fn aside(&self) -> Option<&Aside> {
        match self {
            Self::Long(aside) | Self::Probation(aside) => Some(aside),
            Self::Here | Self::Front(_) => None,
        }
    }

    /// Run a guest that has this place.
    pub(super) fn spawn<F>(self, guest: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self {
            Self::Here => tokio::spawn(guest),
            Self::Front(front) => tokio::spawn(front.begin(guest)),
            Self::Long(aside) | Self::Probation(aside) => aside.threads.spawn(guest),
        }
    }
}

impl Front {
    /// Run a guest here, and when it is to leave, there. Dropping it drops the guest, wherever it is.
    async fn begin<F>(self, guest: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut guest = Box::pin(guest);
        let ended = poll_fn(|context| match guest.as_mut().poll(context) {
            Poll::Pending if self.leaves.load(Ordering::Relaxed) => Poll::Ready(None),
            polled => polled.map(Some),
        });
        if let Some(outcome) = ended.await {
            return outcome;
        }
        let mut rest = JoinSet::new();
        rest.spawn_on(guest, &self.background.long_threads());
        match rest.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(fault)) => {
                resume_unwind(fault.try_into_panic().unwrap_or_else(|fault| Box::new(fault.to_string())))
            }
            None => unreachable!("the one task of the set has not been joined"),
        }
    }
}

/// How a call is run that stepped behind others.
#[derive(Clone)]
pub(super) struct Aside {
    /// For its guest.
    threads: Handle,
    /// For what it asks of the host. A connection is driven by the threads it was opened from, and then lent to others:
    /// none is opened from threads that may never get a core.
    everybodys: Handle,
    /// Where statements take turns: one permit, and who has it may have one under way.
    statements: Option<Arc<Semaphore>>,
}

impl Aside {
    /// Do what it asks of the host, when it is its turn or the call is told to stop; then the work is told as well.
    /// Dropping the set ends it.
    pub(super) fn ask<F>(&self, stop: CancellationToken, work: F) -> JoinSet<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (statements, mut task) = (self.statements.clone(), JoinSet::new());
        let in_turn = async move {
            let _turn = match statements {
                Some(statements) => tokio::select! {
                    turn = statements.acquire_owned() => turn.ok(),
                    () = stop.cancelled() => None,
                },
                None => None,
            };
            work.await
        };
        task.spawn_on(in_turn, &self.everybodys);
        task
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    /// The name and the priority of the thread that runs this.
    fn here() -> (String, i32) {
        let priority = rustix::process::getpriority_process(None).expect("its own");
        (std::thread::current().name().unwrap_or_default().to_owned(), priority)
    }

    fn probation(background: &Background) -> Aside {
        background.probation(Arc::new(Semaphore::new(1)))
    }

    #[tokio::test]
    async fn calls_on_probation_run_on_their_own_threads_behind_all_others() {
        let background = Background::default();
        let (name, priority) =
            Place::Probation(probation(&background)).spawn(async { here() }).await.expect("does not panic");
        assert_eq!(name, "probation");
        if cfg!(target_os = "linux") {
            assert_eq!(priority, PROBATION);
            assert!(here().1 < LONG, "the others keep theirs");
        }
    }

    #[tokio::test]
    async fn who_computes_for_long_goes_on_behind_the_others() {
        let place = Place::front(Arc::default());
        let mut seat = place.clone();
        let seen = place.spawn(async move {
            let mut seen = vec![here()];
            yield_now().await;
            seen.push(here());
            seat.step_aside();
            yield_now().await;
            seen.push(here());
            // What it asks of the host is done where everybody's is.
            let aside = seat.aside().expect("it stepped aside").clone();
            seen.push(
                aside.ask(CancellationToken::new(), async { here() }).join_next().await.expect("asked").expect("done"),
            );
            seen.push(here());
            seen
        });
        let seen = seen.await.expect("does not panic");
        assert_eq!([&seen[1], &seen[3]], [&seen[0], &seen[0]], "nothing moves that need not");
        assert_eq!(seen[2], seen[4]);
        assert_eq!(seen[2].0, "long");
        if cfg!(target_os = "linux") {
            assert_eq!((seen[0].1 < LONG, seen[2].1), (true, LONG));
        }
    }

    #[tokio::test]
    async fn who_is_long_takes_no_turns() {
        let aside = Background::default().long();
        let (open, opened) = oneshot::channel::<()>();
        let mut first = aside.ask(CancellationToken::new(), opened);
        let second = aside.ask(CancellationToken::new(), async { 2 }).join_next().await;
        assert!(matches!(second, Some(Ok(2))), "while the first is under way");
        drop(open);
        assert!(matches!(first.join_next().await, Some(Ok(Err(_)))));
    }

    #[tokio::test]
    async fn a_panic_there_is_one_here() {
        let place = Place::front(Arc::default());
        let mut seat = place.clone();
        let task = place.spawn(async move {
            seat.step_aside();
            yield_now().await;
            if seat.aside().is_some() {
                panic!("there");
            }
        });
        let fault = task.await.expect_err("it panicked").into_panic();
        assert_eq!(fault.downcast_ref(), Some(&"there"));
    }

    #[tokio::test]
    async fn who_is_dropped_here_ends_there() {
        let place = Place::front(Arc::default());
        let mut seat = place.clone();
        let ((held, mut ended), (begin, begun)) = (oneshot::channel::<()>(), oneshot::channel());
        let task = place.spawn(async move {
            seat.step_aside();
            yield_now().await;
            let _ = begin.send(());
            std::future::pending::<()>().await;
            drop(held);
        });
        begun.await.expect("it began");
        assert!(ended.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty), "it is there still");
        task.abort();
        assert!(ended.await.is_err(), "dropped with what it held");
    }

    #[tokio::test]
    async fn what_passes_aside_is_the_time_with_a_core() {
        let sleep = clock::timed(async { std::thread::sleep(Duration::from_millis(30)) });
        let background = Background::default();
        let aside = Place::Probation(probation(&background));
        assert!(aside.spawn(sleep).await.expect("does not panic").1 < clock::TICK);
    }

    #[tokio::test]
    async fn what_calls_on_probation_ask_for_takes_turns_until_they_are_told_to_stop() {
        let (background, turns) = (Background::default(), Arc::new(Semaphore::new(1)));
        let (one, two) = (background.probation(Arc::clone(&turns)), background.probation(turns));
        let (stop, (open, opened)) = (CancellationToken::new(), oneshot::channel::<()>());
        let mut first = one.ask(stop.clone(), opened);
        let mut second = two.ask(stop.clone(), async {});
        let other = CancellationToken::new();
        let mut third = two.ask(other.clone(), async {});
        for _ in 0..20 {
            yield_now().await;
        }
        assert!(
            second.try_join_next().is_none() && third.try_join_next().is_none(),
            "one at a time, over all its calls"
        );
        other.cancel();
        assert!(matches!(third.join_next().await, Some(Ok(()))), "goes on, to hear that it is to stop");
        assert!(second.try_join_next().is_none());
        drop(open);
        assert!(matches!(first.join_next().await, Some(Ok(Err(_)))));
        assert!(matches!(second.join_next().await, Some(Ok(()))), "its turn");
    }
}
