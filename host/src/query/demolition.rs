//! Walls taken down on purpose, to see that the others hold alone.
//!
//! Compiled with the feature `demolition` only, which is never a default: no setting, variable or option of the program
//! leads here.

use super::Database;
use super::trip::{Brackets, Order};
use std::sync::atomic::{AtomicBool, Ordering};

/// A wall that stands in the host. The other three stand in the database, whose administrator takes them down there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    /// A statement's transaction is read-only and never committed. Down: it may write, and is committed.
    Transaction,
    /// The gate. Down: every text is sent to the database as it is.
    Gate,
    /// The looks at the walls while calls are served. Down: a database that became unsafe is served from, which whoever
    /// takes a wall down inside it means to do.
    Watch,
}

/// A transaction that may write, and whose work stays.
const READ_WRITE: Brackets = Brackets { begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE", end: "COMMIT" };

/// Which walls are down.
#[derive(Default)]
pub(super) struct Lowered {
    transaction: AtomicBool,
    gate: AtomicBool,
    watch: AtomicBool,
}

impl Database {
    /// Take a wall down, for every statement from now on and for good.
    pub fn lower(&self, wall: Wall) {
        let lowered = &self.0.lowered;
        let flag = match wall {
            Wall::Transaction => &lowered.transaction,
            Wall::Gate => &lowered.gate,
            Wall::Watch => &lowered.watch,
        };
        flag.store(true, Ordering::Relaxed);
    }
}

impl Lowered {
    /// Whether statements are sent unread.
    pub(super) fn gate(&self) -> bool {
        self.gate.load(Ordering::Relaxed)
    }

    /// Whether an unsafe database is served from.
    pub(super) fn watch(&self) -> bool {
        self.watch.load(Ordering::Relaxed)
    }

    /// The order, in a transaction that may write if that wall is down.
    pub(super) fn rebracket(&self, order: Order) -> Order {
        match self.transaction.load(Ordering::Relaxed) {
            true => Order { brackets: READ_WRITE, ..order },
            false => order,
        }
    }
}
