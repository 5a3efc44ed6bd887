//! What can go wrong between here and a registry, in words that say what to do.

use super::place::Reference;
use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};
use serde::{Deserialize, Serialize};
use std::error::Error;

/// Why something did not come from a registry, or did not go to it. No text holds a credential, nor any of a registry's
/// own prose: that is somebody else's, and would be read on a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Failure {
    /// The registry wants another proof, or a right this one does not give.
    #[error(
        "{registry} refuses {sent}. Set username and password (or token) under [plugins.registries.\"{registry}\"], or \
         run `docker login {registry}`"
    )]
    Unauthorized {
        /// Which.
        registry: String,
        /// What it was shown.
        sent: String,
    },
    /// A proof that cannot be used, before it was sent.
    #[error("the credentials for {registry}: {why}")]
    Credentials {
        /// For which registry.
        registry: String,
        /// What is wrong with them.
        why: String,
    },
    /// There is no such repository or version.
    #[error("{0} is not there (`rowhouse plugin tags` lists what is)")]
    NotFound(String),
    /// Something else than a component.
    #[error("{reference} is no WebAssembly artifact: {found}")]
    NotWasm {
        /// Which.
        reference: String,
        /// What it is.
        found: String,
    },
    /// What came is not what was named.
    #[error("{0}: what the registry sent does not have the digest it should have; nothing of it was kept")]
    Digest(String),
    /// More than is accepted.
    #[error("{reference} has {size} bytes, and {most} are accepted (plugins.max_bytes)")]
    TooLarge {
        /// Which.
        reference: String,
        /// What it says of itself, or what came until it was cut off.
        size: u64,
        /// The bound.
        most: u64,
    },
    /// Nobody there, or not to be understood.
    #[error("{registry} cannot be reached: {why}")]
    Unreachable {
        /// Which.
        registry: String,
        /// What the system said.
        why: String,
    },
    /// It took too long.
    #[error("{registry} took more than {seconds} seconds")]
    Slow {
        /// Which.
        registry: String,
        /// The bound.
        seconds: u64,
    },
    /// Another answer than one that helps.
    #[error("{registry} answered {what}")]
    Answer {
        /// Which.
        registry: String,
        /// Its status, or the codes of the protocol.
        what: String,
    },
    /// Something of this machine.
    #[error("{0}")]
    Here(String),
}

impl Failure {
    /// Something of this machine, with what it was about.
    pub(super) fn here(what: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Self::Here(format!("{what}: {error}"))
    }

    /// The client's error, for a reader who knows which reference and which proof it was about.
    pub(super) fn of(error: OciDistributionError, at: &Reference, sent: &str) -> Self {
        let registry = at.registry.clone();
        let answer = |what: String| Self::Answer { registry: registry.clone(), what };
        match error {
            OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
                Self::Unauthorized { registry, sent: sent.to_owned() }
            }
            OciDistributionError::RegistryError { envelope, .. } => {
                let is = |wanted: &[OciErrorCode]| envelope.errors.iter().any(|error| wanted.contains(&error.code));
                if is(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                    return Self::Unauthorized { registry, sent: sent.to_owned() };
                }
                let gone = [
                    OciErrorCode::ManifestUnknown,
                    OciErrorCode::NameUnknown,
                    OciErrorCode::NotFound,
                    OciErrorCode::BlobUnknown,
                ];
                if is(&gone) {
                    return Self::NotFound(at.to_string());
                }
                let codes: Vec<String> = envelope.errors.iter().map(|error| code(&error.code)).collect();
                answer(codes.join(", "))
            }
            OciDistributionError::ServerError { code: 404, .. } => Self::NotFound(at.to_string()),
            OciDistributionError::ServerError { code: 401 | 403, .. } => {
                Self::Unauthorized { registry, sent: sent.to_owned() }
            }
            OciDistributionError::ServerError { code, .. } => answer(format!("with status {code}")),
            OciDistributionError::ImageManifestNotFoundError(_) => Self::NotFound(at.to_string()),
            OciDistributionError::DigestError(DigestError::VerificationError { .. }) => Self::Digest(at.to_string()),
            OciDistributionError::DigestError(_) => answer("with a digest of no kind that is known here".to_owned()),
            OciDistributionError::IoError(error) => Self::of_stream(&error, at),
            OciDistributionError::RequestError(error) => match error.status().map(|status| status.as_u16()) {
                Some(401 | 403) => Self::Unauthorized { registry, sent: sent.to_owned() },
                Some(status) => answer(format!("with status {status}")),
                None => Self::Unreachable { registry, why: root(&error) },
            },
            OciDistributionError::JsonError(_)
            | OciDistributionError::ManifestEncodingError(_)
            | OciDistributionError::ManifestParsingError(_)
            | OciDistributionError::VersionedParsingError(_)
            | OciDistributionError::RegistryTokenDecodeError(_) => {
                answer("with what is no JSON of the protocol".to_owned())
            }
            // Words of the client's own, which may quote the registry.
            _ => answer("in a way the protocol does not know".to_owned()),
        }
    }

    /// What broke off a transfer.
    pub(super) fn of_stream(error: &std::io::Error, at: &Reference) -> Self {
        let digest = error.get_ref().is_some_and(|inner| inner.is::<DigestError>());
        match digest {
            true => Self::Digest(at.to_string()),
            false => Self::Unreachable { registry: at.registry.clone(), why: root(error) },
        }
    }
}

/// A code of the protocol; of one that is not, only that it is none.
fn code(code: &OciErrorCode) -> String {
    match code {
        OciErrorCode::Other(_) => "with a code of its own".to_owned(),
        known => serde_json::to_value(known).ok().and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default(),
    }
}

/// The innermost cause, which the others only wrap. Outer ones have the address in them, and an address of an upload has
/// a token in it.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    match deepest.to_string() {
        text if text.contains("://") => "the connection broke".to_owned(),
        // As rustls begins, whatever is wrong with the certificate.
        text if text.starts_with("invalid peer certificate") => {
            format!("{text}. Authorities are the system's, or those of the file in SSL_CERT_FILE")
        }
        text => text,
    }
}
