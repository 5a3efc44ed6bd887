//! What a plugin written with the macros does, from the host's side.

use rowhouse_plugin::{
    answer::Image,
    dialogue::{Kind, Reply},
    prelude::*,
    resource::Body,
    rows,
    sql::{Cell, SqlErrorCode},
    testing::{self, date, numeric},
};

#[derive(Debug, PartialEq, FromRow)]
struct Sold {
    #[row(rename = "product_name")]
    product: String,
    price: Decimal,
    day: Option<Date>,
    #[row(default)]
    units: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Asked {
    /// A category by its name.
    category: String,
    /// By price and not by name.
    #[serde(default)]
    by_price: bool,
}

#[derive(Serialize, JsonSchema)]
struct Count {
    products: usize,
}

/// Counts the products
/// of a category.
///
/// - one line
/// - another
///
/// # Errors
/// Not for callers.
#[tool(title = "Count products", idempotent = false)]
fn count_products(Asked { category, by_price }: Asked) -> Result<Json<Count>> {
    let order = if by_price { "price" } else { "product_name" };
    let sold: Vec<Sold> =
        sql!("SELECT product_name, price, day, units FROM sold WHERE category = {category} ORDER BY {order:sql}")
            .all()?;
    info!("{} products", sold.len());
    progress::report(1.0, Some(1.0), None);
    Ok(Json(Count { products: sold.len() }))
}

/// A dot.
#[tool]
fn dot() -> Image {
    Image::png(vec![0x89])
}

#[derive(Deserialize, JsonSchema)]
struct Form {
    /// How many to order.
    #[schemars(range(min = 1))]
    units: i64,
}

/// Drafts an order.
#[tool]
fn draft_order(Asked { category, .. }: Asked, dialogue: &mut Dialogue) -> Result<String> {
    let in_stock: i64 = sql!("SELECT sum(units) FROM stock WHERE category = {category}").one()?;
    let Form { units } = dialogue.form(&format!("There are {in_stock}. How many more?"))?.accepted()?;
    let why = match dialogue.form::<Reason>("Why?")? {
        Reply::Accepted(Reason { why }) => why,
        Reply::Declined | Reply::Cancelled => "no reason given".to_owned(),
    };
    Ok(format!("{units} of {category}: {why}"))
}

#[derive(Deserialize, JsonSchema)]
struct Reason {
    why: String,
}

/// Asks the client's model.
#[tool]
fn summed_up(dialogue: &mut Dialogue) -> Result<String> {
    let roots = dialogue.roots()?.len();
    dialogue.sample(&format!("Sum up {roots} roots."), 100)
}

#[derive(Deserialize, JsonSchema)]
struct Review {
    /// The store.
    store: Option<String>,
    month: Date,
}

/// Reviews a month.
#[prompt(complete(store = stores))]
fn review(Review { store, month }: Review) -> Vec<Message> {
    vec![Message::user(format!("Review {month}.")), Message::assistant(format!("Of {}?", store.unwrap_or_default()))]
}

/// Writes to a supplier.
#[prompt]
fn order_letter(Review { month, .. }: Review, dialogue: &mut Dialogue) -> Result<String> {
    let Form { units } = dialogue.form("How many?")?.accepted()?;
    Ok(format!("Order {units} in {month}."))
}

fn stores(_begun: &str, given: &Given<'_>) -> Result<Vec<String>> {
    assert_eq!(given.get("store"), None);
    Ok(["Seattle", "Spokane", "Tacoma"].map(str::to_owned).to_vec())
}

/// A store's report.
#[resource(uri = "report://{store}/{year}", mime_type = "text/csv", complete(store = stores))]
fn report(year: i32, store: String) -> String {
    format!("{store},{year}")
}

/// The view of the dot.
#[resource(uri = "ui://dot", mime_type = "text/html;profile=mcp-app")]
fn dot_view() -> &'static str {
    "<!doctype html>"
}

plugin! {
    name: "everything",
    tools: [count_products, dot],
    dialogues: [draft_order, summed_up],
    prompts: [review],
    prompt_dialogues: [order_letter],
    resources: [report, dot_view],
    views: [dot => dot_view],
}

fn sold() -> testing::Table {
    rows![["units", "product_name", "price", "day"];
        [3, "Mallet", numeric("12.50"), date("2026-01-31")],
        [Value::Null, "Maul", numeric("0.99"), Value::Null]]
}

#[test]
fn the_description_is_that_of_the_source() {
    let host = testing::host::<Plugin>();
    host.check();
    let info = host.describe();
    assert_eq!((info.name.as_str(), info.version.as_str()), ("everything", env!("CARGO_PKG_VERSION")));
    let names: Vec<_> = info.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["count_products", "dot", "draft_order", "summed_up"]);
    let tool = &info.tools[0];
    assert_eq!(tool.title, "Count products");
    assert_eq!(tool.description, "Counts the products of a category.\n\n- one line\n- another");
    assert!(tool.annotations.read_only && !tool.annotations.idempotent && !tool.annotations.open_world);
    assert_eq!(info.tools[2].title, "Draft order");
    assert_eq!(info.tools[1].output_schema, None);
}

