//! Who made a component: signatures of publishers, verified without asking anybody.
//!
//! A signature stands in the component (a custom section at its front) or beside it (`NAME.wasm.sig`), in the format of
//! the WebAssembly tool conventions: Ed25519 over a domain and the SHA-256 of every byte after the section. Nothing of it
//! is taken on trust: which publishers are believed is in the settings, and a key in a signature is only a hint.

use crate::config::Plugins;
use crate::error::BoxError;
use std::collections::BTreeMap;
use wasmsign2::{Module, PublicKey, SecretKey, WSError};

/// The ending of a signature beside its component, after the component's own name.
pub use crate::distribution::BESIDE;

/// The longest signature beside a component that is read, in bytes. One signature takes about 120; the format allows 256
/// of them over 64 hashes each.
pub(super) const MAX_BESIDE: u64 = 64 << 10;

/// Publishers whose signatures are believed.
#[derive(Clone, Default)]
pub(super) struct Trust {
    publishers: BTreeMap<String, PublicKey>,
    required: bool,
}

impl Trust {
    /// Read the publishers' keys: PEM, DER in hex, or a line of OpenSSH (`ssh-ed25519 AAAA…`), in the settings or in a
    /// file they name. `required` refuses components nobody known has signed.
    ///
    /// # Errors
    /// A key that is none, by its publisher's name.
    pub(super) fn new(settings: &Plugins, required: bool) -> Result<Self, BoxError> {
        let mut publishers = BTreeMap::new();
        for (name, given) in &settings.publishers {
            let text = given.read().map_err(|e| format!("plugins.publishers.{name}: {e}"))?;
            let key = PublicKey::from_any(text.trim().as_bytes()).map_err(|_| {
                format!("plugins.publishers.{name}: not an Ed25519 public key; give PEM (`rowhouse plugin keygen` makes a pair) or a line of OpenSSH")
            })?;
            publishers.insert(name.clone(), key);
        }
        Ok(Self { publishers, required })
    }

    /// The publisher who signed these bytes, one of `among` where that is not empty. `beside` is the signature that lay
    /// beside them; without one, the signature inside counts. None: nobody did, and nobody has to.
    ///
    /// # Errors
    /// Where a signature does not hold, or none is there and one is required. A signature that does not hold is refused
    /// also where none is required: somebody changed what somebody signed.
    pub(super) fn check(
        &self,
        bytes: &[u8],
        beside: Option<&[u8]>,
        among: &std::collections::BTreeSet<String>,
    ) -> Result<Option<String>, BoxError> {
        let believed = |name: &str| among.is_empty() || among.contains(name);
        let mut signed = false;
        for (name, key) in self.publishers.iter().filter(|(name, _)| believed(name)) {
            match key.verify(&mut &bytes[..], beside) {
                Ok(()) => return Ok(Some(name.clone())),
                Err(WSError::NoSignatures) => {}
                Err(_) => signed = true,
            }
        }
        signed |= self.publishers.is_empty() && (beside.is_some() || is_signed(bytes));
        match (signed, self.required || !among.is_empty()) {
            (true, true) => Err(format!(
                "its signature is of no publisher that is believed here, or the file was changed after it was signed; \
                 believed are: {}",
                self.names(among)
            )
            .into()),
            // Signed by a stranger, where strangers are served: as good as unsigned, but never if a known one's broke.
            (true, false) if self.publishers.is_empty() => Ok(None),
            (true, false) => {
                Err("its signature does not hold: the file was changed after it was signed, or a stranger signed it".into())
            }
            (false, true) => Err(format!(
                "it is not signed. Sign it (`rowhouse plugin sign`) and name its publisher under plugins.publishers, or \
                 set plugins.signatures = \"optional\" to serve whatever lies in the directory; believed are: {}",
                self.names(among)
            )
            .into()),
            (false, false) => Ok(None),
        }
    }

    fn names(&self, among: &std::collections::BTreeSet<String>) -> String {
        let names: Vec<&str> = self
            .publishers
            .keys()
            .map(String::as_str)
            .filter(|name| among.is_empty() || among.contains(*name))
            .collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

/// Whether a component carries a signature, of whomever.
pub fn is_signed(bytes: &[u8]) -> bool {
    Module::deserialize(&mut &bytes[..])
        .is_ok_and(|module| module.sections.first().is_some_and(wasmsign2::Section::is_signature_header))
}

/// A new pair of keys, as PEM: the secret one, and the one to give away.
pub fn keygen() -> (String, String) {
    let pair = wasmsign2::KeyPair::generate();
    (pair.sk.to_pem(), pair.pk.to_pem())
}

/// Sign a component with a secret key (PEM): the component with its signature inside, and the signature alone.
///
/// # Errors
/// A key that is none, or bytes that are no component.
pub fn sign(bytes: &[u8], secret: &str) -> Result<(Vec<u8>, Vec<u8>), BoxError> {
    let key = SecretKey::from_pem(secret.trim())
        .map_err(|_| "not an Ed25519 secret key in PEM (`rowhouse plugin keygen` makes one)")?;
    let module = Module::deserialize(&mut &bytes[..]).map_err(|e| format!("this is not WebAssembly: {e}"))?;
    let signed = key.sign(module, None).map_err(|e| e.to_string())?;
    let mut whole = Vec::new();
    signed.serialize(&mut whole).map_err(|e| e.to_string())?;
    let (_, alone) = signed.detach_signature().map_err(|e| e.to_string())?;
    Ok((whole, alone))
}

#[cfg(test)]
mod tests;
