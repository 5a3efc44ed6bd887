//! How a registry is reached, and with what proof: the settings' own, else what `docker login` left.

use super::failure::Failure;
use super::place::Reference;
use crate::config;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::secrets::RegistryAuth;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

/// What Docker calls its own registry in its settings.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// What such a program says where it knows no credentials for a registry; the protocol has no other sign
/// (`docker-credential-helpers`, `credentials/error.go`).
const KNOWS_NONE: &str = "credentials not found in native keychain";

/// For the program that knows a password: as for one that the settings name.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a registry is shown. It goes to the fetching process through a pipe, and nowhere else; no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Access {
    proof: Proof,
    /// Where the proof came from, for people.
    pub(super) from: String,
    /// Without TLS.
    pub(super) plaintext: bool,
}

#[derive(Clone, Serialize, Deserialize)]
enum Proof {
    None,
    Password { username: String, password: String },
    Token(String),
}

impl Access {
    /// What the settings, or Docker's, say about the registry of this reference. May run a program that knows the secret.
    ///
    /// # Errors
    /// A secret that cannot be had, half a proof.
    pub(super) async fn find(at: &Reference, known: &BTreeMap<String, config::Registry>) -> Result<Self, Failure> {
        let (at, known) = (at.clone(), known.clone());
        let found = tokio::task::spawn_blocking(move || Self::look(&at, &known)).await;
        found.map_err(|e| Failure::here("credentials", e))?
    }

    fn look(at: &Reference, known: &BTreeMap<String, config::Registry>) -> Result<Self, Failure> {
        let setting = known.get(&at.registry);
        let plaintext = setting.and_then(|it| it.plaintext).unwrap_or_else(|| at.is_loopback());
        let about = |why: String| Failure::Credentials { registry: at.registry.clone(), why };
        let secret = |secret: &config::Secret| {
            secret.resolve().map(|it| it.expose_secret().to_owned()).map_err(|e| about(e.to_string()))
        };
        let (proof, from) = match setting.map(|it| (&it.username, &it.password, &it.token)) {
            Some((None, None, Some(token))) => (Proof::Token(secret(token)?), "the token of the settings".to_owned()),
            Some((Some(username), Some(password), None)) => (
                Proof::Password { username: username.clone(), password: secret(password)? },
                format!("the password of the settings for {username}"),
            ),
            None | Some((None, None, None)) => docker(at).map_err(about)?,
            Some(_) => {
                let table = format!("plugins.registries.\"{}\"", at.registry);
                return Err(about(format!("{table} needs either username and password, or token alone")));
            }
        };
        Ok(Self { proof, from, plaintext })
    }

    /// As the client takes it.
    pub(super) fn auth(&self) -> RegistryAuth {
        match &self.proof {
            Proof::None => RegistryAuth::Anonymous,
            Proof::Password { username, password } => RegistryAuth::Basic(username.clone(), password.clone()),
            Proof::Token(token) => RegistryAuth::Bearer(token.clone()),
        }
    }
}

/// What `docker login` wrote, or the program it names knows. None there is no error: many registries give without asking.
fn docker(at: &Reference) -> Result<(Proof, String), String> {
    let nothing = || (Proof::None, "a caller without credentials".to_owned());
    let directory = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    let Some(path) = directory.or_else(home).map(|directory| directory.join("config.json")) else {
        return Ok(nothing());
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(nothing()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let server = if at.registry == "docker.io" { DOCKER_HUB } else { at.registry.as_str() }.to_owned();
    // A program it names may ask somebody who is not there: it is waited for on a thread that nobody else waits for.
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(docker_credential::get_credential_from_reader(file, &server)));
    let Ok(found) = told.recv_timeout(PATIENCE) else {
        let seconds = PATIENCE.as_secs();
        return Err(format!("the program that {} names for them took more than {seconds} seconds", path.display()));
    };
    match found {
        Ok(DockerCredential::UsernamePassword(username, password)) => {
            let from = format!("the password in {} for {username}", path.display());
            Ok((Proof::Password { username, password }, from))
        }
        Ok(DockerCredential::IdentityToken(_)) => Err(format!(
            "{} has an identity token, which is not taken here; set username and password in the settings",
            path.display()
        )),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(nothing()),
        Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.trim() == KNOWS_NONE => Ok(nothing()),
        Err(CredentialRetrievalError::HelperCommunicationError) => Err(format!(
            "the program that {} names for them (docker-credential-NAME) cannot be asked; is it installed, and in PATH?",
            path.display()
        )),
        // What a helper printed may hold the secret.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            Err(format!("the helper {helper} of {} failed; run it by hand to see why", path.display()))
        }
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
