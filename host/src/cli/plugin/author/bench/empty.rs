//! The plugin that does nothing.

use super::super::new::contract;
use anyhow::{Context, Result};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What it is called.
pub(super) const NAME: &str = "empty";

const MODULE: &str = include_str!("empty.wat");

/// Make it, of the contract this host speaks.
///
/// # Errors
/// Where the contract and the module do not agree.
pub(super) fn component() -> Result<Vec<u8>> {
    let place = tempfile::tempdir().context("a directory for the contract")?;
    for (file, bytes) in contract() {
        std::fs::write(place.path().join(file), bytes)?;
    }
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(place.path()).context("read the contract")?;
    let world = resolve.select_world(&[package], Some("plugin")).context("the contract has a world for plugins")?;
    let mut module = wat::parse_str(MODULE).context("read the empty module")?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let encoded = ComponentEncoder::default().validate(true).module(&module).and_then(|mut it| it.encode());
    encoded.context("make the empty module a component")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin;

    #[test]
    fn it_imports_nothing_that_can_be_called() {
        let bytes = component().expect("a component");
        let inspected = plugin::inspect(&bytes).expect("a component");
        assert!(inspected.imports.iter().all(|import| !import.callable), "{:?}", inspected.imports);
        assert!(inspected.size < 8_000, "{}", inspected.size);
    }
}
