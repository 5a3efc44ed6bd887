//! Where things are sold.

use uuid::Uuid;

/// A store: a tenant of the demo.
#[derive(Debug)]
pub struct Store {
    /// Short name, as in tokens and on the command line: `seattle`.
    pub key: &'static str,
    /// As in `retail.stores.store_name`.
    pub name: &'static str,
    /// As in `retail.stores.region`.
    pub region: &'static str,
    /// The day it opened, as `YYYY-MM-DD`.
    pub opened: &'static str,
    pub(super) area_code: &'static str,
    /// Share of all orders.
    pub(super) weight: f64,
    /// Growth of orders over the five years: 0.5 is half as many again at the end.
    pub(super) growth: f64,
}

impl Store {
    /// The tenant id: the value of `store_id` in every row of this store.
    pub fn id(&self) -> Uuid {
        super::key(&format!("store/{}", self.key))
    }

    /// Whether it has no shop floor.
    pub fn is_online(&self) -> bool {
        self.key == "online"
    }
}

/// Puget Sound has three stores, the Eastside three; Spokane is alone beyond the mountains.
pub const STORES: [Store; 8] = [
    store("seattle", "Seattle", "Puget Sound", "1998-04-18", "206", 0.20, 0.25),
    store("bellevue", "Bellevue", "Eastside", "2003-09-06", "425", 0.14, 0.35),
    store("tacoma", "Tacoma", "Puget Sound", "2001-05-12", "253", 0.12, 0.15),
    store("spokane", "Spokane", "Eastern Washington", "2006-03-25", "509", 0.12, 0.30),
    store("everett", "Everett", "Puget Sound", "2010-06-19", "425", 0.09, 0.10),
    store("redmond", "Redmond", "Eastside", "2014-10-04", "425", 0.08, 0.45),
    store("kirkland", "Kirkland", "Eastside", "2017-05-20", "425", 0.07, 0.20),
    store("online", "Online", "Online", "2012-02-01", "360", 0.18, 1.10),
];

const fn store(
    key: &'static str,
    name: &'static str,
    region: &'static str,
    opened: &'static str,
    area_code: &'static str,
    weight: f64,
    growth: f64,
) -> Store {
    Store { key, name, region, opened, area_code, weight, growth }
}
