//! A copy of one of the host's own tables, kept in memory and kept fresh.

use crate::clerk::{Clerk, Topic};
use crate::error::BoxError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_postgres::Client;

/// A copy older than this is not believed. The clerk has it read again each minute, so this is four misses in a row:
/// the host is cut off, and what was taken back meanwhile is unknown.
const STALE: Duration = Duration::from_secs(5 * 60);

/// How long a caller waits for the very first copy. Reading takes milliseconds once there is a connection.
const FIRST: Duration = Duration::from_secs(2);

/// How long reading may take, connecting included, and the wait before it is tried again.
const READING: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(1);

/// What a table is copied into.
pub(super) trait Table: Sized + Send + Sync + 'static {
    /// What tells of changes.
    const TOPIC: Topic;

    /// Read it all, up to the bound of the type.
    fn read(client: &Client) -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send;
}

/// The copy. Reading it ends when it is dropped.
pub(super) struct Copy<T>(watch::Receiver<Option<Taken<T>>>);

struct Taken<T> {
    table: Arc<T>,
    at: Instant,
}

impl<T: Table> Copy<T> {
    /// Start copying. Must be called inside a tokio runtime.
    pub(super) fn follow(clerk: Clerk) -> Self {
        let (sender, receiver) = watch::channel(None);
        tokio::spawn(follow(clerk, sender));
        Self(receiver)
    }

    /// The copy, if it may be believed.
    pub(super) async fn now(&self) -> Option<Arc<T>> {
        if self.0.borrow().is_none() {
            let _ = tokio::time::timeout(FIRST, self.0.clone().wait_for(Option::is_some)).await;
        }
        let taken = self.0.borrow();
        taken.as_ref().filter(|taken| taken.at.elapsed() <= STALE).map(|taken| Arc::clone(&taken.table))
    }

    /// Word of newer copies.
    pub(super) fn changes(&self) -> Changes<T> {
        Changes(self.0.clone())
    }

    /// A copy of nothing real.
    #[cfg(test)]
    pub(super) fn fixed(table: T, age: Duration) -> Self {
        Self::told(table, age).0
    }

    /// The same, with what tells of another one.
    #[cfg(test)]
    pub(super) fn told(table: T, age: Duration) -> (Self, impl Fn(T)) {
        let at = Instant::now().checked_sub(age).expect("the machine runs for longer");
        let (sender, receiver) = watch::channel(Some(Taken { table: Arc::new(table), at }));
        let tell = move |table| drop(sender.send_replace(Some(Taken { table: Arc::new(table), at: Instant::now() })));
        (Self(receiver), tell)
    }
}

/// Tells when to look again.
pub(super) struct Changes<T>(watch::Receiver<Option<Taken<T>>>);

impl<T: Table> Changes<T> {
    /// Until there is a newer copy, or the one there is may not be believed any more.
    pub(super) async fn next(&mut self) {
        let until = self.0.borrow().as_ref().map(|taken| taken.at + STALE);
        let old = async {
            match until {
                // A moment late rather than early: at the very instant it is still believed.
                Some(until) => tokio::time::sleep_until((until + Duration::from_millis(1)).into()).await,
                None => std::future::pending().await,
            }
        };
        let newer = async {
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = newer => {}
            () = old => {}
        }
    }
}

async fn follow<T: Table>(clerk: Clerk, copy: watch::Sender<Option<Taken<T>>>) {
    let mut ticks = clerk.changes(T::TOPIC);
    let mut silent = false;
    loop {
        // Seen before reading: a change during the reading is read again.
        ticks.mark_unchanged();
        // The clock starts before the reading: that is what the copy is known to be as fresh as.
        let at = Instant::now();
        let read = tokio::time::timeout(READING, read::<T>(&clerk)).await.map_err(BoxError::from).flatten();
        let failed = read.is_err();
        match read {
            Ok(table) => drop(copy.send_replace(Some(Taken { table: Arc::new(table), at }))),
            // Said once for each time it breaks: the clerk says the rest.
            Err(error) if !silent => {
                tracing::warn!(topic = ?T::TOPIC, error = %error, "cannot read one of the host's own tables");
            }
            Err(_) => {}
        }
        silent = failed;
        let next = async {
            match failed {
                true => tokio::time::sleep(AGAIN).await,
                false => drop(ticks.changed().await),
            }
        };
        tokio::select! {
            () = next => {}
            () = copy.closed() => return,
        }
    }
}

async fn read<T: Table>(clerk: &Clerk) -> Result<T, BoxError> {
    let client = clerk.client(READING).await?;
    Ok(T::read(&client).await?)
}
