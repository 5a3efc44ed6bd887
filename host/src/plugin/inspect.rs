//! A component, read and not run: what is in its bytes alone.

use super::{compile, loader, trust};
use crate::error::BoxError;
use serde::Serialize;
use std::collections::BTreeMap;
use wasmparser::{KnownCustom, Parser, Payload, ProducersSectionReader};

/// By field (`language`, `processed-by`, `sdk`), then by name: the version.
type Producers = BTreeMap<String, BTreeMap<String, String>>;

/// What a component's bytes say of it. None of it is proved but the digest: names and versions of producers are what
/// whoever built it wrote down.
#[derive(Clone, Debug, Serialize)]
pub struct Inspected {
    /// SHA-256, in hex.
    pub digest: String,
    /// Bytes.
    pub size: usize,
    /// Whether it carries a signature, of whomever.
    pub signed: bool,
    /// What it imports, in order.
    pub imports: Vec<Import>,
    /// What it exports, in order.
    pub exports: Vec<String>,
    /// Languages, tools and their versions.
    pub producers: Producers,
}

/// One import.
#[derive(Clone, Debug, Serialize)]
pub struct Import {
    /// `rowhouse:plugin/sql@0.1.0`
    pub name: String,
    /// Whether it brings a function to call: without one it is there for its types only, and gives nothing.
    pub callable: bool,
}

/// Read a component.
///
/// # Errors
/// Where the bytes are no component.
pub fn inspect(bytes: &[u8]) -> Result<Inspected, BoxError> {
    let imports = loader::imports(bytes)?;
    let (mut exports, mut producers, mut depth) = (Vec::new(), Producers::new(), 0usize);
    for part in Parser::new(0).parse_all(bytes) {
        match part? {
            Payload::ComponentSection { .. } | Payload::ModuleSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export?.name.name.to_owned());
                }
            }
            // Of the component and of every module in it: a linker writes its own, a compiler that of what it linked.
            Payload::CustomSection(section) => {
                if let KnownCustom::Producers(fields) = section.as_known() {
                    note(fields, &mut producers)?;
                }
            }
            _ => {}
        }
    }
    Ok(Inspected {
        digest: compile::digest(bytes),
        size: bytes.len(),
        signed: trust::is_signed(bytes),
        imports: imports.into_iter().map(|it| Import { name: it.name, callable: it.callable }).collect(),
        exports,
        producers,
    })
}

fn note(fields: ProducersSectionReader<'_>, into: &mut Producers) -> Result<(), BoxError> {
    for field in fields {
        let field = field?;
        for value in field.values {
            let value = value?;
            into.entry(field.name.to_owned()).or_default().insert(value.name.to_owned(), value.version.to_owned());
        }
    }
    Ok(())
}
