//! Tenants, people and rows, all of them known.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rowhouse::config;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use uuid::Uuid;

const TENANTS: usize = 50;
const REGIONS: usize = 6;

/// Enough that a sum tells whose it is, few enough that every figure is checked in microseconds.
const ROWS: usize = 2_500;

/// People of several tenants.
const WIDE: usize = 25;

/// A tenant.
pub(super) struct Tenant {
    pub(super) id: Uuid,
    region: usize,
}

/// A row of `crowd.sales`.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) account: Uuid,
    pub(super) id: Uuid,
    pub(super) cents: i64,
    pub(super) kind: i64,
}

/// The tenants whose rows a call may see.
pub(super) type Sees = BTreeSet<Uuid>;

/// Somebody who asks.
pub(super) struct Person {
    pub(super) name: String,
    role: &'static str,
    /// As its token says.
    tenants: Vec<Uuid>,
    regions: Vec<String>,
    /// Whose rows it may see.
    pub(super) sees: Sees,
}

/// Everything there is.
pub(super) struct World {
    pub(super) tenants: Vec<Tenant>,
    pub(super) people: Vec<Person>,
    pub(super) rows: Vec<Row>,
    /// Whose each key is: a tenant's, or a row's.
    owners: HashMap<Uuid, Uuid>,
}

fn key(chance: &mut StdRng) -> Uuid {
    uuid::Builder::from_random_bytes(chance.random()).into_uuid()
}

impl World {
    /// The same one every time.
    pub(super) fn new() -> Self {
        let chance = &mut StdRng::seed_from_u64(50);
        let tenants: Vec<Tenant> = (0..TENANTS).map(|i| Tenant { id: key(chance), region: i % REGIONS }).collect();
        let mut rows: Vec<Row> = (0..ROWS)
            .map(|_| {
                let account = tenants.choose(chance).expect("a tenant").id;
                Row {
                    account,
                    id: key(chance),
                    cents: chance.random_range(1..1_000_000),
                    kind: chance.random_range(0..8),
                }
            })
            .collect();
        rows.sort_by_key(|row| row.id);
        let person = |name: String, role, tenants: Vec<Uuid>| Person {
            name,
            role,
            sees: tenants.iter().copied().collect(),
            tenants,
            regions: Vec::new(),
        };
        let mut people = Vec::new();
        for (i, tenant) in tenants.iter().enumerate() {
            people.push(person(format!("one-{i}"), "store_manager", vec![tenant.id]));
        }
        for i in 0..WIDE {
            let many = chance.random_range(2..=9);
            let own = tenants.choose_multiple(chance, many).map(|tenant| tenant.id).collect();
            people.push(person(format!("some-{i}"), "store_manager", own));
        }
        // One whose token also names a tenant that is nobody's here.
        let mut hopeful = person("hopeful".to_owned(), "store_manager", vec![tenants[7].id]);
        hopeful.tenants.push(key(chance));
        people.push(hopeful);
        for region in 0..REGIONS {
            let own: Vec<Uuid> = tenants.iter().filter(|t| t.region == region).map(|t| t.id).collect();
            let mut manager = person(format!("region-{region}"), "regional_manager", own);
            manager.tenants.clear();
            manager.regions = vec![region_name(region)];
            people.push(manager);
        }
        let mut head = person("head".to_owned(), "super_admin", tenants.iter().map(|t| t.id).collect());
        head.tenants.clear();
        people.push(head);
        let owners = tenants.iter().map(|t| (t.id, t.id)).chain(rows.iter().map(|row| (row.id, row.account))).collect();
        Self { tenants, people, rows, owners }
    }

    /// Anybody.
    pub(super) fn person(&self, chance: &mut StdRng) -> &Person {
        self.people.choose(chance).expect("somebody")
    }

    /// A tenant whose rows a call may not see; one that is nobody's where it sees all.
    pub(super) fn foreign(&self, chance: &mut StdRng, sees: &Sees) -> Uuid {
        let strangers: Vec<Uuid> = self.tenants.iter().map(|t| t.id).filter(|id| !sees.contains(id)).collect();
        strangers.choose(chance).copied().unwrap_or_else(|| key(chance))
    }

    /// A key of a foreign tenant's row.
    pub(super) fn foreign_row(&self, chance: &mut StdRng, sees: &Sees) -> Uuid {
        let strangers: Vec<Uuid> =
            self.rows.iter().filter(|row| !sees.contains(&row.account)).map(|row| row.id).collect();
        strangers.choose(chance).copied().unwrap_or_else(|| key(chance))
    }

    /// The first key an answer shows that the call may not see, and that its question did not name.
    pub(super) fn stranger(&self, sees: &Sees, answer: &str, question: &str) -> Option<Uuid> {
        let keys = answer.split(|c: char| !(c.is_ascii_hexdigit() || c == '-')).filter(|word| word.len() == 36);
        let keys = keys.filter(|word| !question.contains(word)).filter_map(|word| Uuid::try_parse(word).ok());
        keys.into_iter().find(|key| self.owners.get(key).is_none_or(|owner| !sees.contains(owner)))
    }

    /// The tables, the directory and every row.
    pub(super) fn script(&self) -> String {
        let mut sql = "CREATE SCHEMA crowd;
            CREATE TABLE crowd.sales (account uuid NOT NULL, id uuid NOT NULL, cents bigint NOT NULL, kind bigint NOT NULL,
                                      note text NOT NULL, PRIMARY KEY (account, id));
            CREATE TABLE crowd.kinds (kind bigint PRIMARY KEY, label text NOT NULL);
            INSERT INTO crowd.kinds SELECT k, 'kind ' || k FROM generate_series(0, 7) AS k;"
            .to_owned();
        for tenant in &self.tenants {
            let (id, region) = (tenant.id, region_name(tenant.region));
            writeln!(
                sql,
                "INSERT INTO rowhouse.tenants_directory (id, name, region) VALUES ('{id}', '{id}', '{region}');"
            )
            .expect("a String takes all");
        }
        for Row { account, id, cents, kind } in &self.rows {
            writeln!(
                sql,
                "INSERT INTO crowd.sales VALUES ('{account}', '{id}', {cents}, {kind}, 'sold by {account}');"
            )
            .expect("a String takes all");
        }
        sql.push_str("CALL rowhouse.protect('crowd.sales', 'account'); CALL rowhouse.share('crowd.kinds'); ANALYZE;");
        sql
    }
}

impl Person {
    /// As the settings name it.
    pub(super) fn known(&self) -> config::Person {
        config::Person {
            name: self.name.clone(),
            display_name: self.name.clone(),
            roles: vec![self.role.to_owned()],
            tenants: self.tenants.clone(),
            regions: self.regions.clone(),
            scopes: vec!["mcp:tools".to_owned()],
        }
    }
}

fn region_name(region: usize) -> String {
    format!("Region {region}")
}
