//! All of it, in one transaction: a load that is broken off leaves nothing behind.

use tokio_postgres::{Client, Transaction};

use super::catalogue::{self, Catalogue};
use super::chance::{Chance, split};
use super::copy::Batch;
use super::orders::{self, Demand};
use super::stores::{STORES, Store};
use super::{customers, dollars, indexes};
use crate::error::{Doing as _, Error};

/// At scale 1.
const CUSTOMERS: f64 = 50_000.0;
/// At scale 1.
const ORDERS: f64 = 200_000.0;
/// Orders to a COPY: often enough for a progress bar, seldom enough to cost nothing.
const BATCH: usize = 5_000;

/// How far the load has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being loaded or built: `catalogue`, `customers`, `orders`, `indexes`.
    pub step: &'static str,
    /// Rows (or indexes) done in this step.
    pub done: u64,
    /// Rows (or indexes) in this step.
    pub total: u64,
}

/// What was loaded, in rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeedReport {
    /// Products in the catalogue.
    pub products: u64,
    /// Customers of all stores.
    pub customers: u64,
    /// Orders of all stores.
    pub orders: u64,
    /// Lines of all orders.
    pub order_items: u64,
}

/// Whether the demo's stores are there.
///
/// # Errors
/// [`Error::Database`], e.g. before [`crate::migrate`].
pub async fn is_seeded(admin: &Client) -> Result<bool, Error> {
    let row = admin
        .query_one("SELECT EXISTS (SELECT FROM rowhouse.tenants_directory WHERE id = $1)", &[&STORES[0].id()])
        .await
        .doing("look for the demo's stores")?;
    Ok(row.get(0))
}

/// Loads the demo: 50,000 customers and 200,000 orders times `scale`, the same rows each time. The catalogue and the
/// stores are always whole. `on` hears of progress a few dozen times.
///
/// # Errors
/// [`Error::BadScale`] outside 0.001 to 100; [`Error::AlreadySeeded`]; [`Error::Database`]. Nothing is kept then.
pub async fn seed(admin: &mut Client, scale: f64, on: &mut (dyn FnMut(Progress) + Send)) -> Result<SeedReport, Error> {
    if !(0.001..=100.0).contains(&scale) {
        return Err(Error::BadScale(scale));
    }
    if is_seeded(admin).await? {
        return Err(Error::AlreadySeeded);
    }
    let tx = admin.transaction().await.doing("begin to load the demo")?;
    // Two at once: the second waits here, then fails on the first one's keys. 128 MB sorts the largest index.
    tx.batch_execute(
        "SET LOCAL ROLE rowhouse_owner; LOCK TABLE rowhouse.tenants_directory IN SHARE ROW EXCLUSIVE MODE",
    )
    .await
    .doing("begin to load the demo")?;
    write_directory(&tx).await?;
    tx.batch_execute("RESET ROLE; SET LOCAL maintenance_work_mem = '128MB'").await.doing("begin to load the demo")?;
    let removed = indexes::remove(&tx).await?;
    tx.batch_execute("SET LOCAL ROLE retail_owner").await.doing("act as the demo's owner")?;
    let catalogue = catalogue::read();
    let mut report = write_catalogue(&tx, &catalogue, on).await?;
    write_sales(&tx, &catalogue, scale, &mut report, on).await?;
    let total = removed.len();
    removed.restore(&tx, |done| on(Progress { step: "indexes", done, total })).await?;
    tx.commit().await.doing("commit the demo")?;
    admin
        .batch_execute("ANALYZE retail.stores, retail.customers, retail.orders, retail.order_items, retail.inventory, retail.products, retail.categories, retail.product_types")
        .await
        .doing("gather the planner's statistics")?;
    Ok(report)
}

async fn write_directory(tx: &Transaction<'_>) -> Result<(), Error> {
    for store in &STORES {
        tx.execute(
            "INSERT INTO rowhouse.tenants_directory (id, name, region, attributes)
             VALUES ($1, $2, $3, jsonb_build_object('key', $4::text, 'is_online', $5::boolean))",
            &[&store.id(), &store.name, &store.region, &store.key, &store.is_online()],
        )
        .await
        .doing("write the directory of tenants")?;
    }
    Ok(())
}

