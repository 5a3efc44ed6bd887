//! The fair queue: how many at once.
//!
//! There are so many places in all and so many for one account. Whoever finds none waits; accounts are served in turn,
//! and within an account who came first. A plain semaphore serves who came first of all: one tenant with a thousand
//! calls would hold up the single call of every other. One stands before the calls that run, one before the database's
//! connections.
//!
//! How long places were held of late tells how long a newcomer would wait. Who could not be served within its time is
//! turned away at once: in a line it would only make the others' wait longer, and learn the same later.

use super::account::Account;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The queue's bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Places there are.
    pub(crate) places: usize,
    /// Of these, places one account may have.
    pub(crate) each: usize,
    /// How many may wait.
    pub(crate) waiting: usize,
    /// Of these, for one account.
    pub(crate) waiting_each: usize,
}

/// Places that were given back before their times are believed, and what each then counts for: the mean is of the last few
/// dozen.
const BELIEVED: u32 = 16;
const WEIGHT: f64 = 1.0 / 16.0;

/// A wait is too long where it is this many times what a newcomer can wait. It is reckoned from a mean: of those turned away
/// hardly one would have been served.
const DOUBT: f64 = 2.0;

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// As many of this account wait as may.
    OwnLine,
    /// As many wait as may, over all accounts.
    Line,
    /// No place came free in time, because the account has all it may have.
    OwnLate,
    /// No place came free in time.
    Late,
    /// It would not come free in time, because the account has all it may have and its line is so long.
    OwnFar(Duration),
    /// It would not come free in time: the line is so long.
    Far(Duration),
    /// The caller left.
    Left,
}

impl Turned {
    /// How long it would have been, where that was reckoned.
    fn wait(self) -> Duration {
        match self {
            Turned::OwnFar(wait) | Turned::Far(wait) => wait,
            _ => Duration::ZERO,
        }
    }
}

/// The queue.
pub(crate) struct Queue {
    shape: Shape,
    state: Mutex<State>,
}

/// Holds between any two locks: an account is in `turn`, once, exactly when it has calls waiting and may run another;
/// while a place is free nobody is in `turn`; an account without calls has no lane.
struct State {
    free: usize,
    waiting: usize,
    lanes: HashMap<Account, Lane>,
    turn: VecDeque<Account>,
    /// Names the next waiter.
    next: u64,
    held: Held,
}

/// How long places were held of late.
#[derive(Clone, Copy, Default)]
struct Held {
    times: u32,
    /// Seconds, the mean of the last ones.
    mean: f64,
}

impl Held {
    fn add(&mut self, time: Duration) {
        self.times = self.times.saturating_add(1);
        let weight = WEIGHT.max(1.0 / f64::from(self.times));
        self.mean += (time.as_secs_f64() - self.mean) * weight;
    }
}

#[derive(Default)]
struct Lane {
    running: usize,
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
}

impl Queue {
    /// A queue with all its places free.
    pub(crate) fn new(shape: Shape) -> Arc<Self> {
        let state = State {
            free: shape.places,
            waiting: 0,
            lanes: HashMap::new(),
            turn: VecDeque::new(),
            next: 0,
            held: Held::default(),
        };
        Arc::new(Self { shape, state: Mutex::new(state) })
    }