#[test]
fn rows_are_read_by_name_and_fragments_stand_in_the_text() {
    let host = testing::host::<Plugin>().on("FROM sold", sold());
    let answer = host.call("count_products", json!({ "category": "x'; --", "by_price": true })).expect("a count");
    assert_eq!(answer.json(), json!({ "products": 2 }));
    let [asked] = host.asked().try_into().expect("one statement");
    assert!(asked.statement.ends_with("WHERE category = $1 ORDER BY price"), "{}", asked.statement);
    assert_eq!(asked.parameters, [Value::Text("x'; --".to_owned())]);
    assert_eq!((host.lines().len(), host.progress()), (1, vec![1.0]));
    let all: Vec<Sold> = host.run(|| sql!("SELECT * FROM sold").all()).expect("two rows");
    assert_eq!((all[1].units, all[1].day, all[0].price.to_string().as_str()), (0, None, "12.50"));
}

#[test]
fn what_does_not_fit_is_said_without_a_value() {
    let host = testing::host::<Plugin>()
        .on("few columns", rows![["product_name"]; ["secret"]])
        .on("other kind", rows![["units", "product_name", "price", "day"]; [1, "secret", "secret", Value::Null]])
        .on("cut", sold().truncated())
        .on("nothing", sold().without_rows())
        .on("two", rows![["n"]; [1], [2]])
        .fails("refused", SqlErrorCode::Rejected, "no");
    let error = |statement: &'static str| host.run(|| Statement::new(statement).all::<Sold>()).expect_err(statement);
    for (statement, words) in [
        ("few columns", "gives no column `price`"),
        ("other kind", "column `price` is a text"),
        ("cut", "too much for one answer"),
    ] {
        let text = error(statement).to_string();
        assert!(text.contains(words) && !text.contains("secret"), "{statement}: {text}");
    }
    assert!(matches!(error("refused"), Error::Sql(error) if error.code == SqlErrorCode::Rejected));
    let one = |statement: &'static str| host.run(|| Statement::new(statement).one::<i64>());
    assert!(matches!(one("nothing"), Err(Error::Failed(_))), "four columns are no single value");
    assert!(matches!(one("two"), Err(Error::Failed(text)) if text.contains("2 rows")));
    let page = host.run(|| Statement::new("cut").page::<Sold>()).expect("a part, as asked");
    assert_eq!((page.rows.len(), page.truncated), (2, true));
    assert_eq!(host.run(|| Statement::new("nothing").optional::<Sold>()), Ok(None));
    assert!(matches!(host.run(|| Statement::new("nothing").one::<Sold>()), Err(Error::NotFound(_))));
}

#[test]
fn statements_run_side_by_side_and_columns_come_packed() {
    let host = testing::host::<Plugin>().on("a", rows![["n"]; [1], [2], [3]]).on("b", sold());
    let (sum, cells) = host
        .run(|| -> Result<_> {
            let (numbers, sold) = join!(sql!("a"), sql!("b"))?;
            let sum: i64 = numbers.batches(2).map(|batch| batch.ints(0).map_or(0, |ints| ints.iter().sum())).sum();
            let batch = sold.batches(10).next().expect("one batch");
            let cell = |row, column| format!("{:?}", batch.cell(row, column));
            Ok((sum, [cell(0, 0), cell(1, 0), cell(0, 2), cell(1, 3), cell(2, 0)]))
        })
        .expect("both");
    assert_eq!(sum, 6);
    let some = |cell: Cell<'_>| format!("{:?}", Some(cell));
    let expected =
        [some(Cell::Int(3)), some(Cell::Null), some(Cell::Text("12.50")), some(Cell::Null), "None".to_owned()];
    assert_eq!(cells, expected);
}

