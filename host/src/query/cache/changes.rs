//! Which tables changed since when, as far as this host was told, and which tables an answer was read from.
//!
//! Time is counted in ticks: every word of a change is one. An answer carries the tick from before its statement began,
//! and holds while none of its tables changed after that. So an answer that was read before a change and comes in after
//! the word of it is not given to anybody, however late it comes; one that was read between the change and the word of
//! it is lost for nothing, and no harm.

use super::sources::Sources;
use crate::clerk::Ear;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What other hosts are to be told is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mark {
    /// Every answer.
    All,
    /// Answers read from this table.
    Table(u32),
}

/// What was known when a statement began.
#[derive(Clone)]
pub(super) struct Stamp {
    pub(super) tick: u64,
    /// The tables it reads, in order, views taken apart.
    pub(super) tables: Arc<[u32]>,
    pub(super) sources: Arc<Sources>,
}

/// The book of changes.
#[derive(Default)]
pub(super) struct Changes {
    book: Mutex<Book>,
    /// The tables are to be looked at.
    pub(super) look: Notify,
    /// Somebody is to be told.
    pub(super) tell: Notify,
}

#[derive(Default)]
struct Book {
    tick: u64,
    /// When all was last out of date.
    all: u64,
    tables: HashMap<u32, u64>,
    /// Whether every change is told.
    hears: bool,
    /// None while it is not known what statements read.
    sources: Option<Arc<Sources>>,
    /// What other hosts have not been told yet, and since when.
    untold: HashMap<Mark, u64>,
    /// Words of changes.
    heard: u64,
}

impl Book {
    fn change(&mut self, mark: Mark) {
        self.tick += 1;
        match mark {
            Mark::All => self.all = self.tick,
            Mark::Table(table) => {
                self.tables.insert(table, self.tick);
            }
        }
        self.untold.insert(mark, self.tick);
    }
}

impl Changes {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a statement over these relations (`schema.name`) begins. None where its answer may not be kept.
    pub(super) fn stamp(&self, relations: &BTreeSet<String>) -> Option<Stamp> {
        let book = self.book();
        let sources = book.sources.as_ref().filter(|_| book.hears)?;
        let tables = sources.tables(relations)?;
        Some(Stamp { tick: book.tick, tables, sources: Arc::clone(sources) })
    }

    /// Whether an answer of then is as good now.
    pub(super) fn hold(&self, tick: u64, tables: &[u32]) -> bool {
        let book = self.book();
        let since = |table: &u32| book.tables.get(table).copied().unwrap_or_default();
        book.hears && book.sources.is_some() && book.all <= tick && tables.iter().all(|table| since(table) <= tick)
    }

    /// Everything that is kept is out of date.
    pub(super) fn forget(&self) {
        self.book().change(Mark::All);
        self.tell.notify_one();
    }

    /// The tick to give back with what was read from now on.
    pub(super) fn begin(&self) -> u64 {
        self.book().tick
    }

    /// What statements read, as it was when `begun` was the tick. Whether that is still so: if not, look again.
    pub(super) fn learn(&self, begun: u64, sources: Sources) -> bool {
        let mut book = self.book();
        if !book.hears || book.all > begun {
            return false;
        }
        if book.sources.as_deref() != Some(&sources) {
            book.change(Mark::All);
            book.tables.clear();
            book.sources = Some(Arc::new(sources));
            self.tell.notify_one();
        }
        true
    }

    /// Whether changes are told at the moment.
    pub(super) fn is_hearing(&self) -> bool {
        self.book().hears
    }

    /// It cannot be found out what statements read.
    pub(super) fn unlearn(&self) {
        self.book().sources = None;
    }

    /// Whether what other hosts know of these tables is as good as what this one knows.
    pub(super) fn is_told(&self, tables: &[u32]) -> bool {
        let book = self.book();
        let untold = |mark: Mark| book.untold.contains_key(&mark);
        book.untold.is_empty() || !(untold(Mark::All) || tables.iter().any(|table| untold(Mark::Table(*table))))
    }

    /// Which database it is about, once that is known.
    pub(super) fn place(&self) -> Option<[u8; 32]> {
        self.book().sources.as_ref().map(|sources| sources.place)
    }

    /// What is to be told.
    pub(super) fn untold(&self) -> Vec<(Mark, u64)> {
        self.book().untold.iter().map(|(mark, tick)| (*mark, *tick)).collect()
    }

    /// This was told. What changed again meanwhile is still to be.
    pub(super) fn told(&self, told: &[(Mark, u64)]) {
        let mut book = self.book();
        for (mark, tick) in told {
            if book.untold.get(mark) == Some(tick) {
                book.untold.remove(mark);
            }
        }
    }

    /// Tell this again: what other hosts knew of it is gone.
    pub(super) fn retell(&self, marks: impl Iterator<Item = Mark>) {
        let mut book = self.book();
        let tick = book.tick;
        for mark in marks {
            book.untold.entry(mark).or_insert(tick);
        }
        self.tell.notify_one();
    }

    /// Whether answers are kept, and if not, why.
    pub(super) fn standing(&self) -> Result<(), &'static str> {
        let book = self.book();
        match (book.hears, &book.sources) {
            (false, _) => Err("the database does not tell of changes at the moment"),
            (true, None) => Err("it is not known yet what statements read"),
            (true, Some(sources)) => sources.usable(),
        }
    }

    /// Words of changes heard, and tables that tell of them.
    pub(super) fn counts(&self) -> (u64, usize) {
        let book = self.book();
        (book.heard, book.sources.as_ref().map_or(0, |sources| sources.told()))
    }
}

