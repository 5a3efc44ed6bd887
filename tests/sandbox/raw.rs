//! Guests written by hand: a core module in WAT and whatever it says of itself, made a component of the contract. A
//! compiler would let no author misbehave like this; whoever writes a hostile plugin needs none.

use crate::harness::root;
use std::fmt::Write;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where strings and records lie; below is room for what `call` gives back.
const BASE: usize = 1 << 10;

/// What `describe` says of one tool.
pub struct Told {
    pub name: String,
    pub title: String,
    pub description: String,
    pub input: String,
    pub output: Option<String>,
}

/// A guest.
pub struct Raw {
    pub name: String,
    pub version: String,
    pub tools: Vec<Told>,
    /// Imports, tables, globals and functions of its own.
    pub fields: String,
    /// What `call` does: four parameters (name and arguments, each a place and a length), one result, the place of a
    /// `result<answer, tool-error>`.
    pub call: String,
    /// What `cabi_realloc` does. Empty: it hands out what comes next.
    pub realloc: String,
    pub pages: usize,
}

impl Raw {
    /// A well-behaved guest with one tool, both of this name.
    pub fn new(name: &str) -> Self {
        let told = Told {
            name: name.to_owned(),
            title: name.to_owned(),
            description: "By hand.".to_owned(),
            input: r#"{"type":"object"}"#.to_owned(),
            output: None,
        };
        Self {
            name: name.to_owned(),
            version: "6.6.6".to_owned(),
            tools: vec![told],
            fields: String::new(),
            call: text_answer(0, 0),
            realloc: String::new(),
            pages: 32,
        }
    }

    /// The same with its tool changed.
    pub fn told(mut self, change: impl FnOnce(&mut Told)) -> Self {
        change(&mut self.tools[0]);
        self
    }

    /// The same with another `call`.
    pub fn call(mut self, body: &str) -> Self {
        body.clone_into(&mut self.call);
        self
    }

    /// The same with fields of its own.
    pub fn fields(mut self, fields: &str) -> Self {
        fields.clone_into(&mut self.fields);
        self
    }

    /// Its bytes.
    pub fn component(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.module()).unwrap_or_else(|e| panic!("{}: {e}", self.name));
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(root().join("wit")).expect("the contract");
        let world = resolve.select_world(&[package], Some("plugin")).expect("its world");
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
        let encoder = ComponentEncoder::default().validate(true).module(&module);
        encoder.and_then(|mut it| it.encode()).unwrap_or_else(|e| panic!("{}: {e:#}", self.name))
    }

    fn module(&self) -> String {
        let mut memory = Memory(Vec::new());
        let mut records = Vec::new();
        for told in &self.tools {
            for text in [&told.name, &told.title, &told.description, &told.input] {
                records.extend(memory.text(text));
            }
            let output = told.output.as_ref().map(|text| memory.text(text));
            records.push(u32::from(output.is_some()));
            records.extend(output.unwrap_or_default());
            // Annotations: read-only, not destructive, idempotent, of a closed world.
            records.push(u32::from_le_bytes([1, 0, 1, 0]));
        }
        let tools = memory.words(&records);
        let mut info = Vec::from(memory.text(&self.name));
        info.extend(memory.text(&self.version));
        info.extend([tools, self.tools.len() as u32]);
        let info = memory.words(&info);
        let mut bytes = String::new();
        for byte in &memory.0 {
            write!(bytes, "\\{byte:02x}").expect("a string takes all");
        }
        let next = r"(local.set 0 (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
            (global.set $top (i32.add (local.get 0) (local.get 3)))
            (local.get 0)";
        let realloc = if self.realloc.is_empty() { next } else { &self.realloc };
        let (fields, call, pages, top) = (&self.fields, &self.call, self.pages, BASE + memory.0.len());
        format!(
            r#"(module
              {fields}
              (memory (export "memory") {pages})
              (global $top (mut i32) (i32.const {top}))
              (data (i32.const {BASE}) "{bytes}")
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc})
              (func (export "rowhouse:plugin/tools@0.1.0#describe") (result i32) (i32.const {info}))
              (func (export "rowhouse:plugin/tools@0.1.0#call") (param i32 i32 i32 i32) (result i32) {call}))"#
        )
    }
}

/// What lies from [`BASE`] on.
struct Memory(Vec<u8>);

impl Memory {
    /// A text's place and length.
    fn text(&mut self, text: &str) -> [u32; 2] {
        let at = BASE + self.0.len();
        self.0.extend(text.as_bytes());
        [at as u32, text.len() as u32]
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        let at = BASE + self.0.len();
        self.0.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        at as u32
    }
}

/// Give back, from place 16 on: each word at its place.
pub fn give(words: &[(usize, u32)]) -> String {
    let stores = words.iter().map(|(at, word)| format!("(i32.store (i32.const {}) (i32.const {word}))", 16 + at));
    format!("{} (i32.const 16)", stores.collect::<Vec<_>>().join(" "))
}

/// `ok(text)`, which lies there.
pub fn text_answer(place: u32, length: u32) -> String {
    give(&[(0, 0), (4, 2), (8, place), (12, length)])
}
