//! The form of a component in a registry: the CNCF's for WebAssembly.
//!
//! A manifest, a small config that repeats what the component imports and exports, and one layer, the component itself.
//! A signature that lay beside the component stands among the manifest's annotations: the form has one layer, and
//! programs that know it refuse two. The same component makes the same manifest, whenever and wherever it is pushed.

use super::digest::Digest;
use super::failure::Failure;
use super::place::Reference;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use serde_json::json;
use std::collections::BTreeMap;

/// What the config is.
const CONFIG: &str = "application/vnd.wasm.config.v0+json";

/// What the layer is.
const LAYER: &str = "application/wasm";

/// The digest of the component, which is the layer's, for people who look at a manifest.
const COMPONENT: &str = "rowhouse.component.digest";

/// The signature beside the component, in base64.
const SIGNATURE: &str = "rowhouse.component.signature";

/// The component's own version.
const VERSION: &str = "org.opencontainers.image.version";

/// The file's name, which programs that pull give it.
const TITLE: &str = "org.opencontainers.image.title";

/// The longest signature that is taken from a registry, in bytes: the longest that is read beside a file.
const LONGEST_SIGNATURE: usize = 64 << 10;

/// A component to push.
#[derive(Clone, Debug, Default)]
pub struct Artifact {
    /// The component.
    pub component: Vec<u8>,
    /// The signature beside it.
    pub signature: Option<Vec<u8>>,
    /// The file's name.
    pub file: String,
    /// The version it gives itself, where somebody asked it.
    pub version: Option<String>,
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
}

/// What is sent for it.
pub(super) struct Written {
    pub(super) manifest: Vec<u8>,
    pub(super) config: Vec<u8>,
}

impl Artifact {
    pub(super) fn write(&self) -> Written {
        let layer = Digest::of(&self.component);
        // `created` must be there, and a real one would make a new artifact of each push.
        let config = json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [layer.to_string()],
            "component": { "exports": self.exports, "imports": self.imports },
        });
        let config = config.to_string().into_bytes();
        let mut notes = BTreeMap::from([(COMPONENT.to_owned(), layer.to_string())]);
        notes.extend(self.version.iter().map(|version| (VERSION.to_owned(), version.clone())));
        notes.extend(self.signature.iter().map(|it| (SIGNATURE.to_owned(), BASE64_STANDARD.encode(it))));
        let manifest = OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            config: descriptor(CONFIG, &config, None),
            layers: vec![descriptor(
                LAYER,
                &self.component,
                Some(BTreeMap::from([(TITLE.to_owned(), self.file.clone())])),
            )],
            annotations: Some(notes),
            ..OciImageManifest::default()
        };
        Written { manifest: serde_json::to_vec(&manifest).expect("a manifest is JSON"), config }
    }
}

fn descriptor(kind: &str, bytes: &[u8], annotations: Option<BTreeMap<String, String>>) -> OciDescriptor {
    OciDescriptor {
        media_type: kind.to_owned(),
        digest: Digest::of(bytes).to_string(),
        size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        annotations,
        ..OciDescriptor::default()
    }
}

/// What a manifest says of its component. None of it is proved but the manifest's own digest.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) component: Digest,
    pub(super) size: u64,
    pub(super) signature: Option<Vec<u8>>,
    pub(super) version: Option<String>,
}

/// Read a manifest.
///
/// # Errors
/// Where it is not one of a component, or is at odds with itself.
pub(super) fn read(manifest: &[u8], at: &Reference, most: u64) -> Result<Described, Failure> {
    let not = |found: &str| Failure::NotWasm { reference: at.to_string(), found: found.to_owned() };
    let read: OciImageManifest =
        serde_json::from_slice(manifest).map_err(|_| not("it is a list of others, or no manifest at all"))?;
    if read.config.media_type != CONFIG {
        return Err(not(&format!("its config is not {CONFIG}; it may be a container image")));
    }
    let [layer] = read.layers.as_slice() else {
        return Err(not(&format!("it has {} layers, and a component is one", read.layers.len())));
    };
    if layer.media_type != LAYER {
        return Err(not(&format!("its layer is not {LAYER}")));
    }
    let component = Digest::read(&layer.digest).ok_or_else(|| not("its layer has no SHA-256 digest"))?;
    let size = u64::try_from(layer.size).map_err(|_| not("its layer has less than no bytes"))?;
    if size > most {
        return Err(Failure::TooLarge { reference: at.to_string(), size, most });
    }
    let note = |name: &str| read.annotations.as_ref().and_then(|notes| notes.get(name));
    if note(COMPONENT).is_some_and(|said| *said != component.to_string()) {
        return Err(Failure::Digest(at.to_string()));
    }
    let signature = match note(SIGNATURE) {
        None => None,
        Some(text) if text.len() <= LONGEST_SIGNATURE.div_ceil(3) * 4 => {
            Some(BASE64_STANDARD.decode(text).map_err(|_| not("its signature is not base64"))?)
        }
        Some(_) => return Err(not("its signature has more than 64 KiB")),
    };
    // For people only, and of a stranger: what is no plain version is left out.
    let plain = |text: &&String| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
    Ok(Described { component, size, signature, version: note(VERSION).filter(plain).cloned() })
}

#[cfg(test)]
mod tests;
