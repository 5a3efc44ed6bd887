use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

fn shape(places: usize, each: usize) -> Shape {
    Shape { places, each, waiting: 10_000, waiting_each: 10_000 }
}

fn account(n: usize) -> Account {
    Account::Tenant(Uuid::from_u128(n as u128))
}

fn now(queue: &Arc<Queue>, who: usize) -> Place {
    match queue.ask(account(who), Duration::MAX) {
        Ok(Asked::Now(place)) => place,
        Ok(Asked::Later(_)) => panic!("{who} has to wait"),
        Err(turned) => panic!("{who} is turned away: {turned:?}"),
    }
}

fn later(queue: &Arc<Queue>, who: usize) -> Ticket {
    match queue.ask(account(who), Duration::MAX) {
        Ok(Asked::Later(ticket)) => ticket,
        Ok(Asked::Now(_)) => panic!("{who} gets a place at once"),
        Err(turned) => panic!("{who} is turned away: {turned:?}"),
    }
}

/// Those who were called, redeemed.
fn called(tickets: &mut Vec<(usize, Ticket)>) -> Vec<(usize, Place)> {
    let (ready, waiting) = tickets
        .drain(..)
        .map(|(who, mut ticket)| (ticket.called.try_recv().is_ok(), who, ticket))
        .fold((Vec::new(), Vec::new()), |(mut ready, mut waiting), (is_called, who, ticket)| {
            if is_called {
                ready.push((who, ticket.redeem()))
            } else {
                waiting.push((who, ticket))
            }
            (ready, waiting)
        });
    *tickets = waiting;
    ready
}

/// What [`State`] says of itself.
fn holds(queue: &Queue) {
    let state = queue.lock();
    let running: usize = state.lanes.values().map(|lane| lane.running).sum();
    let waiting: usize = state.lanes.values().map(|lane| lane.waiting.len()).sum();
    assert_eq!(running + state.free, queue.shape.places);
    assert_eq!(waiting, state.waiting);
    assert!(waiting <= queue.shape.waiting);
    assert!(state.free == 0 || state.turn.is_empty(), "a place is free and somebody could have it");
    for (account, lane) in &state.lanes {
        assert!(lane.running <= queue.shape.each && lane.waiting.len() <= queue.shape.waiting_each);
        assert!(lane.running + lane.waiting.len() > 0, "an empty lane");
        let turns = state.turn.iter().filter(|other| *other == account).count();
        assert_eq!(turns, usize::from(lane.running < queue.shape.each && !lane.waiting.is_empty()));
    }
    assert!(state.turn.iter().all(|account| state.lanes.contains_key(account)));
}

#[test]
fn nothing_is_lost_whatever_happens() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let places = random.random_range(1..8);
        let each = random.random_range(1..=places);
        let queue = Queue::new(Shape { places, each, waiting: 12, waiting_each: 5 });
        let (mut running, mut waiting) = (Vec::new(), Vec::new());
        for _ in 0..400 {
            match random.random_range(0..4) {
                0 | 1 => {
                    let who = random.random_range(0..6);
                    match queue.ask(account(who), Duration::MAX) {
                        Ok(Asked::Now(place)) => running.push((who, place)),
                        Ok(Asked::Later(ticket)) => waiting.push((who, ticket)),
                        Err(turned) => assert!(matches!(turned, Turned::OwnLine | Turned::Line)),
                    }
                }
                2 if !running.is_empty() => drop(running.swap_remove(random.random_range(0..running.len()))),
                // Some leave the line, called or not.
                3 if !waiting.is_empty() => drop(waiting.swap_remove(random.random_range(0..waiting.len()))),
                _ => {}
            }
            if random.random_bool(0.7) {
                running.extend(called(&mut waiting));
            }
            holds(&queue);
        }
        // Whoever still waits is served in the end, and then nothing is left.
        while !(running.is_empty() && waiting.is_empty()) {
            running.clear();
            running.extend(called(&mut waiting));
            assert!(!running.is_empty() || waiting.is_empty(), "seed {seed}: nobody runs and somebody waits");
        }
        holds(&queue);
        let state = queue.lock();
        assert_eq!((state.free, state.waiting, state.lanes.len(), state.turn.len()), (places, 0, 0, 0), "seed {seed}");
    }
}

