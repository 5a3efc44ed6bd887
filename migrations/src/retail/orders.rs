//! What was bought, when, for how much.

use chrono::{Datelike as _, Days, NaiveDate, Weekday};

use super::catalogue::Product;
use super::chance::{Chance, Lottery};
use super::copy::Batch;
use super::stores::Store;
use super::{customers, dollars, key};

/// The last day with orders. Fixed, so that "last quarter" has one answer.
pub(super) const LAST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 10, 31).expect("a day in the calendar");
/// Five years, from 2021-11-01.
pub(super) const DAYS: u32 = 1826;

/// What list prices were in each of the five years, in percent of today's.
const PRICE_LEVEL: [i64; 5] = [86, 90, 94, 97, 100];
/// Trade as a whole by month, January first; categories have seasons of their own on top.
const MONTHS: [f64; 12] = [0.80, 0.82, 0.95, 1.10, 1.20, 1.20, 1.12, 1.05, 1.0, 1.0, 0.98, 0.95];

/// The day that many days after the first.
pub(super) fn day(number: u32) -> NaiveDate {
    LAST_DAY - Days::new(u64::from(DAYS - 1 - number))
}

/// One order to be: day and customer, by number.
#[derive(Clone, Copy)]
pub(super) struct Visit {
    pub(super) day: u32,
    pub(super) customer: usize,
}

/// The orders of one store, earliest first.
pub(super) fn visits(store: &Store, orders: usize, customers: usize, chance: &mut Chance) -> Vec<Visit> {
    let days = Lottery::new((0..DAYS).map(|number| {
        let date = day(number);
        let growth = 1.0 + store.growth * f64::from(number) / f64::from(DAYS);
        let weekday = match date.weekday() {
            Weekday::Sat if !store.is_online() => 1.6,
            Weekday::Sun if !store.is_online() => 1.3,
            _ => 1.0,
        };
        growth * weekday * MONTHS[date.month0() as usize]
    }));
    let mut visits: Vec<_> = (0..orders)
        .map(|_| {
            // Squared, so that the first customers are the regulars.
            let share = chance.unit();
            Visit { day: days.draw(chance) as u32, customer: (share * share * customers as f64) as usize }
        })
        .collect();
    visits.sort_by_key(|visit| visit.day);
    visits
}

/// What customers of one store like, month by month.
pub(super) struct Demand(Vec<Lottery>);

impl Demand {
    pub(super) fn new(products: &[Product], chance: &mut Chance) -> Self {
        let liking: Vec<f64> = products
            .iter()
            .map(|product| {
                // Cheap things sell more often; some things sell well here and not there.
                let cheap = 1.0 / (product.price as f64 / 100.0 + 8.0).sqrt();
                cheap * chance.one_of(&[0.3, 0.6, 0.8, 1.0, 1.0, 1.3, 1.8, 3.0])
            })
            .collect();
        let month =
            |m: usize| Lottery::new(products.iter().zip(&liking).map(|(product, like)| like * product.season[m]));
        Self((0..12).map(month).collect())
    }
}

/// Writes the `number`th order of a store and its items; the order's total is the sum of the items', to the cent.
pub(super) fn write(
    (orders, items): (&mut Batch, &mut Batch),
    (store, products, demand): (&Store, &[Product], &Demand),
    (number, visit): (usize, Visit),
    chance: &mut Chance,
) {
    let date = day(visit.day);
    let level = PRICE_LEVEL[(visit.day * 5 / DAYS) as usize];
    let order = key(&format!("order/{}/{number}", store.key));
    let mut sum = 0;
    let mut bought: Vec<usize> = Vec::new();
    for _ in 0..*chance.one_of(&[1, 1, 1, 2, 2, 2, 3, 3, 4, 6]) {
        let product = demand.0[date.month0() as usize].draw(chance);
        if bought.contains(&product) {
            continue; // One line for a product; a rare repeat makes the order shorter.
        }
        bought.push(product);
        let product = &products[product];
        let price = (product.price * level + 50) / 100;
        let quantity = quantity(product.price, chance);
        let percent = *chance.one_of(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 10, 15, 20]);
        let discount = (price * quantity * percent + 50) / 100;
        let total = price * quantity - discount;
        sum += total;
        let item = key(&format!("item/{}/{number}/{}", store.key, bought.len()));
        items.push(&[
            &item,
            &order,
            &store.id(),
            &product.id,
            &quantity,
            &dollars(price),
            &percent,
            &dollars(discount),
            &dollars(total),
        ]);
    }
    orders.push(&[&order, &store.id(), &customers::id(store, visit.customer), &date, &dollars(sum)]);
}

/// Screws go by the box, mowers one at a time.
fn quantity(price: i64, chance: &mut Chance) -> i64 {
    *match price {
        ..=999 => chance.one_of(&[1, 1, 2, 2, 3, 4, 6, 10]),
        1_000..=4_999 => chance.one_of(&[1, 1, 1, 1, 2, 2, 3]),
        _ => chance.one_of(&[1, 1, 1, 1, 1, 1, 1, 2]),
    }
}
