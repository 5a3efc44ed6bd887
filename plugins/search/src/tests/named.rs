//! What callers call products.

use super::*;
use crate::named::{By, find};

/// Candidates: of which name, product, how it was matched, trigrams in common. The key is made of the product's name.
pub(super) fn candidates(of: &[(i64, &str, i64, f64)]) -> Table {
    known_candidates(of, true)
}

pub(super) fn known_candidates(of: &[(i64, &str, i64, f64)], known: bool) -> Table {
    let columns = ["place", "product_id", "sku", "product_name", "how", "likeness", "known"];
    let row = |&(place, name, how, likeness): &(i64, &str, i64, f64)| {
        cells![place, id(name), format!("SKU-{}", name.len()), name, how, likeness, known]
    };
    Table::new(&columns, of.iter().map(row).collect())
}

/// A key of its own for each name of another length.
fn id(name: &str) -> Value {
    Value::Uuid(format!("{}{:02}", &KEY[..34], name.len()))
}

fn ask(asked: &[&str], of: &[(i64, &str, i64, f64)]) -> Result<crate::named::Found> {
    let host = testing::host::<Plugin>().on("FROM unnest(", candidates(of));
    host.run(|| find(&asked.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()))
}

#[test]
fn the_strictest_match_wins() {
    for (of, name, by) in [
        (&[(1, "Maul", 1, 0.0), (1, "HT-1 Rack", 4, 0.5)][..], "Maul", By::Sku),
        (&[(1, "Maul", 2, 1.0), (1, "MAUL ", 3, 1.0)], "Maul", By::Name),
        (&[(1, "Maul", 3, 1.0), (1, "Maul Handle", 4, 0.5)], "Maul", By::Name),
        (&[(1, "Splitting Maul", 4, 0.4), (1, "Mallet", 5, 0.4)], "Splitting Maul", By::Part),
        (&[(1, "Rubber Mallet", 5, 0.8), (1, "Rubber Boots", 5, 0.37)], "Rubber Mallet", By::Spelling),
        (&[(1, "Wheelbarrow", 5, 0.43)], "Wheelbarrow", By::Spelling),
    ] {
        let found = ask(&["asked"], of).expect(name);
        assert_eq!((found.products[0].name.as_str(), found.products[0].by), (name, by));
        let sentence = (by >= By::Part).then(|| format!("`asked` is taken to be {name}."));
        assert_eq!(found.understood, Vec::from_iter(sentence), "{name}");
    }
}

#[test]
fn what_is_nobodys_name_or_several_is_said_with_the_names_close_to_it() {
    let sizes = ["A", "BB", "CCC", "DDDD", "EEEEE", "FFFFFF"].map(|name| (1, name, 4, 0.5));
    for (of, text) in [
        (&[][..], "there is no product `asked`, nor one spelt alike: search_products finds products"),
        (&[(1, "Boots", 5, 0.39), (1, "Hoe", 5, 0.2)], "there is no product `asked`; close to it: Boots, Hoe"),
        (
            &[(1, "Drill 12 V", 5, 0.54), (1, "Drill 18 V", 5, 0.48)],
            "there is no product `asked`; it may be one of: Drill 12 V, Drill 18 V",
        ),
        (
            &[(1, "Pipe A", 4, 0.7), (1, "Pipe B", 4, 0.6), (1, "Hose", 5, 0.6)],
            "`asked` may be one of: Pipe A, Pipe B; give the whole name",
        ),
        (&sizes, "`asked` may be one of: A, BB, CCC, DDDD, EEEEE and others; give the whole name"),
        (
            &[(1, "Saw", 2, 1.0), (1, "Saw ", 2, 1.0)],
            "more than one product is called `asked`: give its SKU, one of SKU-3, SKU-4",
        ),
    ] {
        assert_eq!(ask(&[" asked "], of), Err(Error::not_found(text)), "{of:?}");
    }
    assert_eq!(
        ask(&["Maul", " "], &[]),
        Err(Error::invalid("the name of a product is blank: give its name or its SKU"))
    );
}

#[test]
fn a_basket_is_asked_for_at_once_and_has_each_product_once() {
    let found = ask(&["maul", "HT-2", "saw"], &[(1, "Maul", 3, 1.0), (2, "Maul", 1, 0.0), (3, "Saw", 3, 1.0)]);
    let names: Vec<String> = found.expect("two").products.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["Maul", "Saw"]);
    // The second of three is unknown.
    let error = ask(&["maul", "zzz", "saw"], &[(1, "Maul", 3, 1.0), (3, "Saw", 3, 1.0)]);
    assert!(matches!(&error, Err(Error::NotFound(text)) if text.contains("`zzz`")), "{error:?}");
}
