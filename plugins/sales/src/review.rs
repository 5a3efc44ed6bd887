//! `monthly_review`: what a store manager does with these tools at the end of a month.

use rowhouse_plugin::{chrono::Datelike as _, prelude::*};

use crate::period::month_of;

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Asked {
    /// A day of the month to review (2026-10-15); the last whole month of data where it is left out.
    month: Option<Date>,
    /// The store to review, by its name; every store you may see where it is left out.
    store: Option<String>,
}

/// Goes through a month: revenue against the month before, what sold, the trend behind it, which customers stay away, and
/// what to do about it.
#[prompt(title = "Monthly review", complete(store = stores))]
pub(crate) fn monthly_review(Asked { month, store }: Asked) -> String {
    let when = month.map_or_else(String::new, |day| format!(", \"date\": \"{day}\""));
    let month = month
        .map_or_else(|| "the last whole month of data".to_owned(), |day| format!("{} {}", month_of(day), day.year()));
    let whose = store.map_or_else(|| "every store I may see".to_owned(), |store| format!("the store {store}"));
    format!(
        "Review {month} for {whose}. Take the numbers from these tools and from nowhere else:\n\
         1. get_store_performance {{\"period\": \"month\"{when}}}: revenue, orders, basket and margin against the month before.\n\
         2. get_top_products {{\"period\": \"month\"{when}, \"by\": \"margin\"}}: what earned most; then by revenue, and say where \
         the two differ.\n\
         3. get_sales_trend {{\"granularity\": \"month\"}}: whether the month is a trend or an exception; chart_sales_trend \
         draws it.\n\
         4. get_customer_segments: who stays away, and what they were worth.\n\
         Then write one page: the month in a sentence, three things that went well, three that did not, each with its \
         number, and three actions for next month with what each should bring. Say so where a number is not to be had."
    )
}

fn stores(_begun: &str, _given: &Given<'_>) -> Result<Vec<String>> {
    sql!("SELECT store_name FROM retail.stores ORDER BY store_name").all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plugin;
    use rowhouse_plugin::{answer::Part, rows, testing};

    fn text(arguments: &[(&str, &str)]) -> String {
        let filled = testing::host::<Plugin>().prompt("monthly_review", arguments).expect("a prompt");
        let [Message { content: Part::Text(text), .. }] = filled.messages.as_slice() else { panic!("{filled:?}") };
        text.clone()
    }

    #[test]
    fn it_says_which_month_and_whose() {
        for (arguments, word) in [
            (&[][..], "the last whole month of data for every store I may see"),
            (&[("month", "2026-10-15")], "Review October 2026"),
            (&[("month", "2026-10-15")], r#"{"period": "month", "date": "2026-10-15"}"#),
            (&[("store", "Seattle")], "for the store Seattle"),
        ] {
            assert!(text(arguments).contains(word), "{arguments:?}: {}", text(arguments));
        }
        assert!(testing::host::<Plugin>().prompt("monthly_review", &[("month", "October")]).is_err());
    }

    #[test]
    fn stores_are_completed_from_what_the_caller_may_see() {
        let host =
            testing::host::<Plugin>().on("retail.stores", rows![["store_name"]; ["Seattle"], ["Spokane"], ["Tacoma"]]);
        assert_eq!(host.complete("monthly_review", "store", "s"), Ok(vec!["Seattle".to_owned(), "Spokane".to_owned()]));
    }
}