#[test]
fn one_call_does_not_wait_behind_a_thousand() {
    let queue = Queue::new(shape(4, 3));
    let mut running: Vec<_> = (0..3).map(|_| (0, now(&queue, 0))).collect();
    running.push((9, now(&queue, 9)));
    let mut waiting: Vec<_> = (0..1_000).map(|_| (0, later(&queue, 0))).collect();
    waiting.extend([1, 2, 3].map(|who| (who, later(&queue, who))));
    // Three others wait with one call each: within one round of the four accounts all three are served.
    let mut order = Vec::new();
    for _ in 0..4 {
        running.remove(0);
        let served = called(&mut waiting);
        order.extend(served.iter().map(|(who, _)| *who));
        running.extend(served);
        holds(&queue);
    }
    assert!([1, 2, 3].iter().all(|who| order.contains(who)), "{order:?}");
}

#[test]
fn accounts_take_turns_and_within_one_who_came_first() {
    for (places, each) in [(1, 1), (2, 1), (2, 2), (3, 2)] {
        let queue = Queue::new(shape(places, each));
        // Others run, each of an account of its own; who began first ends first.
        let mut running: VecDeque<_> = (0..places).map(|n| now(&queue, n)).collect();
        let line = ["a1", "a2", "a3", "b1", "b2", "c1"];
        let account = |name: &str| usize::from(name.as_bytes()[0]);
        let mut waiting: Vec<_> = line.iter().map(|name| (*name, later(&queue, account(name)))).collect();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            drop(running.pop_front());
            let called = waiting.iter_mut().position(|(_, ticket)| ticket.called.try_recv().is_ok());
            let (name, ticket) = waiting.remove(called.expect("somebody is called"));
            order.push(name);
            running.push_back(ticket.redeem());
        }
        assert_eq!(order, ["a1", "b1", "c1", "a2", "b2", "a3"], "{places} places, {each} each");
    }
}

#[test]
fn the_line_has_an_end() {
    let queue = Queue::new(Shape { places: 1, each: 1, waiting: 3, waiting_each: 2 });
    let place = now(&queue, 0);
    let _line = [later(&queue, 0), later(&queue, 0), later(&queue, 1)];
    let refused = |who| queue.ask(account(who), Duration::MAX).err();
    assert_eq!((refused(0), refused(2)), (Some(Turned::OwnLine), Some(Turned::Line)));
    holds(&queue);
    drop(place);
    holds(&queue);
}

