//! Who is believed: issuers of OAuth access tokens, API keys, and people the host itself vouches for.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The scope every call needs unless the settings say otherwise.
const SCOPE: &str = "mcp:tools";

/// Who is believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Seconds a printed token is valid. A working day: long enough to try things, short enough to be forgotten.
    pub token_seconds: u64,
    /// People the host vouches for, besides the demo's own: by name for `rowhouse stdio`, by printed token where the
    /// host's own issuer is on.
    pub people: Vec<Person>,
    /// Whether tokens printed by `rowhouse token` are believed. Unset: exactly while no issuer is configured, so that
    /// naming a real one turns it off.
    pub demo: Option<bool>,
    /// OAuth authorization servers whose access tokens are believed.
    pub issuers: Vec<Issuer>,
    /// Whether API keys are believed. They are made by the operator, one at a time, so having none is already off.
    pub api_keys: bool,
    /// Scopes every call needs; a client without a proof is told to ask for these. One scope by default, so that a
    /// token made for another purpose of the same audience does not open the tools.
    pub scopes: Vec<String>,
    /// Further scopes a tool needs, by `plugin/tool`. A caller without them is told to come back with more (step-up).
    pub tool_scopes: BTreeMap<String, Vec<String>>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            token_seconds: 12 * 60 * 60,
            people: Vec::new(),
            demo: None,
            issuers: Vec::new(),
            api_keys: true,
            scopes: one_scope(),
            tool_scopes: BTreeMap::new(),
        }
    }
}

impl Identity {
    /// Whether the host's own issuer is believed.
    pub fn trusts_own_issuer(&self) -> bool {
        self.demo.unwrap_or(self.issuers.is_empty())
    }

    /// All scopes a call of this tool (`plugin/tool`) needs, or any call, if one of them is not among `given`.
    pub fn lacking(&self, given: &[String], tool: Option<&str>) -> Option<Vec<String>> {
        let more = tool.and_then(|tool| self.tool_scopes.get(tool)).into_iter().flatten();
        let needed: Vec<String> = self.scopes.iter().chain(more).cloned().collect();
        needed.iter().any(|scope| !given.contains(scope)).then_some(needed)
    }
}

/// Someone the host vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The name on the command line and the token's subject.
    pub name: String,
    /// For people to read.
    pub display_name: String,
    /// Role names; what a role may do is the policy's business.
    pub roles: Vec<String>,
    /// Its own tenants.
    #[serde(default)]
    pub tenants: Vec<Uuid>,
    /// Its own regions.
    #[serde(default)]
    pub regions: Vec<String>,
    /// What its tokens may be used for. The one scope every call needs by default.
    #[serde(default = "one_scope")]
    pub scopes: Vec<String>,
}

/// An OAuth authorization server whose access tokens (RFC 9068) are believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Its issuer identifier: the `iss` of its tokens, letter for letter. `https`, or plain `http` to this machine.
    pub url: String,
    /// Audiences (`aud`) of tokens meant for this host. Empty: this host's own public URL, as RFC 8707 asks.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Kinds of token (`typ`) taken for access tokens. RFC 9068 has one, and no ID token carries it; `"JWT"`, or `""` for
    /// a token without, are for issuers that do not write it, and leave audience and scopes to tell the two apart.
    #[serde(default = "usual_types")]
    pub types: Vec<String>,
    /// Algorithms its keys may be used with.
    #[serde(default = "usual_algorithms")]
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are. Unset: found through its metadata (RFC 8414, OpenID Connect Discovery).
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// Seconds its clock and ours may disagree, at most 300. Two clocks kept by NTP differ by less than one; 30 cover
    /// a machine that just woke up.
    #[serde(default = "usual_leeway")]
    pub leeway_seconds: u64,
    /// Tokens that live longer than this many seconds are refused. Unset: what the issuer decides.
    #[serde(default)]
    pub max_token_seconds: Option<u64>,
    /// Where its tokens say what.
    #[serde(default)]
    pub claims: Claims,
}

/// Claims that carry what a principal is made of. A name is looked for as it stands, then as a path with dots
/// (`realm_access.roles`). A claim that is absent is empty; one of another shape refuses the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Claims {
    /// Role names: a list of strings.
    pub roles: String,
    /// Its own tenants: a list of UUIDs.
    pub tenants: String,
    /// Its own regions: a list of strings.
    pub regions: String,
    /// A name for people to read. Absent: the subject.
    pub name: String,
    /// What tells one token from another, so that it can be taken back. Must be there.
    pub id: String,
}

impl Default for Claims {
    fn default() -> Self {
        let own = str::to_owned;
        let (roles, tenants, regions) = (own("roles"), own("tenants"), own("regions"));
        Self { roles, tenants, regions, name: own("name"), id: own("jti") }
    }
}

/// How a token is signed: the asymmetric algorithms of RFC 7518 and RFC 8037. `none` and HMAC are not among them, so a
/// configuration that names them cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    #[serde(alias = "Ed25519")]
    EdDSA,
}

fn one_scope() -> Vec<String> {
    vec![SCOPE.to_owned()]
}

/// What RFC 9068 requires, and the two whose signatures are short.
fn usual_algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
}

/// What RFC 9068, section 2.1 has its tokens say they are.
pub(crate) fn usual_types() -> Vec<String> {
    vec!["at+jwt".to_owned()]
}

fn usual_leeway() -> u64 {
    30
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::Figment;
    use figment::providers::{Format, Toml};

    fn issuer(toml: &str) -> Result<Issuer, String> {
        Figment::from(Toml::string(toml)).extract().map_err(|e| e.to_string())
    }

    #[test]
    fn only_asymmetric_algorithms_can_be_configured() {
        let with = |name: &str| issuer(&format!("url = 'https://as.example'\nalgorithms = ['{name}']"));
        for name in ["RS256", "PS512", "ES384", "EdDSA", "Ed25519"] {
            assert!(with(name).is_ok(), "{name}");
        }
        for name in ["none", "None", "HS256", "HS512", "rs256", "ES512", ""] {
            assert!(with(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_defaults_are_tight() {
        let plain = issuer("url = 'https://as.example'").unwrap();
        assert_eq!((&plain.algorithms, plain.leeway_seconds), (&usual_algorithms(), 30));
        assert_eq!((&plain.types, plain.claims.id.as_str()), (&vec!["at+jwt".to_owned()], "jti"));
        let mut settings = Identity::default();
        assert!(settings.trusts_own_issuer());
        settings.issuers = vec![plain];
        assert!(!settings.trusts_own_issuer(), "a real issuer turns our own off");
        settings.demo = Some(true);
        assert!(settings.trusts_own_issuer());
    }
}
