//! One repository of one registry: the only place that speaks to one.

use super::access::Access;
use super::artifact::{self, Artifact, Described};
use super::digest::Digest;
use super::failure::Failure;
use super::place::Reference;
use crate::config::Plugins;
use crate::web;
use futures_util::StreamExt;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference as OciReference, RegistryOperation};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// For a connection. A registry that is up answers in a fraction.
const CONNECT: Duration = Duration::from_secs(5);

/// Between two pieces of an answer.
const SILENCE: Duration = Duration::from_secs(20);

/// Bytes given to the connection at once, and the step of a progress bar.
const PIECE: usize = 256 << 10;

/// Tags asked for at once, and pages of them at most: ten thousand versions of one plugin.
const PAGE: usize = 500;
const PAGES: usize = 20;

/// A repository.
pub struct Remote {
    client: Client,
    auth: RegistryAuth,
    at: Reference,
    sent: String,
}

/// What a push came to.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The digest of the manifest: what to pin.
    pub manifest: Digest,
    /// The component's own.
    pub component: Digest,
    /// Bytes that went over; 0 for a component the registry had.
    pub sent: u64,
}

impl Remote {
    /// The repository of this reference, with the proof that the settings have for it. Asks nobody yet.
    ///
    /// # Errors
    /// A proof that cannot be had.
    pub async fn open(at: &Reference, settings: &Plugins) -> Result<Self, Failure> {
        Self::with(at, &Access::find(at, &settings.registries).await?)
    }

