//! What the cache did, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters, since the start. Each only ever grows.
macro_rules! counts {
    ($( $(#[$doc:meta])* $name:ident; )*) => {
        #[derive(Debug, Default)]
        pub(super) struct Counts { $( pub(super) $name: AtomicU64, )* }

        /// What the cache did since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counted { $( $(#[$doc])* pub $name: u64, )* }

        impl Counted {
            /// Every count by name.
            pub fn each(&self) -> Vec<(&'static str, u64)> {
                vec![ $( (stringify!($name), self.$name), )* ]
            }
        }

        impl Counts {
            pub(super) fn read(&self) -> Counted {
                Counted { $( $name: self.$name.load(Ordering::Relaxed), )* }
            }
        }
    };
}

counts! {
    /// Answers given out of memory.
    hits;
    /// Answers given out of Redis.
    shared_hits;
    /// Answers given to statements that waited for an equal one under way.
    joined;
    /// Statements that could have been answered so, and asked the database.
    misses;
    /// Statements whose answers are never kept: they go by more than rows, or read what does not tell of changes.
    passed;
    /// Answers kept.
    stored;
    /// Answers not kept, or given up, because a table they were read from had changed.
    invalidated;
    /// Answers that made room for others.
    evicted;
    /// Answers too large to keep.
    oversized;
    /// Questions to Redis that failed.
    shared_failures;
}

/// One more.
pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// How the cache stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether answers are kept at the moment; if not, why.
    pub standing: Result<(), &'static str>,
    /// Whether there is a second level, and it is asked.
    pub shared: Option<bool>,
    /// Answers in memory, about.
    pub answers: u64,
    /// Bytes they take, about.
    pub bytes: u64,
    /// Relations that tell of every change.
    pub told: usize,
    /// Words of changes heard.
    pub changes: u64,
    /// What it did.
    pub counted: Counted,
}
