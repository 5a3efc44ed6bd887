//! What is sold, read from `catalogue.txt`.

use uuid::Uuid;

use super::key;

/// The form is described at the top of the file.
const TEXT: &str = include_str!("catalogue.txt");

/// How sales of a category rise and fall: one factor for each month, January first.
type Season = [f64; 12];

pub(super) struct Catalogue {
    pub(super) categories: Vec<Category>,
    pub(super) types: Vec<Type>,
    pub(super) products: Vec<Product>,
}

pub(super) struct Category {
    pub(super) id: Uuid,
    pub(super) name: &'static str,
    code: &'static str,
    margin: i64,
    season: Season,
}

pub(super) struct Type {
    pub(super) id: Uuid,
    pub(super) category: Uuid,
    pub(super) name: &'static str,
}

pub(super) struct Product {
    pub(super) id: Uuid,
    pub(super) sku: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) category: Uuid,
    pub(super) type_id: Uuid,
    /// Cents.
    pub(super) cost: i64,
    /// Cents.
    pub(super) price: i64,
    pub(super) season: Season,
}

/// Reads the catalogue that is part of this build.
pub(super) fn read() -> Catalogue {
    parse(TEXT).expect("catalogue.txt is part of the build and a test reads it")
}

/// `None` where the text has not the form its head describes.
fn parse(text: &'static str) -> Option<Catalogue> {
    let mut all = Catalogue { categories: Vec::new(), types: Vec::new(), products: Vec::new() };
    let mut shelf = ("", 0); // Code of the type, and products on it so far.
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(heading) = line.strip_prefix("= ") {
            let [name, code, margin, season] = fields(heading)?;
            let season = season_of(season)?;
            all.categories.push(Category {
                id: key(&format!("category/{name}")),
                name,
                code,
                margin: margin.parse().ok()?,
                season,
            });
        } else if let Some(heading) = line.strip_prefix("- ") {
            let [name, code] = fields(heading)?;
            let category = all.categories.last()?;
            all.types.push(Type { id: key(&format!("type/{}/{name}", category.name)), category: category.id, name });
            shelf = (code, 0);
        } else {
            let [name, prices, description] = fields(line)?;
            for (name, word, price) in variants(name, prices)? {
                shelf.1 += 1;
                let (category, kind) = (all.categories.last()?, all.types.last()?);
                let sku = format!("{}-{}-{:03}", category.code, shelf.0, shelf.1);
                let price = cents(price)?;
                // Margins differ a little from product to product: up to three points either way.
                let margin = category.margin + (all.products.len() as i64 * 5) % 7 - 3;
                all.products.push(Product {
                    id: key(&format!("product/{sku}")),
                    sku,
                    name,
                    description: capitalised(&description.replace("{}", word)),
                    category: category.id,
                    type_id: kind.id,
                    cost: price - price * margin / 100,
                    price,
                    season: category.season,
                });
            }
        }
    }
    Some(all)
}

fn fields<const N: usize>(line: &'static str) -> Option<[&'static str; N]> {
    line.split(" | ").collect::<Vec<_>>().try_into().ok()
}

/// Name, distinguishing word and price of each product a line stands for.
fn variants(name: &'static str, prices: &'static str) -> Option<Vec<(String, &'static str, &'static str)>> {
    let Some((before, rest)) = name.split_once('{') else {
        return Some(vec![(name.to_owned(), "", prices)]);
    };
    let (words, after) = rest.split_once('}')?;
    let (words, prices): (Vec<_>, Vec<_>) = (words.split("; ").collect(), prices.split("; ").collect());
    let one = |(word, price)| (format!("{before}{word}{after}"), word, price);
    (words.len() == prices.len()).then(|| words.into_iter().zip(prices).map(one).collect())
}

fn cents(dollars: &str) -> Option<i64> {
    let (whole, part) = dollars.split_once('.')?;
    (part.len() == 2).then_some(())?;
    Some(whole.parse::<i64>().ok()? * 100 + part.parse::<i64>().ok()?)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn season_of(name: &str) -> Option<Season> {
    Some(match name {
        "flat" => [1.0; 12],
        "spring" => [0.4, 0.6, 1.3, 2.0, 2.2, 1.7, 1.2, 0.9, 0.8, 0.7, 0.5, 0.5],
        "summer" => [0.6, 0.7, 0.9, 1.1, 1.3, 1.5, 1.6, 1.4, 1.1, 0.9, 0.6, 0.5],
        "autumn" => [1.0, 0.9, 0.8, 0.7, 0.7, 0.7, 0.8, 1.0, 1.4, 1.7, 1.6, 1.1],
        "winter" => [1.3, 1.2, 1.0, 0.9, 0.8, 0.8, 0.8, 0.8, 0.9, 1.1, 1.3, 1.5],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{parse, read};

    #[test]
    fn the_catalogue_is_well_formed() {
        let all = read();
        assert!(all.products.len() >= 400, "{} products", all.products.len());
        assert!(all.categories.len() >= 9 && all.types.len() >= 50);
        let unique = |what: &str, of: Vec<&str>| {
            let mut seen = HashSet::new();
            assert!(
                of.iter().all(|name| seen.insert(*name)),
                "{what}: {:?} twice",
                of.iter().find(|name| of.iter().filter(|n| n == name).count() > 1)
            );
        };
        unique("sku", all.products.iter().map(|p| p.sku.as_str()).collect());
        unique("name", all.products.iter().map(|p| p.name.as_str()).collect());
        let ids: HashSet<_> = all
            .products
            .iter()
            .map(|p| p.id)
            .chain(all.types.iter().map(|t| t.id))
            .chain(all.categories.iter().map(|c| c.id))
            .collect();
        assert_eq!(ids.len(), all.products.len() + all.types.len() + all.categories.len());
        for product in &all.products {
            assert!(0 < product.cost && product.cost < product.price, "{}", product.name);
            assert!(product.description.len() > 15 && product.description.ends_with('.'), "{}", product.name);
            assert!(!format!("{}{}", product.name, product.description).contains(['{', '}', '|']), "{}", product.name);
        }
    }

    #[test]
    fn variants_become_products_and_a_bad_line_is_refused() {
        let head = "= Tools | T | 40 | flat\n- Saws | SAW\n";
        let leaked = |rest: &str| -> &'static str { Box::leak(format!("{head}{rest}").into_boxed_str()) };
        let two = parse(leaked("Saw {a; b} | 1.00; 2.50 | {} saw.")).expect("well-formed");
        let seen: Vec<_> =
            two.products.iter().map(|p| (p.sku.as_str(), p.name.as_str(), p.price, p.description.as_str())).collect();
        assert_eq!(seen, [("T-SAW-001", "Saw a", 100, "A saw."), ("T-SAW-002", "Saw b", 250, "B saw.")]);
        for bad in ["Saw | 1.00", "Saw {a; b} | 1.00 | Saw.", "Saw | 1 | Saw.", "Saw | 1.5 | Saw."] {
            assert!(parse(leaked(bad)).is_none(), "{bad}");
        }
    }
}
