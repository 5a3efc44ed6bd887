//! Texts become vectors: services as they are documented and as they fail, the model of this machine, vectors that are
//! kept up with texts.

mod endpoint; // A service of a test's own.
mod kept; // Vectors of a database.
mod local; // The model of this machine, against another implementation.
mod protocol; // What is asked, what is believed.

use crate::harness::root;
use rowhouse::embedding::weights;
use std::path::PathBuf;

/// Where the usual model's weights are: fetched once for this checkout.
pub async fn weights() -> PathBuf {
    static ONCE: tokio::sync::OnceCell<PathBuf> = tokio::sync::OnceCell::const_new();
    let fetched = ONCE.get_or_init(async || {
        let place = root().join(".tools/models");
        weights::fetch(&place.join(weights::NAME), None, &mut |_, _| ()).await.expect("the model's weights");
        place
    });
    fetched.await.clone()
}
