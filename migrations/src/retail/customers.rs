//! Who buys.

use chrono::{Days, NaiveDate};
use uuid::Uuid;

use super::chance::Chance;
use super::copy::Batch;
use super::key;
use super::orders::{DAYS, day};
use super::stores::Store;

const FIRST: &str = "Aaron Abigail Ahmed Aiko Alejandro Alice Amara Amelia Amir Ana Andre Angela Anika Anthony Arjun Ava Ben \
    Bianca Brandon Caleb Camila Carlos Carmen Charlotte Chloe Chris Claire Daniel David Deepa Diego Elena Eli Emily Emma \
    Ethan Fatima Felix Gabriel Grace Hana Hannah Henry Ian Imani Isaac Isabella Jack Jada James Jasmine Javier Jin Joan \
    Jordan Jose Julia Kai Karen Kenji Kevin Lars Laura Leah Leo Liam Lin Lucas Lucia Maria Mark Maya Mei Mia Michael Mina \
    Nadia Naomi Nathan Nina Noah Olivia Omar Owen Paul Priya Quinn Rachel Raj Rosa Ruth Ryan Sam Sarah Sofia Tara Thomas \
    Tyler Victor Wei Yara Zoe";
const LAST: &str = "Adams Ali Allen Andersen Baker Barnes Bauer Bell Bennett Brooks Brown Campbell Carter Castillo Chan Chavez \
    Chen Choi Clark Cohen Collins Cooper Cox Cruz Davis Diaz Dixon Edwards Evans Fisher Flores Foster Garcia Gibson \
    Gomez Gonzalez Graham Gray Green Gupta Hall Hamilton Hansen Harris Hayes Henderson Hernandez Hill Hoang Howard Huang \
    Hughes Ito Jackson James Jenkins Jensen Johnson Jones Kelly Khan Kim King Kowalski Kumar Lam Larson Lee Lewis Li Lopez \
    Martin Martinez Mason Miller Mitchell Moore Morgan Murphy Nakamura Nelson Nguyen Nilsson Novak Ortiz Park Patel \
    Perez Peterson Pham Phillips Powell Ramirez Reed Reyes Rivera Roberts Rossi Russell Ryan Sanchez Sato Schmidt Scott \
    Shah Silva Singh Smith Stewart Sullivan Tanaka Taylor Thomas Torres Tran Turner Walker Wang Ward Watson White Williams \
    Wilson Wong Wright Wu Yamamoto Yang Young Zhang";

pub(super) fn id(store: &Store, number: usize) -> Uuid {
    key(&format!("customer/{}/{number}", store.key))
}

/// The customers of one store. `first_orders`: for each, the day of the first order, if there is one.
pub(super) fn write(batch: &mut Batch, store: &Store, first_orders: &[Option<u32>], chance: &mut Chance) {
    let (first, last): (Vec<_>, Vec<_>) = (FIRST.split_whitespace().collect(), LAST.split_whitespace().collect());
    for (number, first_order) in first_orders.iter().enumerate() {
        let (given, family) = (*chance.one_of(&first), *chance.one_of(&last));
        let email = format!("{}.{}.{}{number}@example.com", given.to_lowercase(), family.to_lowercase(), store.key);
        // 555-0100 to 555-0199 belong to nobody. One customer in twelve gave no number (\N is COPY's null).
        let phone = match chance.below(12) {
            0 => "\\N".to_owned(),
            _ => format!("({}) 555-01{:02}", store.area_code, chance.below(100)),
        };
        let joined = joined(*first_order, chance);
        batch.push(&[&id(store, number), &store.id(), &given, &family, &email, &phone, &joined]);
    }
}

/// Most register with their first order, some up to a year before.
fn joined(first_order: Option<u32>, chance: &mut Chance) -> NaiveDate {
    let by = day(first_order.unwrap_or_else(|| chance.below(DAYS as usize) as u32));
    let earlier = if chance.below(3) == 0 { chance.below(365) as u64 } else { 0 };
    by - Days::new(earlier)
}
