//! Which names in FROM mean a common table expression and which a relation.
//!
//! Worked out from the inside: a SELECT gathers the unqualified names used below it, strikes out those its own WITH
//! clause defines, and hands the rest to whatever encloses it. What is left at the root can only be relations. A
//! name defined elsewhere in the statement is no help to one used out of its scope.

/// An unqualified name in FROM.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) name: String,
    /// Byte offset in the statement.
    pub(super) at: Option<usize>,
}

/// One SELECT, or one query inside WITH.
#[derive(Debug, Default)]
struct Frame {
    /// Names used, not yet explained.
    free: Vec<Name>,
    /// The WITH clause: each name with what its own query uses.
    ctes: Vec<(String, Vec<Name>)>,
    /// WITH RECURSIVE: each query sees all names of the clause; otherwise only those before it.
    recursive: bool,
}

/// The SELECTs that are open where the walker stands, outermost first. The first frame is the statement itself.
#[derive(Debug)]
pub(super) struct Scopes(Vec<Frame>);

impl Scopes {
    pub(super) fn new() -> Self {
        Self(vec![Frame::default()])
    }

    fn top(&mut self) -> &mut Frame {
        self.0.last_mut().expect("the first frame is never closed")
    }

    /// A SELECT or a query inside WITH begins.
    pub(super) fn open(&mut self) {
        self.0.push(Frame::default());
    }

    pub(super) fn uses(&mut self, name: Name) {
        self.top().free.push(name);
    }

    /// The query inside WITH that began last ends; it is called `name`.
    pub(super) fn close_cte(&mut self, name: String) {
        if let Some(frame) = self.0.pop() {
            self.top().ctes.push((name, frame.free));
        }
    }

    pub(super) fn recursive(&mut self, recursive: bool) {
        self.top().recursive = recursive;
    }

    pub(super) fn close_select(&mut self) {
        let Some(mut frame) = self.0.pop() else { return };
        let names: Vec<String> = frame.ctes.iter().map(|(name, _)| name.clone()).collect();
        let unexplained = |free: Vec<Name>, seen: &[String]| -> Vec<Name> {
            free.into_iter().filter(|used| !seen.contains(&used.name)).collect()
        };
        let mut rest = unexplained(std::mem::take(&mut frame.free), &names);
        for (index, (_, free)) in frame.ctes.into_iter().enumerate() {
            let seen = if frame.recursive { names.as_slice() } else { &names[..index] };
            rest.extend(unexplained(free, seen));
        }
        self.top().free.append(&mut rest);
    }

    /// The names that no WITH clause explains.
    pub(super) fn finish(mut self) -> Vec<Name> {
        self.0.pop().map(|frame| frame.free).unwrap_or_default()
    }
}