#[test]
fn a_tool_that_asks_goes_on_where_it_was() {
    let host = testing::host::<Plugin>().on("FROM stock", rows![["sum"]; [7]]);
    let mut seen = Vec::new();
    let answer = host.converse("draft_order", json!({ "category": "Paint" }), |question| {
        let params: serde_json::Value = serde_json::from_str(&question.params).expect("JSON");
        seen.push((question.id.clone(), question.kind, params["message"].clone()));
        match seen.len() {
            1 => {
                let units = &params["requestedSchema"]["properties"]["units"];
                assert_eq!(*units, json!({ "type": "integer", "minimum": 1, "description": "How many to order." }));
                json!({ "action": "accept", "content": { "units": 5 } })
            }
            _ => json!({ "action": "decline" }),
        }
    });
    assert_eq!(answer.expect("an answer").text(), "5 of Paint: no reason given");
    let asked = |id: &str, message: &str| (id.to_owned(), Kind::Elicitation, json!(message));
    assert_eq!(seen, [asked("q0", "There are 7. How many more?"), asked("q1", "Why?")]);
    // Each round begins anew.
    assert_eq!(host.asked().len(), 3);

    for (reply, word) in [
        (json!({ "action": "decline" }), "declined"),
        (json!({ "action": "cancel" }), "closed"),
        (json!({ "action": "accept", "content": { "units": "many" } }), "units"),
        (json!("nonsense"), "closed"),
    ] {
        let error = host.converse("draft_order", json!({ "category": "Paint" }), |_| reply.clone()).expect_err(word);
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn a_prompt_that_asks_goes_on_where_it_was() {
    let host = testing::host::<Plugin>();
    let fill = |reply: serde_json::Value| {
        host.converse_prompt("order_letter", &[("month", "2026-01-31")], |question| {
            assert_eq!((question.id.as_str(), question.kind), ("q0", Kind::Elicitation));
            reply.clone()
        })
    };
    let filled = fill(json!({ "action": "accept", "content": { "units": 5 } })).expect("filled in");
    assert_eq!(filled.messages, [Message::user("Order 5 in 2026-01-31.".to_owned())]);
    let error = fill(json!({ "action": "decline" })).expect_err("declined").to_string();
    assert!(error.contains("declined"), "{error}");
    assert!(host.prompt("review", &[("month", "2026-01-31")]).is_ok(), "the others ask nothing");
}

#[test]
fn models_and_roots_are_asked_in_their_own_words() {
    let host = testing::host::<Plugin>();
    let answer = host.converse("summed_up", json!({}), |question| match question.kind {
        Kind::Roots => json!({ "roots": [{ "uri": "file:///a" }, { "uri": "file:///b", "name": "b" }] }),
        _ => {
            assert!(question.params.contains("Sum up 2 roots."), "{}", question.params);
            json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "Two." } })
        }
    });
    assert_eq!(answer.expect("an answer").text(), "Two.");
}

#[test]
fn prompts_are_filled_in_and_completed() {
    use rowhouse_plugin::answer::Part;

    let host = testing::host::<Plugin>();
    let filled = host.prompt("review", &[("month", "2026-01-31"), ("store", "Seattle")]).expect("a prompt");
    let texts: Vec<_> = filled.messages.iter().map(|message| message.content.clone()).collect();
    assert_eq!(texts, [Part::Text("Review 2026-01-31.".to_owned()), Part::Text("Of Seattle?".to_owned())]);
    assert!(
        matches!(host.prompt("review", &[("month", "soon")]), Err(Error::InvalidArguments(t)) if t.contains("month"))
    );
    assert!(matches!(host.prompt("other", &[]), Err(Error::NotFound(_))));
    assert_eq!(host.complete("review", "store", "s"), Ok(vec!["Seattle".to_owned(), "Spokane".to_owned()]));
    assert_eq!(host.complete("review", "month", "2"), Ok(Vec::new()));
}

#[test]
fn resources_are_read_by_their_uri() {
    let host = testing::host::<Plugin>();
    let text = |text: &str| Body::Text(text.to_owned());
    assert_eq!(host.read("report://Puget%20Sound/2026"), Ok(("text/csv".to_owned(), text("Puget Sound,2026"))));
    assert_eq!(host.read("ui://dot").map(|(_, body)| body), Ok(text("<!doctype html>")));
    for missing in ["report://a/soon", "report://a", "ui://other"] {
        assert!(matches!(host.read(missing), Err(Error::NotFound(_))), "{missing}");
    }
    let stores = host.complete_variable("report://{store}/{year}", "store", "T");
    assert_eq!(stores, Ok(vec!["Tacoma".to_owned()]));
}

#[test]
fn arguments_are_held_to_their_schema_before_the_tool_runs() {
    let host = testing::host::<Plugin>();
    for wrong in [json!({}), json!({ "category": 1 }), json!({ "category": "a", "more": 1 })] {
        let refused = host.call("count_products", wrong.clone());
        assert!(matches!(refused, Err(Error::InvalidArguments(_))), "{wrong}");
    }
    assert!(matches!(host.call("other", json!({})), Err(Error::NotFound(_))));
}

#[test]
fn vectors_are_those_of_the_test_and_so_is_why_there_are_none() {
    use rowhouse_plugin::embedding::NoVectors;

    let host = || testing::host::<Plugin>().model("small", 2);
    let texts = ["a".to_owned(), "b".to_owned()];
    let seen = host().vector("b", &[0.6, 0.8]);
    let vectors = seen.run(|| embedding::embed(&texts));
    assert_eq!(vectors, Ok(vec![Vector(vec![0.0, 0.0]), Vector(vec![0.6, 0.8])]));
    assert_eq!(seen.embedded(), texts);
    let down = NoVectors::Unavailable("try again in a minute".to_owned());
    let spent = NoVectors::Limit("the tenant's quota is used up".to_owned());
    for (host, why, text) in [
        (testing::host::<Plugin>(), NoVectors::NotConfigured, "the operator has set up no embedding model"),
        (host().no_vectors(down.clone()), down, "try again in a minute"),
        (host().no_vectors(spent.clone()), spent, "the tenant's quota is used up"),
    ] {
        assert_eq!(host.run(|| embedding::embed_one("a")), Err(why.clone()));
        assert_eq!(why.to_string(), text);
        assert_eq!(Error::from(why), Error::failed(format!("no vectors: {text}")));
    }
}