impl Ear for Changes {
    fn hears(&self) {
        let mut book = self.book();
        // What changed before is not known.
        book.change(Mark::All);
        (book.hears, book.sources) = (true, None);
        self.look.notify_one();
        self.tell.notify_one();
    }

    fn deaf(&self) {
        let mut book = self.book();
        book.change(Mark::All);
        (book.hears, book.sources) = (false, None);
    }

    fn changed(&self, table: &str) {
        let mut book = self.book();
        book.heard += 1;
        match table.parse() {
            Ok(table) => {
                // Of tables nobody reads nothing is noted, so that no number of words fills the book. What is read will
                // be out of date when it is found out.
                if book.sources.as_ref().is_some_and(|sources| sources.reads(table)) {
                    book.change(Mark::Table(table));
                }
            }
            Err(_) => {
                book.change(Mark::All);
                book.sources = None;
                self.look.notify_one();
            }
        }
        self.tell.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relations(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// A view of two tables beside them, and a table that does not tell.
    fn sources() -> Sources {
        Sources::made(&[("s.a", &[1]), ("s.b", &[2]), ("s.v", &[1, 2]), ("s.w", &[])], &["s.w"])
    }

    fn listening() -> Changes {
        let changes = Changes::default();
        changes.hears();
        assert!(changes.learn(changes.begin(), sources()));
        changes
    }

    #[test]
    fn an_answer_holds_until_one_of_its_tables_changes() {
        for (reads, changed, holds) in [
            (&["s.a"][..], "1", false),
            (&["s.a"], "2", true),
            (&["s.a"], "3", true),
            (&["s.v"], "1", false),
            (&["s.v"], "2", false),
            (&["s.b", "s.a"], "1", false),
            (&[], "1", true),
            // What is no number concerns everything.
            (&[], "", false),
            (&["s.a"], "s.a", false),
        ] {
            let changes = listening();
            let stamp = changes.stamp(&relations(reads)).expect("tables that tell");
            assert!(changes.hold(stamp.tick, &stamp.tables), "{reads:?}");
            changes.changed(changed);
            assert_eq!(changes.hold(stamp.tick, &stamp.tables), holds, "{reads:?} after {changed:?}");
        }
    }

    #[test]
    fn what_was_read_before_a_change_does_not_hold_after_it_however_late_it_comes() {
        let changes = listening();
        let (a, both) = (relations(&["s.a"]), relations(&["s.v"]));
        let before = changes.stamp(&a).expect("a stamp");
        changes.changed("1");
        let after = changes.stamp(&a).expect("a stamp");
        let other = changes.stamp(&both).expect("a stamp");
        changes.changed("2");
        assert!(!changes.hold(before.tick, &before.tables), "begun before the change");
        assert!(changes.hold(after.tick, &after.tables), "begun after the word of it");
        assert!(!changes.hold(other.tick, &other.tables), "the other table of a view");
    }

    #[test]
    fn without_word_of_changes_nothing_holds_and_nothing_is_kept() {
        let a = relations(&["s.a"]);
        let changes = Changes::default();
        assert!(changes.stamp(&a).is_none(), "nobody listens yet");
        let changes = listening();
        let stamp = changes.stamp(&a).expect("a stamp");
        changes.deaf();
        assert!(!changes.hold(stamp.tick, &stamp.tables) && changes.stamp(&a).is_none(), "deaf");
        changes.hears();
        assert!(!changes.hold(stamp.tick, &stamp.tables), "what changed meanwhile is not known");
        assert!(changes.stamp(&a).is_none(), "nor what is read");
        assert!(changes.learn(changes.begin(), sources()));
        assert!(!changes.hold(stamp.tick, &stamp.tables), "for good");
        assert!(changes.stamp(&a).is_some());
    }

    #[test]
    fn what_was_found_out_meanwhile_out_of_date_is_not_taken_up() {
        let changes = Changes::default();
        changes.hears();
        let begun = changes.begin();
        changes.deaf();
        assert!(!changes.learn(begun, sources()), "deaf");
        changes.hears();
        assert!(!changes.learn(begun, sources()), "and hearing again");
        let begun = changes.begin();
        changes.changed("everything");
        assert!(!changes.learn(begun, sources()), "a view was replaced while it was looked at");
        let begun = changes.begin();
        changes.changed("1");
        assert!(changes.learn(begun, sources()), "rows do not change what reads what");
    }

    #[test]
    fn a_table_that_does_not_tell_takes_its_statements_with_it() {
        let changes = listening();
        for (names, kept) in
            [(&["s.w"][..], false), (&["s.a", "s.w"], false), (&["s.x"], false), (&["s.a", "s.v"], true)]
        {
            assert_eq!(changes.stamp(&relations(names)).is_some(), kept, "{names:?}");
        }
    }

    #[test]
    fn other_hosts_are_told_until_they_know() {
        let changes = listening();
        let all = changes.untold();
        assert!(all.iter().any(|(mark, _)| *mark == Mark::All) && !changes.is_told(&[2]));
        changes.told(&all);
        assert!(changes.is_told(&[1, 2]));
        changes.changed("1");
        let first = changes.untold();
        assert!(!changes.is_told(&[1]) && changes.is_told(&[2]));
        changes.changed("1");
        changes.told(&first);
        assert!(!changes.is_told(&[1]), "it changed again while they were told");
        changes.told(&changes.untold());
        assert!(changes.is_told(&[1]));
        changes.retell([Mark::Table(2)].into_iter());
        assert!(!changes.is_told(&[2]));
    }
}