async fn write_catalogue(
    tx: &Transaction<'_>,
    all: &Catalogue,
    on: &mut (dyn FnMut(Progress) + Send),
) -> Result<SeedReport, Error> {
    let mut chance = Chance::new(0);
    let mut categories = Batch::new("retail.categories (category_id, category_name)");
    let mut types = Batch::new("retail.product_types (type_id, category_id, type_name)");
    let mut products = Batch::new(
        "retail.products (product_id, sku, product_name, category_id, type_id, cost, base_price, gross_margin_percent, product_description)",
    );
    let mut stores = Batch::new("retail.stores (store_id, store_name, region, is_online, opened)");
    let mut inventory = Batch::new("retail.inventory (store_id, product_id, stock_level)");
    for category in &all.categories {
        categories.push(&[&category.id, &category.name]);
    }
    for kind in &all.types {
        types.push(&[&kind.id, &kind.category, &kind.name]);
    }
    for p in &all.products {
        // Hundredths of a percent have the shape of cents.
        let margin = dollars(((p.price - p.cost) * 10_000 + p.price / 2) / p.price);
        products.push(&[
            &p.id,
            &p.sku,
            &p.name,
            &p.category,
            &p.type_id,
            &dollars(p.cost),
            &dollars(p.price),
            &margin,
            &p.description,
        ]);
    }
    for store in &STORES {
        stores.push(&[&store.id(), &store.name, &store.region, &store.is_online(), &store.opened]);
        for product in &all.products {
            inventory.push(&[&store.id(), &product.id, &stock(store, product.price, &mut chance)]);
        }
    }
    let rows = products.rows;
    for batch in [&mut categories, &mut types, &mut products, &mut stores, &mut inventory] {
        batch.send(tx).await?;
    }
    on(Progress { step: "catalogue", done: rows, total: rows });
    Ok(SeedReport { products: rows, ..SeedReport::default() })
}

/// Dear things are few on the shelf, one in twenty-five is sold out, the online warehouse is four times as deep.
fn stock(store: &Store, price: i64, chance: &mut Chance) -> usize {
    let depth = if price < 2_000 {
        160
    } else if price < 10_000 {
        60
    } else {
        15
    };
    let room = if store.is_online() { 4 } else { 1 };
    if chance.below(25) == 0 { 0 } else { chance.below(depth * room) }
}

async fn write_sales(
    tx: &Transaction<'_>,
    catalogue: &Catalogue,
    scale: f64,
    report: &mut SeedReport,
    on: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), Error> {
    let weights = STORES.each_ref().map(|store| store.weight);
    // Every store has customers, however small the scale.
    let customers_of = split(((CUSTOMERS * scale) as usize).max(50), &weights);
    let orders_of = split(((ORDERS * scale) as usize).max(200), &weights);
    let (all_customers, all_orders) =
        (customers_of.iter().sum::<usize>() as u64, orders_of.iter().sum::<usize>() as u64);

    let mut plans = Vec::new();
    for (number, store) in STORES.iter().enumerate() {
        let mut chance = Chance::new(1 + number as u64);
        let visits = orders::visits(store, orders_of[number], customers_of[number], &mut chance);
        let mut first_orders = vec![None; customers_of[number]];
        for visit in &visits {
            first_orders[visit.customer].get_or_insert(visit.day);
        }
        let mut batch =
            Batch::new("retail.customers (customer_id, store_id, first_name, last_name, email, phone, joined)");
        customers::write(&mut batch, store, &first_orders, &mut chance);
        report.customers += batch.rows;
        batch.send(tx).await?;
        on(Progress { step: "customers", done: report.customers, total: all_customers });
        plans.push((store, visits, chance));
    }

    let mut orders = Batch::new("retail.orders (order_id, store_id, customer_id, order_date, total_amount)");
    let mut items = Batch::new(
        "retail.order_items (order_item_id, order_id, store_id, product_id, quantity, unit_price, discount_percent, discount_amount, total_amount)",
    );
    // Store by store and day by day, so that a store's rows lie together on disk.
    for (store, visits, mut chance) in plans {
        let demand = Demand::new(&catalogue.products, &mut chance);
        for (chunk_number, chunk) in visits.chunks(BATCH).enumerate() {
            for (place, visit) in chunk.iter().enumerate() {
                let number = chunk_number * BATCH + place;
                orders::write(
                    (&mut orders, &mut items),
                    (store, &catalogue.products, &demand),
                    (number, *visit),
                    &mut chance,
                );
            }
            report.orders += orders.rows;
            report.order_items += items.rows;
            orders.send(tx).await?;
            items.send(tx).await?;
            on(Progress { step: "orders", done: report.orders, total: all_orders });
        }
    }
    Ok(())
}
