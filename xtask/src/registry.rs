//! A container registry, for the tests of distribution.

use crate::debian::Program;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// The CNCF's `distribution`, as Debian has it: one binary of 5 MB. Its own name for itself is the second.
const REGISTRY: Program = Program {
    what: "the registry of the CNCF's `distribution`",
    package: "docker-registry",
    dir: "registry",
    names: &["docker-registry", "registry"],
    is: is_distribution,
};

/// The server's binary: the system's, or one under `.tools/registry` of the repository at `root`.
///
/// # Errors
/// When there is neither a server nor a way to fetch one, or what was fetched does not run here.
pub fn ensure(root: &Path) -> Result<PathBuf> {
    REGISTRY.ensure(root)
}

/// `docker-registry github.com/docker/distribution 2.8.2+ds1`; the third line of versions says `distribution/v3`.
fn is_distribution(text: &str) -> bool {
    text.split_whitespace().any(|word| word.starts_with("github.com/") && word.contains("/distribution"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_registry_is_taken_for_it() {
        for (text, expect) in [
            ("docker-registry github.com/docker/distribution 2.8.2+ds1\n", true),
            ("registry github.com/distribution/distribution/v3 v3.0.0\n", true),
            ("registry 1.0\n", false),
            ("", false),
        ] {
            assert_eq!(is_distribution(text), expect, "{text:?}");
        }
    }
}
