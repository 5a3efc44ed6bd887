//! The contract as a package: `wit/` in the binary form that registries hold and every WIT tool reads.

use anyhow::{Context as _, Result};
use std::path::Path;
use wit_parser::Resolve;

/// A package.
pub struct Package {
    /// `rowhouse:plugin`
    pub name: String,
    /// `0.1.0`
    pub version: String,
    /// The package as a component that only has types; documentation is in it.
    pub bytes: Vec<u8>,
}

impl Package {
    /// `rowhouse-plugin-0.1.0.wasm`
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}-{}.wasm", self.name.replace(':', "-"), self.version)
    }
}

/// Encode `wit/` of the repository at `root`, as `wkg build` does.
///
/// # Errors
/// What is wrong with the texts.
pub fn package(root: &Path) -> Result<Package> {
    let mut resolve = Resolve::default();
    let (id, _) = resolve.push_dir(root.join("wit")).context("read wit/")?;
    let bytes = wit_component::encode(&resolve, id).context("encode wit/")?;
    let name = &resolve.packages[id].name;
    let version = name.version.as_ref().context("the package has no version")?.to_string();
    Ok(Package { name: format!("{}:{}", name.namespace, name.name), version, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine;
    use wit_component::{DecodedWasm, WitPrinter};

    #[test]
    fn the_package_is_the_contract_with_its_documentation() {
        let package = package(&machine::root()).expect("a package");
        assert_eq!(package.file(), "rowhouse-plugin-0.1.0.wasm");
        let DecodedWasm::WitPackage(read, id) = wit_component::decode(&package.bytes).expect("a package") else {
            panic!("a component, and no package")
        };
        let mut texts = Resolve::default();
        let (own, _) = texts.push_dir(machine::root().join("wit")).expect("wit/");
        let print = |resolve: &Resolve, id| {
            let mut printer = WitPrinter::default();
            printer.print(resolve, id, &[]).expect("it prints");
            printer.output.to_string()
        };
        let (before, after) = (print(&texts, own), print(&read, id));
        assert!(before.contains("///") && before.contains("interface sql"), "{before}");
        assert_eq!(before, after, "nothing is lost on the way");
    }
}