#[tokio::test]
async fn leaving_the_line_costs_nothing() {
    let queue = Queue::new(shape(2, 1));
    let place = now(&queue, 0);
    let (never, soon) = (CancellationToken::new(), Duration::from_millis(1));
    let late = |who| queue.enter(account(who), soon, &never);
    assert_eq!(late(0).await.err(), Some(Turned::OwnLate));
    let other = now(&queue, 1);
    assert_eq!(late(2).await.err(), Some(Turned::Late));
    let gone = CancellationToken::new();
    gone.cancel();
    assert_eq!(queue.enter(account(2), Duration::MAX, &gone).await.err(), Some(Turned::Left));
    // Called and leaving at the same moment: the place goes on to the next.
    let (leaver, mut next) = (later(&queue, 2), later(&queue, 3));
    drop(place);
    assert!(next.called.try_recv().is_err());
    drop(leaver);
    assert!(next.called.try_recv().is_ok());
    drop((next, other));
    holds(&queue);
    assert_eq!(queue.lock().free, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_gets_through_and_never_more_than_fit() {
    const CALLS: usize = 4_000;
    let queue = Queue::new(shape(5, 2));
    let running: Arc<Vec<AtomicUsize>> = Arc::new((0..8).map(|_| AtomicUsize::new(0)).collect());
    let (total, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..CALLS {
        let (queue, running) = (Arc::clone(&queue), Arc::clone(&running));
        let (total, done) = (Arc::clone(&total), Arc::clone(&done));
        tasks.spawn(async move {
            let mut random = StdRng::seed_from_u64(n as u64);
            // Most calls come from account 0; a tenth leave the line early.
            let who = if random.random_bool(0.5) { 0 } else { random.random_range(1..8) };
            let gone = CancellationToken::new();
            if random.random_bool(0.1) {
                let gone = gone.clone();
                tokio::spawn(async move {
                    tokio::task::yield_now().await;
                    gone.cancel();
                });
            }
            if let Ok(place) = queue.enter(account(who), Duration::from_secs(60), &gone).await {
                assert!(running[who].fetch_add(1, Ordering::SeqCst) < 2);
                assert!(total.fetch_add(1, Ordering::SeqCst) < 5);
                tokio::task::yield_now().await;
                total.fetch_sub(1, Ordering::SeqCst);
                running[who].fetch_sub(1, Ordering::SeqCst);
                drop(place);
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    holds(&queue);
    let state = queue.lock();
    assert_eq!((state.free, state.waiting, state.lanes.len()), (5, 0, 0));
    assert!(done.load(Ordering::SeqCst) >= CALLS / 2);
}

/// Whether somebody who can wait so many seconds gets into the line of such a queue, where places are held for a second on
/// the average. All places are taken, as many as it may have by the account `runs`.
#[track_caller]
fn outlook((places, each): (usize, usize), runs: usize, line: &[usize], patience: f64) -> Result<(), Turned> {
    let queue = Queue::new(shape(places, each));
    let by = |n: usize| if n < each { runs } else { 100 + n };
    let running: Vec<_> = (0..places).map(|n| now(&queue, by(n))).collect();
    let (who, line) = line.split_last().expect("somebody comes");
    let waiting: Vec<_> = line.iter().map(|who| later(&queue, *who)).collect();
    queue.lock().held = Held { times: BELIEVED, mean: 1.0 };
    let asked = queue.ask(account(*who), Duration::from_secs_f64(patience)).map(drop);
    holds(&queue);
    drop((waiting, running));
    asked
}

#[test]
fn who_could_not_be_served_in_time_does_not_wait() {
    let far = |seconds| Err(Turned::Far(Duration::from_secs_f64(seconds)));
    // A place comes free each quarter of a second; half of that, in doubt.
    assert_eq!(outlook((4, 4), 50, &[1], 0.2), Ok(()));
    assert_eq!(outlook((4, 4), 50, &[1], 0.1), far(0.125));
    // Behind a long line of one other account it is its turn after one of theirs.
    let behind: Vec<usize> = [9; 40].into_iter().chain([1]).collect();
    assert_eq!(outlook((4, 4), 50, &behind, 0.3), Ok(()));
    assert_eq!(outlook((4, 4), 50, &behind, 0.2), far(0.25));
    // Behind its own line of forty, of which its own bound serves two a second.
    assert_eq!(outlook((4, 2), 1, &[1; 41], 11.0), Ok(()));
    assert_eq!(outlook((4, 2), 1, &[1; 41], 10.0), Err(Turned::OwnFar(Duration::from_secs_f64(10.25))));
    // Many accounts with one each: no more are before it than wait.
    let many: Vec<usize> = (1..=8).collect();
    assert_eq!(outlook((2, 2), 50, &many, 2.0), Ok(()));
    assert_eq!(outlook((2, 2), 50, &many, 1.9), far(2.0));
}

#[test]
fn times_are_believed_after_a_while_and_the_last_ones_count() {
    let queue = Queue::new(shape(1, 1));
    let _place = now(&queue, 0);
    let minute = Duration::from_secs(60);
    let hurried = |held: Held| {
        queue.lock().held = held;
        queue.ask(account(1), Duration::from_millis(1)).map(drop)
    };
    let mut held = Held::default();
    for _ in 1..BELIEVED {
        held.add(minute);
    }
    assert_eq!(hurried(held), Ok(()), "not believed yet");
    held.add(minute);
    assert_eq!(hurried(held), Err(Turned::Far(minute / 2)));
    for _ in 0..300 {
        held.add(Duration::ZERO);
    }
    assert_eq!(hurried(held), Ok(()), "what was slow an hour ago is over");
    holds(&queue);
    // Places are timed by themselves.
    let other = Queue::new(shape(1, 1));
    drop(now(&other, 0));
    assert_eq!(other.lock().held.times, 1);
}
