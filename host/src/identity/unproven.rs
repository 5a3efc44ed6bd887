//! Why a proof was not accepted.

/// A proof that was not accepted. One text for every reason: a caller who forges must not learn how far it came. The
/// reason is for the log and the audit trail.
#[derive(Debug, thiserror::Error)]
#[error("a valid bearer token is required")]
pub struct Unproven(#[source] Why);

/// The private half of an [`Unproven`].
#[derive(Debug, thiserror::Error)]
#[error("{}: {detail}", reason.as_str())]
struct Why {
    reason: Reason,
    detail: String,
}

/// Why, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not a token at all, or one with a header or claims that cannot be read, or can be read in two ways.
    Malformed,
    /// Longer than a token may be.
    TooLong,
    /// A JWT that is not an access token.
    NotAccessToken,
    /// From an issuer that is not believed.
    UnknownIssuer,
    /// Signed with a key its issuer does not publish.
    UnknownKey,
    /// Signed in a way the issuer's key may not be used.
    WrongAlgorithm,
    /// The signature does not fit.
    BadSignature,
    /// For somebody else.
    WrongAudience,
    /// Over.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// Lives longer than the settings allow.
    LivesTooLong,
    /// A claim is absent, or of the wrong type or size.
    BadClaim,
    /// Taken back.
    Revoked,
    /// What was taken back is not known right now.
    RevocationsUnknown,
    /// The issuer's keys cannot be had right now.
    IssuerUnreachable,
    /// An API key that does not exist, is over, or has another secret.
    WrongApiKey,
    /// Which API keys there are is not known right now.
    ApiKeysUnknown,
    /// As many proofs are being checked as the host checks at once.
    Busy,
    /// Nobody of that name.
    UnknownPerson,
    /// The settings turn this kind of proof off.
    TurnedOff,
}

impl Reason {
    /// A stable name for logs, audit records and dashboards.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::TooLong => "too_long",
            Reason::NotAccessToken => "not_access_token",
            Reason::UnknownIssuer => "unknown_issuer",
            Reason::UnknownKey => "unknown_key",
            Reason::WrongAlgorithm => "wrong_algorithm",
            Reason::BadSignature => "bad_signature",
            Reason::WrongAudience => "wrong_audience",
            Reason::Expired => "expired",
            Reason::NotYetValid => "not_yet_valid",
            Reason::LivesTooLong => "lives_too_long",
            Reason::BadClaim => "bad_claim",
            Reason::Revoked => "revoked",
            Reason::RevocationsUnknown => "revocations_unknown",
            Reason::IssuerUnreachable => "issuer_unreachable",
            Reason::WrongApiKey => "wrong_api_key",
            Reason::ApiKeysUnknown => "api_keys_unknown",
            Reason::Busy => "busy",
            Reason::UnknownPerson => "unknown_person",
            Reason::TurnedOff => "turned_off",
        }
    }
}

impl Unproven {
    /// `detail` is for the operator: never a token, a signature or a secret.
    pub(super) fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self(Why { reason, detail: detail.into() })
    }

    /// Why, for the log and the audit trail; never for the caller.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// Whether the same proof may be accepted in a moment: the host cannot tell. A client that hears "invalid" throws its
    /// token away; for these, "try again" is the answer. It says nothing of the proof: who forges hears it, too.
    pub fn is_passing(&self) -> bool {
        matches!(
            self.reason(),
            Reason::RevocationsUnknown | Reason::IssuerUnreachable | Reason::ApiKeysUnknown | Reason::Busy
        )
    }
}
