//! Who is charged for a call.

use crate::policy::Permit;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// Who is charged: the tenant, by callers who may see no other one; everybody else for itself, also for a call that was
/// narrowed to one tenant. A head office can so not use up what is its stores', and no store can hold up the head office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// One tenant.
    Tenant(Uuid),
    /// One principal, by the digest of issuer and subject: neither stands in a table or in Redis.
    Principal([u8; 16]),
}

impl Account {
    /// Who is charged for a call of this principal, whose only tenant is `sole` if it has no other.
    pub fn of(sole: Option<Uuid>, issuer: &str, subject: &str) -> Self {
        match sole {
            Some(tenant) => Account::Tenant(tenant),
            None => Account::Principal(digest(&[issuer.as_bytes(), subject.as_bytes()])),
        }
    }

    /// Who is charged for what this permit allows.
    pub fn of_permit(permit: &Permit) -> Self {
        let who = permit.principal();
        Self::of(permit.sole_tenant(), who.issuer(), who.subject())
    }

    /// A principal in log lines: the digits it has as an account of its own, whoever is charged for its calls.
    pub fn digits(issuer: &str, subject: &str) -> String {
        hex::encode(digest(&[issuer.as_bytes(), subject.as_bytes()]))
    }

    /// A tenant in log lines: the same for all of its callers, and not its number, which is in its rows.
    pub fn tenant_digits(tenant: Uuid) -> String {
        hex::encode(digest(&[b"tenant", tenant.as_bytes()]))
    }

    /// Whose something is, in a text for the caller.
    pub(crate) fn whose(self) -> &'static str {
        match self {
            Account::Tenant(_) => "of this tenant",
            Account::Principal(_) => "of this principal",
        }
    }

    /// The account whose key this is.
    pub fn read(key: &str) -> Option<Self> {
        match key.split_once(':')? {
            ("tenant", id) => Uuid::parse_str(id).ok().map(Account::Tenant),
            ("principal", digits) => {
                let mut digest = [0; 16];
                hex::decode_to_slice(digits, &mut digest).ok()?;
                Some(Account::Principal(digest))
            }
            _ => None,
        }
    }

    /// Sixteen bytes that are this account's alone among those of its kind.
    fn bytes(&self) -> [u8; 16] {
        match self {
            Account::Tenant(tenant) => tenant.into_bytes(),
            Account::Principal(digest) => *digest,
        }
    }
}

/// `tenant:<uuid>` or `principal:<32 hexadecimal digits>`: the key in tables and in Redis.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Account::Tenant(tenant) => write!(f, "tenant:{tenant}"),
            Account::Principal(digest) => write!(f, "principal:{}", hex::encode(digest)),
        }
    }
}

/// One call, as limits see it.
#[derive(Clone, Debug)]
pub struct Charge {
    pub(super) account: Account,
    /// Digest of issuer and subject.
    pub(super) principal: [u8; 16],
    /// Digest of the account, the plugin and the tool.
    pub(super) tool: [u8; 16],
    /// The tool as settings name it: `plugin/tool`.
    pub(super) name: String,
    /// Whose tool it is.
    pub(super) plugin: Arc<str>,
}

impl Charge {
    /// A call of this principal (whose only tenant is `sole` if it has no other) of this plugin's tool.
    pub fn new(sole: Option<Uuid>, issuer: &str, subject: &str, plugin: &str, tool: &str) -> Self {
        let account = Account::of(sole, issuer, subject);
        let kind: &[u8] = if matches!(account, Account::Tenant(_)) { b"t" } else { b"p" };
        Self {
            account,
            principal: digest(&[issuer.as_bytes(), subject.as_bytes()]),
            tool: digest(&[kind, &account.bytes(), plugin.as_bytes(), tool.as_bytes()]),
            name: format!("{plugin}/{tool}"),
            plugin: plugin.into(),
        }
    }

    /// The call this permit allows.
    pub fn of_permit(permit: &Permit) -> Self {
        let who = permit.principal();
        Self::new(permit.sole_tenant(), who.issuer(), who.subject(), permit.plugin(), permit.tool())
    }

    /// Who is charged.
    pub fn account(&self) -> Account {
        self.account
    }

    /// The account's key in its bucket.
    pub(super) fn account_key(&self) -> [u8; 16] {
        match self.account {
            // Hashed, so that a tenant's id (which its maker chose) cannot be made to meet a principal's digest.
            Account::Tenant(tenant) => digest(&[b"tenant", tenant.as_bytes()]),
            Account::Principal(digest) => digest,
        }
    }
}

/// The first half of a SHA-256 over the parts, each led by its length: 128 bits, so that nobody finds two callers, or
/// one who looks like another, by trying.
fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let whole: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_pays_for_itself_and_several_are_paid_by_the_caller() {
        let (a, b) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)));
        let of = |sole: Option<Uuid>, who: &str| Account::of(sole, "https://issuer", who);
        assert_eq!(of(a, "ann"), of(a, "bob"));
        assert_ne!(of(a, "ann"), of(b, "ann"));
        assert_ne!(of(None, "ann"), of(None, "bob"));
        // No way to write the border between issuer and subject elsewhere.
        assert_ne!(Account::of(None, "x", "yz"), Account::of(None, "xy", "z"));
    }

    #[test]
    fn keys_are_read_back_and_name_nobody() {
        for account in [Account::Tenant(Uuid::from_u128(7)), Account::of(None, "https://issuer", "ann@example.com")] {
            let text = account.to_string();
            assert_eq!(Account::read(&text), Some(account));
            assert!(!text.contains("ann") && !text.contains("issuer"), "{text}");
        }
        for wrong in ["", "tenant:", "tenant:7", "principal:00", "person:00112233445566778899aabbccddeeff"] {
            assert_eq!(Account::read(wrong), None, "{wrong}");
        }
    }
}
