//! A component, read and not run: what is in its bytes alone.

use super::{compile, loader, trust};
use crate::config::Grant;
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

/// How something a component could use stands to what it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// It imports it and may.
    Granted,
    /// It imports it and may not: it is refused.
    Denied,
    /// It may and does not import it: the grant is wider than it needs to be.
    Idle,
}

impl Inspected {
    /// What it wants against what it is granted: interfaces of the contract by their short names, `wasi` as one, whatever
    /// else it imports by its whole name. What it imports for types only it has no need to be granted.
    pub fn wants(&self, grant: &Grant) -> BTreeMap<String, Wanted> {
        let told = |granted| if granted { Wanted::Granted } else { Wanted::Denied };
        let idle = grant.interfaces.iter().map(String::as_str).chain(grant.wasi.then_some("wasi"));
        let mut wants: BTreeMap<String, Wanted> = idle.map(|it| (it.to_owned(), Wanted::Idle)).collect();
        for import in self.imports.iter().filter(|import| import.callable) {
            let name = import.name.split('@').next().unwrap_or_default();
            let (name, granted) = match name.strip_prefix(loader::PACKAGE) {
                Some(interface) => (interface, grant.interfaces.contains(interface)),
                None if name.starts_with("wasi:") => ("wasi", grant.wasi),
                None => (name, false),
            };
            wants.insert(name.to_owned(), told(granted));
        }
        wants
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_stands_against_what_is_granted() {
        let import = |name: &str, callable| Import { name: name.to_owned(), callable };
        let inspected = Inspected {
            digest: String::new(),
            size: 0,
            signed: false,
            imports: vec![
                import("rowhouse:plugin/types@0.1.0", false),
                import("rowhouse:plugin/sql@0.1.0", true),
                import("rowhouse:plugin/embedding@0.1.0", true),
                import("wasi:io/streams@0.2.6", true),
                import("wasi:cli/exit@0.2.6", true),
                import("acme:shell/run@1.0.0", true),
            ],
            exports: Vec::new(),
            producers: Producers::new(),
        };
        let grant = Grant { interfaces: ["sql", "log"].map(str::to_owned).into(), ..Grant::default() };
        let wants: Vec<(String, Wanted)> = inspected.wants(&grant).into_iter().collect();
        let told = [
            ("acme:shell/run", Wanted::Denied),
            ("embedding", Wanted::Denied),
            ("log", Wanted::Idle),
            ("sql", Wanted::Granted),
            ("wasi", Wanted::Denied),
        ];
        assert_eq!(wants, told.map(|(name, wanted)| (name.to_owned(), wanted)));
    }
}