    pub(super) fn with(at: &Reference, access: &Access) -> Result<Self, Failure> {
        // The client's TLS takes the process's own provider.
        web::provide_tls();
        let config = ClientConfig {
            protocol: if access.plaintext { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(CONNECT),
            read_timeout: Some(SILENCE),
            // Some registries know no other.
            use_monolithic_push: true,
            // A list of images for several machines is no component.
            platform_resolver: None,
            user_agent: web::AGENT,
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|e| Failure::of(e, at, &access.from))?;
        Ok(Self { client, auth: access.auth(), at: at.clone(), sent: access.from.clone() })
    }

    /// The manifest, its digest, and what it says of its component.
    pub(super) async fn describe(&self, most: u64) -> Result<(Digest, Described), Failure> {
        let reference = self.enter(RegistryOperation::Pull).await?;
        // Others are taken so that they can be named for what they are.
        let kinds = [
            OCI_IMAGE_MEDIA_TYPE,
            OCI_IMAGE_INDEX_MEDIA_TYPE,
            IMAGE_MANIFEST_MEDIA_TYPE,
            IMAGE_MANIFEST_LIST_MEDIA_TYPE,
        ];
        let pulled = self.client.pull_manifest_raw(&reference, &self.auth, &kinds).await;
        let (manifest, _) = pulled.map_err(|e| self.failure(e))?;
        let digest = Digest::of(&manifest);
        // Held to here as well: everything that was pinned stands on it.
        if self.at.digest.as_ref().is_some_and(|pinned| *pinned != digest) {
            return Err(Failure::Digest(self.at.to_string()));
        }
        Ok((digest, artifact::read(&manifest, &self.at, most)?))
    }

    /// Transfer a component. Never more of it than it said it has; an error where its digest is another.
    pub(super) async fn transfer(
        &self,
        described: &Described,
        into: &mut (impl AsyncWrite + Unpin),
        mut progress: impl FnMut(u64),
    ) -> Result<(), Failure> {
        let reference = self.at.to_oci();
        // By its digest alone: a manifest may name other addresses for a layer, and nobody is sent to those.
        let digest = described.component.to_string();
        let stream = self.client.pull_blob_stream(&reference, digest.as_str()).await;
        let mut stream = stream.map_err(|e| self.failure(e))?;
        let (mut had, too_large) =
            (0u64, |size| Failure::TooLarge { reference: self.at.to_string(), size, most: described.size });
        if let Some(size) = stream.content_length.filter(|size| *size > described.size) {
            return Err(too_large(size));
        }
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|e| Failure::of_stream(&e, &self.at))?;
            had = had.saturating_add(piece.len() as u64);
            if had > described.size {
                return Err(too_large(had));
            }
            into.write_all(&piece).await.map_err(|e| Failure::here("write what was pulled", e))?;
            progress(had);
        }
        into.flush().await.map_err(|e| Failure::here("write what was pulled", e))
    }

    /// The digest of the manifest that the reference names now. None: there is no such version yet.
    ///
    /// # Errors
    /// Where the registry does not say.
    pub async fn current(&self) -> Result<Option<Digest>, Failure> {
        let reference = self.enter(RegistryOperation::Push).await?;
        match self.client.fetch_manifest_digest(&reference, &self.auth).await.map_err(|e| self.failure(e)) {
            Ok(digest) => Ok(Digest::read(&digest)),
            Err(Failure::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// The digest an artifact would have here.
    pub fn would_be(artifact: &Artifact) -> Digest {
        Digest::of(&artifact.write().manifest)
    }

    /// Push a component under the reference's tag; a tag that is there moves.
    ///
    /// # Errors
    /// Where there is no tag, and what the registry refuses.
    pub async fn push(&self, artifact: &Artifact, mut progress: impl FnMut(u64, u64)) -> Result<Pushed, Failure> {
        let written = artifact.write();
        let reference = self.enter(RegistryOperation::Push).await?;
        let (component, total) = (Digest::of(&artifact.component), artifact.component.len() as u64);
        let sent = self.blob(&reference, &artifact.component, |done| progress(done, total)).await?;
        self.blob(&reference, &written.config, |_| {}).await?;
        let kind = OCI_IMAGE_MEDIA_TYPE.parse().map_err(|e| Failure::here("a media type", e))?;
        let manifest = Digest::of(&written.manifest);
        self.client.push_manifest_raw(&reference, written.manifest, kind).await.map_err(|e| self.failure(e))?;
        Ok(Pushed { manifest, component, sent })
    }

    /// Put one blob there, unless it is. How many bytes went over.
    async fn blob(&self, at: &OciReference, bytes: &[u8], mut progress: impl FnMut(u64)) -> Result<u64, Failure> {
        let digest = Digest::of(bytes).to_string();
        if self.client.blob_exists(at, &digest).await.map_err(|e| self.failure(e))? {
            return Ok(0);
        }
        let total = bytes.len() as u64;
        let pieces: Vec<_> = bytes.chunks(PIECE).map(bytes::Bytes::copy_from_slice).collect();
        let gone = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&gone);
        let stream = futures_util::stream::iter(pieces).map(move |piece| {
            count.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok(piece)
        });
        let push = self.client.push_blob_stream(at, stream, &digest, Some(total));
        let mut push = std::pin::pin!(push);
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                done = &mut push => {
                    done.map_err(|e| self.failure(e))?;
                    break;
                }
                _ = tick.tick() => progress(gone.load(Ordering::Relaxed)),
            };
        }
        progress(total);
        Ok(total)
    }

    /// The names of all versions, as the registry sorts them.
    ///
    /// # Errors
    /// Where the registry does not say.
    pub async fn tags(&self) -> Result<Vec<String>, Failure> {
        let reference = self.enter(RegistryOperation::Pull).await?;
        let mut all: Vec<String> = Vec::new();
        for _ in 0..PAGES {
            let last = all.last().cloned();
            let page = self.client.list_tags(&reference, &self.auth, Some(PAGE), last.as_deref()).await;
            let fresh = page.map_err(|e| self.failure(e))?.tags;
            let whole = fresh.len() < PAGE;
            // One that does not know pages gives the first one again and again.
            if fresh.first().is_some_and(|first| all.contains(first)) {
                break;
            }
            all.extend(fresh.into_iter().filter(|tag| tag.len() <= 128 && tag.bytes().all(|it| it.is_ascii_graphic())));
            if whole {
                break;
            }
        }
        Ok(all)
    }

    /// Show the proof first: later the client would go on without one, and the answer would not say why.
    async fn enter(&self, wanted: RegistryOperation) -> Result<OciReference, Failure> {
        let reference = self.at.to_oci();
        self.client.auth(&reference, &self.auth, wanted).await.map_err(|e| self.failure(e))?;
        Ok(reference)
    }

    fn failure(&self, error: oci_client::errors::OciDistributionError) -> Failure {
        Failure::of(error, &self.at, &self.sent)
    }
}
