//! Describes, for the linker, each set of exports a plugin can have.
//!
//! `wit-bindgen` describes one world, with everything it exports, and a component must then export all of it. Here
//! each optional interface has a world of its own beside `tools`; `plugin!` puts in those that a plugin uses, and
//! `wit-component` unites them. So a plugin that only has tools exports `tools` and nothing else.

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result};
use wit_component_of_bindgen::{StringEncoding, metadata};
use wit_parser::Resolve;

const WORLDS: &str = "
package rowhouse:sdk;
world tools { export rowhouse:plugin/tools@0.1.0; }
world prompts { export rowhouse:plugin/tools@0.1.0; export rowhouse:plugin/prompts@0.1.0; }
world resources { export rowhouse:plugin/tools@0.1.0; export rowhouse:plugin/resources@0.1.0; }
world dialogue { export rowhouse:plugin/tools@0.1.0; export rowhouse:plugin/dialogue@0.1.0; }
world prompt-dialogue {
    export rowhouse:plugin/tools@0.1.0;
    export rowhouse:plugin/prompts@0.1.0;
    export rowhouse:plugin/dialogue@0.1.0;
    export rowhouse:plugin/prompt-dialogue@0.1.0;
}
world views { export rowhouse:plugin/tools@0.1.0; export rowhouse:plugin/views@0.1.0; }
";

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=wit");
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR").context("cargo names a directory for what is made")?;
    let mut resolve = Resolve::default();
    resolve.push_dir("wit").context("read wit/")?;
    let package = resolve.push_str("worlds.wit", WORLDS).context("read the worlds above")?;
    for (name, world) in resolve.packages[package].worlds.clone() {
        let section = metadata::encode(&resolve, world, StringEncoding::UTF8, None).context("describe a world")?;
        let path = Path::new(&out).join(format!("{name}.world"));
        fs::write(&path, section).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