    /// Wait for a place, `patience` at most.
    ///
    /// # Errors
    /// [`Turned`]; then no place is held, and none is lost.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        account: Account,
        patience: Duration,
        cancelled: &CancellationToken,
    ) -> Result<Place, Turned> {
        let mut ticket = match self.ask(account, patience)? {
            Asked::Now(place) => return Ok(place),
            Asked::Later(ticket) => ticket,
        };
        tokio::select! {
            biased;
            // Only a call drops the sender's half without a word, never the queue.
            Ok(()) = &mut ticket.called => Ok(ticket.redeem()),
            () = cancelled.cancelled() => Err(Turned::Left),
            () = tokio::time::sleep(patience) => Err(self.late(account)),
        }
    }

    /// A place at once, or one in the line if that helps somebody who waits so long at the most.
    fn ask(self: &Arc<Self>, account: Account, patience: Duration) -> Result<Asked, Turned> {
        let mut state = self.lock();
        let (free, waiting, name) = (state.free, state.waiting, state.next);
        let lane = state.lanes.entry(account).or_default();
        let may_run = lane.running < self.shape.each;
        // A free place means that whoever waits may not run: nobody is overtaken here.
        if free > 0 && may_run {
            lane.running += 1;
            state.free -= 1;
            return Ok(Asked::Now(Place::begin(self, account)));
        }
        let ahead = lane.waiting.len();
        let turned = if ahead >= self.shape.waiting_each {
            Some(Turned::OwnLine)
        } else if waiting >= self.shape.waiting {
            Some(Turned::Line)
        } else {
            state.outlook(&self.shape, may_run, ahead).filter(|turned| turned.wait() > patience)
        };
        if let Some(turned) = turned {
            state.tidy(account);
            return Err(turned);
        }
        let (sender, called) = oneshot::channel();
        state.lanes.entry(account).or_default().waiting.push_back((name, sender));
        if may_run && ahead == 0 {
            state.turn.push_back(account);
        }
        state.waiting += 1;
        state.next += 1;
        Ok(Asked::Later(Ticket { queue: Arc::clone(self), account, name, called, redeemed: false }))
    }

    /// Which of the two bounds kept a call waiting.
    fn late(&self, account: Account) -> Turned {
        let running = self.lock().lanes.get(&account).map_or(0, |lane| lane.running);
        if running >= self.shape.each { Turned::OwnLate } else { Turned::Late }
    }

    /// A call ended. `held`: how long it had its place, where it had one.
    fn leave(&self, account: Account, held: Option<Duration>) {
        let mut state = self.lock();
        state.free += 1;
        held.into_iter().for_each(|time| state.held.add(time));
        let Some(lane) = state.lanes.get_mut(&account) else { return };
        lane.running -= 1;
        if lane.running + 1 == self.shape.each && !lane.waiting.is_empty() {
            state.turn.push_back(account);
        }
        state.tidy(account);
        state.serve(self.shape.each);
    }

    /// A waiter goes. One who was called meanwhile gives its place to the next.
    fn forget(&self, account: Account, name: u64) {
        let mut state = self.lock();
        let waited = state.lanes.get_mut(&account).and_then(|lane| {
            let at = lane.waiting.iter().position(|(other, _)| *other == name)?;
            lane.waiting.remove(at)?;
            Some(lane.waiting.is_empty())
        });
        match waited {
            Some(last) => {
                state.waiting -= 1;
                if last {
                    state.turn.retain(|other| *other != account);
                    state.tidy(account);
                }
            }
            None => {
                drop(state);
                self.leave(account, None);
            }
        }
    }

    /// Places that are taken.
    pub(crate) fn running(&self) -> usize {
        self.shape.places - self.lock().free
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Give free places to those whose turn it is.
    fn serve(&mut self, each: usize) {
        while self.free > 0 {
            let Some(account) = self.turn.pop_front() else { return };
            let Some(lane) = self.lanes.get_mut(&account) else { continue };
            let Some((_, called)) = lane.waiting.pop_front() else { continue };
            lane.running += 1;
            self.free -= 1;
            self.waiting -= 1;
            if lane.running < each && !lane.waiting.is_empty() {
                self.turn.push_back(account);
            }
            // A waiter that is just leaving finds itself called, and passes the place on.
            let _ = called.send(());
        }
    }

    /// How long whoever comes now would wait behind `ahead` of its own account, and why, in doubt less. `None`: who knows.
    fn outlook(&self, shape: &Shape, may_run: bool, ahead: usize) -> Option<Turned> {
        if self.held.times < BELIEVED {
            return None;
        }
        let lasts = |before: usize, places: usize| {
            let seconds = self.held.mean * (before + 1) as f64 / places as f64 / DOUBT;
            Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
        };
        // One of its own goes with every one of each account that is in turn; no more than wait can be before it.
        let others = ((ahead + 1) * (self.turn.len() + 1) - 1).min(self.waiting);
        let own = if may_run { Duration::ZERO } else { lasts(ahead, shape.each) };
        let all = if self.free > 0 { Duration::ZERO } else { lasts(others, shape.places) };
        Some(if own >= all { Turned::OwnFar(own) } else { Turned::Far(all) })
    }

    /// An account without calls takes no memory.
    fn tidy(&mut self, account: Account) {
        if self.lanes.get(&account).is_some_and(|lane| lane.running == 0 && lane.waiting.is_empty()) {
            self.lanes.remove(&account);
        }
    }
}

enum Asked {
    Now(Place),
    Later(Ticket),
}

/// A place in the line.
struct Ticket {
    queue: Arc<Queue>,
    account: Account,
    name: u64,
    called: oneshot::Receiver<()>,
    redeemed: bool,
}

impl Ticket {
    fn redeem(mut self) -> Place {
        self.redeemed = true;
        Place::begin(&self.queue, self.account)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.redeemed {
            self.queue.forget(self.account, self.name);
        }
    }
}

/// A place; free again when dropped.
pub(crate) struct Place {
    queue: Arc<Queue>,
    account: Account,
    since: Instant,
}

impl Place {
    fn begin(queue: &Arc<Queue>, account: Account) -> Self {
        Self { queue: Arc::clone(queue), account, since: Instant::now() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.leave(self.account, Some(self.since.elapsed()));
    }
}

#[cfg(test)]
mod tests;
