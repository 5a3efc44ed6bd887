//! What makes two questions the same: everything that can change the answer, and who may share it.
//!
//! Each part is written with its kind and its length, so that the bytes can be read back in one way only: two questions
//! have the same bytes where they are the same, and the same key where SHA-256 collides.

use super::super::value::Value;
use crate::policy::{Readable, Scope};
use sha2::{Digest, Sha256};

/// Names a question.
pub(super) type Key = [u8; 32];

/// What these bytes are for, and their form: a hash made for anything else is none of ours.
const DOMAIN: &str = "rowhouse answer 1";

/// What is the same for all statements of a call.
pub(super) struct Facts<'a> {
    /// SHA-256 of the component that asks.
    pub(super) plugin: &'a str,
    /// The login role.
    pub(super) role: &'a str,
    /// Whose rows.
    pub(super) scope: &'a Scope,
    /// Which relations may be read: a statement that is refused has no answer, and whose rights differ shares none.
    pub(super) readable: &'a Readable,
    /// Rows an answer may have.
    pub(super) rows: u32,
    /// Bytes an answer may have.
    pub(super) bytes: usize,
}

/// Who asks, half hashed.
#[derive(Clone)]
pub(super) struct Asker(Sha256);

impl Asker {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let mut hash = Sha256::new();
        facts.write(&mut |bytes| hash.update(bytes));
        Self(hash)
    }

    /// The key of a statement in a database; `place` says which, and in what shape.
    pub(super) fn key(&self, place: &[u8; 32], statement: &str, parameters: &[Value]) -> Key {
        let mut hash = self.0.clone();
        question(&mut |bytes| hash.update(bytes), place, statement, parameters);
        hash.finalize().into()
    }
}

/// Where bytes go.
type Out<'a> = &'a mut dyn FnMut(&[u8]);

fn number(out: Out<'_>, number: u64) {
    out(&number.to_le_bytes());
}

/// Bytes with their length before them.
fn part(out: Out<'_>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out(bytes);
}

impl Facts<'_> {
    fn write(&self, out: Out<'_>) {
        part(out, DOMAIN.as_bytes());
        part(out, self.plugin.as_bytes());
        part(out, self.role.as_bytes());
        match self.scope {
            Scope::One(tenant) => {
                out(&[1]);
                out(tenant.as_bytes());
            }
            Scope::Some(tenants) => {
                // Sorted, also where the scope should be already: the same tenants are the same scope.
                let mut tenants = tenants.clone();
                tenants.sort_unstable();
                out(&[2]);
                number(out, tenants.len() as u64);
                tenants.iter().for_each(|tenant| out(tenant.as_bytes()));
            }
            Scope::All => out(&[3]),
        }
        let tables = self.readable.tables();
        number(out, tables.len() as u64);
        for (schema, names) in tables {
            part(out, schema.as_bytes());
            number(out, names.len() as u64);
            names.iter().for_each(|name| part(out, name.as_bytes()));
        }
        number(out, u64::from(self.rows));
        number(out, self.bytes as u64);
    }
}

fn question(out: Out<'_>, place: &[u8; 32], statement: &str, parameters: &[Value]) {
    out(place);
    part(out, statement.as_bytes());
    number(out, parameters.len() as u64);
    parameters.iter().for_each(|value| write(out, value));
}

fn write(out: Out<'_>, value: &Value) {
    let mut list = |tag: u8, items: &mut dyn Iterator<Item = Vec<u8>>| {
        let items: Vec<Vec<u8>> = items.collect();
        out(&[tag]);
        number(out, items.len() as u64);
        items.iter().for_each(|item| part(out, item));
    };
    match value {
        Value::BooleanArray(all) => return list(12, &mut all.iter().map(|b| vec![u8::from(*b)])),
        Value::IntArray(all) => return list(13, &mut all.iter().map(|n| n.to_le_bytes().to_vec())),
        Value::FloatArray(all) => return list(14, &mut all.iter().map(|x| x.to_bits().to_le_bytes().to_vec())),
        Value::TextArray(all) => return list(15, &mut all.iter().map(|t| t.clone().into_bytes())),
        Value::UuidArray(all) => return list(16, &mut all.iter().map(|t| t.clone().into_bytes())),
        Value::Vector(all) => return list(17, &mut all.iter().map(|x| x.to_bits().to_le_bytes().to_vec())),
        _ => {}
    }
    let mut one = |tag: u8, bytes: &[u8]| {
        out(&[tag]);
        part(out, bytes);
    };
    match value {
        Value::Boolean(b) => one(2, &[u8::from(*b)]),
        Value::Int(n) => one(3, &n.to_le_bytes()),
        Value::Float(x) => one(4, &x.to_bits().to_le_bytes()),
        Value::Numeric(t) => one(5, t.as_bytes()),
        Value::Text(t) => one(6, t.as_bytes()),
        Value::Timestamp(t) => one(7, t.as_bytes()),
        Value::Date(t) => one(8, t.as_bytes()),
        Value::Uuid(t) => one(9, t.as_bytes()),
        Value::Json(t) => one(10, t.as_bytes()),
        Value::Bytes(b) => one(11, b),
        // The lists are written above.
        _ => one(1, &[]),
    }
}

#[cfg(test)]
mod tests;
