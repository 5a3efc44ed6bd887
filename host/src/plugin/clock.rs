//! Time as guests have it: a clock that interrupts them, and how long each computed.

use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, Thread};
use std::time::Duration;
use wasmtime::{Engine, EngineWeak};

/// One tick of the epoch clock. A guest that computes holds one of everybody's threads for at most this long before others
/// have their turn on it: about as long as the kernel lets a thread run that others wait for.
pub(super) const TICK: Duration = Duration::from_millis(2);

/// Ticks without a guest after which the clock rests: a second. To wake it costs a call some microseconds.
const REST: u32 = 500;

thread_local! {
    /// Whether this thread steps behind others.
    static BEHIND: Cell<bool> = const { Cell::new(false) };
    /// The work that is polled on this thread.
    static UNDER_WAY: Cell<Option<Poll>> = const { Cell::new(None) };
}

/// From now on nearly all of this thread's time is a wait for a core.
pub(super) fn step_behind() {
    BEHIND.set(true);
}

/// The time since the machine started, or that this thread had a core, which takes twenty times as long to ask.
fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    // Both begin at zero and cannot be negative.
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// One poll of work that is timed.
#[derive(Clone, Copy)]
struct Poll {
    /// What the polls before it computed.
    before: Duration,
    /// When it began, by the clock that it goes by.
    began: Duration,
    /// Whether that is the thread's own: what passes while the thread waits for a core is not in it.
    exact: bool,
}

impl Poll {
    fn begin(before: Duration, exact: bool) -> Self {
        let exact = exact || BEHIND.get();
        Self { before, began: read(Self::clock(exact)), exact }
    }

    fn clock(exact: bool) -> ClockId {
        if exact { ClockId::ThreadCPUTime } else { ClockId::Monotonic }
    }

    /// What was computed up to now. Who computes is interrupted at a tick, and goes by the thread's own clock from then on;
    /// so what is more than a tick before that, the thread waited.
    fn computed(&self) -> Duration {
        let passed = read(Self::clock(self.exact)).saturating_sub(self.began);
        self.before + if self.exact { passed } else { passed.min(TICK) }
    }
}

/// Add up what work computes, poll by poll: its waits are not in it, be it for the host or for a core. A tick says little:
/// most calls are over before the first, and one that waited meets one as it goes on.
pub(super) async fn timed<F: Future>(work: F) -> (F::Output, Duration) {
    let (mut work, mut spent, mut exact) = (pin!(work), Duration::ZERO, false);
    let outcome = poll_fn(|context| {
        UNDER_WAY.set(Some(Poll::begin(spent, exact)));
        let polled = work.as_mut().poll(context);
        if let Some(poll) = UNDER_WAY.take() {
            spent = poll.computed();
            exact = poll.exact;
        }
        polled
    })
    .await;
    (outcome, spent)
}

/// What the work computed that is polled on this thread, up to now; to be asked at a tick. Of work that nobody times, for
/// ever: such has no time at all.
pub(super) fn so_far() -> Duration {
    let Some(poll) = UNDER_WAY.get() else {
        return Duration::MAX;
    };
    let computed = poll.computed();
    if !poll.exact {
        UNDER_WAY.set(Some(Poll::begin(computed, true)));
    }
    computed
}

/// The clock of all engines: one thread, from the first engine on.
struct Clock {
    guests: AtomicUsize,
    driven: Mutex<Driven>,
}

struct Driven {
    thread: Option<Thread>,
    engines: Vec<EngineWeak>,
}

static CLOCK: Clock =
    Clock { guests: AtomicUsize::new(0), driven: Mutex::new(Driven { thread: None, engines: Vec::new() }) };

/// Have the guests of an engine interrupted.
///
/// # Errors
/// No thread to do it.
pub(super) fn drive(engine: &Engine) -> io::Result<()> {
    let mut driven = CLOCK.driven();
    driven.engines.push(engine.weak());
    if driven.thread.is_none() {
        let started = Builder::new().name("epoch".to_owned()).spawn(|| CLOCK.run())?;
        driven.thread = Some(started.thread().clone());
    }
    Ok(())
}

