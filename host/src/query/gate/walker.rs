//! The walk: limits on the size of the tree, the list of node types, and where each text of the tree may stand.
//! What a name may be is for `rules`.

use std::collections::BTreeSet;

use serde::Serialize;

use super::casts::Short;
use super::refusal::{Reason, Stop, stop};
use super::rules::Source;
use super::scope::{Name, Scopes};
use super::visit::{Through, Visit};
use super::{Checked, Gate, MayRead, words};

/// Nodes of a statement, wrappers included: some 2,600 constants in an IN list.
pub(super) const MAX_NODES: usize = 8_000;

/// Nested nodes. The decoder already stops at 100; this holds should that limit be lifted, and keeps the walk within
/// the stack promised in the module above.
pub(super) const MAX_DEPTH: usize = 110;

/// What is known of the struct being walked: filled field by field, judged when the field that needs it comes by or
/// when the struct ends.
#[derive(Default)]
pub(super) struct Draft {
    /// The name that the struct is about.
    pub(super) words: Vec<String>,
    /// Where a relation's name is qualified, by what.
    pub(super) schema: String,
    /// An alias and its columns.
    pub(super) alias: Vec<String>,
    /// The function of a FROM item, when its row could be a bare value.
    pub(super) source: Option<Source>,
    /// Whether the row of a FROM item is a record whatever the function.
    pub(super) record: bool,
    /// What a cast casts, where its length is plain to see.
    pub(super) short: Option<Short>,
    /// Byte offset in the statement.
    pub(super) at: Option<usize>,
}

/// A name of two or more parts, such as `o.total`.
pub(super) struct Qualified {
    pub(super) qualifier: String,
    pub(super) column: String,
    pub(super) at: Option<usize>,
}

/// A function in FROM whose row is a bare value, so that `alias.f` would call `f` with it.
pub(super) struct Scalar {
    /// What it is called in the rest of the statement.
    pub(super) name: String,
    /// Names that are certainly columns of it.
    pub(super) columns: Vec<String>,
}

/// One walk over one statement.
pub(super) struct Walker<'g> {
    pub(super) gate: &'g Gate,
    pub(super) may_read: MayRead<'g>,
    pub(super) scopes: Scopes,
    pub(super) drafts: Vec<Draft>,
    pub(super) relations: BTreeSet<String>,
    pub(super) qualified: Vec<Qualified>,
    pub(super) scalars: Vec<Scalar>,
    /// Product of all `repeat` counts: repeats of repeats multiply, through WITH as well as by nesting.
    pub(super) repeats: u64,
    pub(super) parameters: u32,
    /// Parameters that are read as a text-search query.
    pub(super) short_parameters: BTreeSet<u32>,
    /// What is cast to the type that is walked next.
    pub(super) cast: Option<Short>,
    nodes: usize,
    depth: usize,
    /// The struct and field whose texts are being read.
    place: (&'static str, &'static str),
}

impl<'g> Walker<'g> {
    pub(super) fn new(gate: &'g Gate, may_read: MayRead<'g>) -> Self {
        Self {
            gate,
            may_read,
            scopes: Scopes::new(),
            drafts: vec![],
            relations: BTreeSet::new(),
            qualified: vec![],
            scalars: vec![],
            repeats: 1,
            parameters: 0,
            short_parameters: BTreeSet::new(),
            cast: None,
            nodes: 0,
            depth: 0,
            place: ("", ""),
        }
    }

    /// The judgements that need the whole statement. What was learnt, but for the fingerprint.
    pub(super) fn finish(mut self) -> Result<Checked, Stop> {
        self.check_qualified()?;
        let scopes = std::mem::replace(&mut self.scopes, Scopes::new());
        for Name { name, at } in scopes.finish() {
            let relation = self.find_relation(&name).map_err(|stop| stop.at(at))?;
            self.relations.insert(relation);
        }
        let Self { relations, parameters, short_parameters, .. } = self;
        Ok(Checked { relations, parameters, short_parameters, ..Checked::default() })
    }

    pub(super) fn draft(&mut self) -> &mut Draft {
        self.drafts.last_mut().expect("a field is only visited between `open` and `close`")
    }
}

impl Visit for Walker<'_> {
    fn open(&mut self, name: &'static str) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return stop(Reason::Size, "the statement has too many parts: pass long lists as one array parameter");
        }
        if self.depth >= MAX_DEPTH {
            return too_deep();
        }
        self.depth += 1;
        // Every second struct is this wrapper, about which there is nothing to know.
        if name == "Node" {
            return Ok(());
        }
        if words::NODES.binary_search(&name).is_err() {
            return stop(Reason::Construct, words::construct(name));
        }
        self.drafts.push(Draft::default());
        self.begin(name);
        Ok(())
    }

    fn field<T: ?Sized + Serialize>(&mut self, name: &'static str, key: &'static str, value: &T) -> Result<(), Stop> {
        if name == "Node" {
            return value.serialize(Through(self));
        }
        if self.judge(name, key, value)? {
            return Ok(());
        }
        let outer = self.place;
        // A wrapper's text belongs to the field that holds the wrapper.
        if !matches!(name, "List" | "String" | "Float" | "BitString") {
            self.place = (name, key);
        }
        let result = value.serialize(Through(self));
        self.place = outer;
        result
    }

    fn close(&mut self, name: &'static str) -> Result<(), Stop> {
        self.depth -= 1;
        if name == "Node" {
            return Ok(());
        }
        let draft = self.drafts.pop().unwrap_or_default();
        let at = draft.at;
        self.end(name, draft).map_err(|stop| stop.at(at))
    }

    fn text(&mut self, text: &str) -> Result<(), Stop> {
        if text.is_empty() || words::TEXTS.contains(&self.place) {
            return Ok(());
        }
        if self.place == ("AIndirection", "indirection") {
            return self.gate.field_of_value(text);
        }
        let (node, field) = self.place;
        stop(Reason::Construct, format!("a name stands where the gate expects none ({node}.{field}): rewrite it"))
    }

    fn number(&mut self, _: i64) -> Result<(), Stop> {
        Ok(())
    }
}

pub(super) fn too_deep<T>() -> Result<T, Stop> {
    let message = "the statement nests too deeply: split it with WITH, use concat(a, b, …) for long || chains and \
                   = ANY (array) for long lists";
    stop(Reason::Size, message)
}