/// A guest for which the clock has to run.
#[derive(Debug)]
pub(super) struct Interrupted(());

impl Interrupted {
    pub(super) fn new() -> Self {
        if CLOCK.guests.fetch_add(1, Ordering::SeqCst) == 0
            && let Some(thread) = &CLOCK.driven().thread
        {
            thread.unpark();
        }
        Self(())
    }
}

impl Drop for Interrupted {
    fn drop(&mut self) {
        CLOCK.guests.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Clock {
    fn driven(&self) -> std::sync::MutexGuard<'_, Driven> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut idle = 0;
        loop {
            idle = if self.guests.load(Ordering::SeqCst) > 0 { 0 } else { idle + 1 };
            if idle > REST {
                // Whoever comes now has left word, and this returns at once.
                std::thread::park();
                idle = 0;
                continue;
            }
            let interrupt = |engine: &EngineWeak| engine.upgrade().map(|engine| engine.increment_epoch()).is_some();
            self.driven().engines.retain(interrupt);
            std::thread::sleep(TICK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine;
    use super::*;
    use std::sync::mpsc;
    use wasmtime::{Instance, Module, Store};

    /// Compute for so long.
    fn compute(time: Duration) {
        let end = read(ClockId::ThreadCPUTime) + time;
        while read(ClockId::ThreadCPUTime) < end {}
    }

    #[tokio::test]
    async fn what_is_computed_is_counted_and_waits_are_not() {
        let some = Duration::from_millis(20);
        let ((first, second), spent) = timed(async {
            let _ = so_far();
            compute(some);
            let first = so_far();
            // For the host, and then for a core.
            tokio::time::sleep(Duration::from_millis(60)).await;
            std::thread::sleep(Duration::from_millis(60));
            compute(some);
            (first, so_far())
        })
        .await;
        assert!(first >= some && second >= first + some && spent >= second, "{first:?} {second:?} {spent:?}");
        assert!(spent < Duration::from_millis(60), "{spent:?}");
        assert_eq!(so_far(), Duration::MAX, "nobody times this");
    }

    #[tokio::test]
    async fn whose_thread_waited_for_a_core_has_not_computed_for_long() {
        let (at_the_tick, spent) = timed(async {
            std::thread::sleep(Duration::from_millis(30));
            so_far()
        })
        .await;
        assert!(at_the_tick <= TICK && spent < TICK * 3, "{at_the_tick:?} {spent:?}");
        // No tick met it.
        let ((), spent) = timed(async { std::thread::sleep(Duration::from_millis(30)) }).await;
        assert_eq!(spent, TICK);
    }

    /// Spins until it is interrupted; told when it was.
    #[expect(clippy::disallowed_methods, reason = "a bare store, to see the clock and nothing else")]
    fn spin(engine: &Engine, module: &Module) -> mpsc::Receiver<String> {
        let mut store = Store::new(engine, Interrupted::new());
        store.set_epoch_deadline(1);
        let instance = Instance::new(&mut store, module, &[]).expect("an instance");
        let spin = instance.get_typed_func::<(), ()>(&mut store, "spin").expect("a function");
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            tell.send(format!("{:?}", spin.call(&mut store, ()).expect_err("it never returns")))
        });
        told
    }

    #[test]
    fn it_ticks_while_there_are_guests_and_after_a_rest() {
        let engine = engine::start(1, false).expect("an engine");
        let text = wat::parse_str(r#"(module (func (export "spin") (loop br 0)))"#).expect("a module");
        let module = Module::new(&engine, text).expect("a module");
        for _ in 0..2 {
            let said = spin(&engine, &module).recv_timeout(Duration::from_secs(60)).expect("it is interrupted");
            assert!(said.contains("interrupt"), "{said}");
            std::thread::sleep(TICK * (REST + 100));
        }
    }
}
