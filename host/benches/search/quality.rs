//! The labelled questions, asked of the tools as a caller asks them.

use crate::harness::{App, Silent, root, settings, shared};
use rowhouse::house::Ground;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Instant;

/// Answers looked at.
const DEPTH: usize = 10;

/// The ways to search, with what each is asked.
const WAYS: [(&str, &str); 3] =
    [("words", "search_products"), ("meaning", "semantic_search_products"), ("both", "hybrid_search_products")];

/// One question.
struct Question {
    kind: String,
    text: String,
    /// Names of what a shop assistant would show; empty where the shop has nothing.
    wanted: BTreeSet<String>,
}

/// What one way made of the questions of one kind.
#[derive(Clone, Default)]
struct Score {
    questions: usize,
    recall: f64,
    reciprocal: f64,
    /// Questions answered with nothing.
    empty: usize,
    millis: Vec<f64>,
}

/// All of it: by way, then by kind.
pub(crate) struct Quality {
    scores: Vec<(&'static str, BTreeMap<String, Score>)>,
    misses: Vec<String>,
}

pub(crate) async fn measure(misses: bool) -> Quality {
    let shared = shared().await;
    let mut mine = settings(shared);
    mine.embedding.model = rowhouse::config::USUAL_MODEL.to_owned();
    mine.embedding.weights = Some(root().join(".tools/models"));
    let ground = Ground::find(&mine, false, &mut Silent).await.expect("the shared database");
    ground.embed(&mine, true, &mut Silent).await.expect("vectors");
    let app = App::plan(|plan| plan.settings = mine).await;
    let known = names(&app).await;
    let questions = questions(&known);
    wait(&app).await;
    let mut found = Quality { scores: Vec::new(), misses: Vec::new() };
    for (way, tool) in WAYS {
        let mut scores: BTreeMap<String, Score> = BTreeMap::new();
        for question in &questions {
            let began = Instant::now();
            let answers = ask(&app, tool, &question.text).await;
            let millis = began.elapsed().as_secs_f64() * 1_000.0;
            for kind in [question.kind.as_str(), "all"] {
                // What the shop has not is no question of finding.
                if kind == "all" && question.wanted.is_empty() {
                    continue;
                }
                scores.entry(kind.to_owned()).or_default().add(question, &answers, millis);
            }
            let hit = answers.iter().filter(|name| question.wanted.contains(*name)).count();
            if misses && way == "both" && hit < question.wanted.len().min(DEPTH) {
                let missed: Vec<_> = question.wanted.iter().filter(|name| !answers.contains(name)).collect();
                found.misses.push(format!("{}: {:?} misses {missed:?}, has {answers:?}", question.kind, question.text));
            }
        }
        found.scores.push((way, scores));
    }
    app.stop().await;
    found
}

impl Score {
    fn add(&mut self, question: &Question, answers: &[String], millis: f64) {
        self.questions += 1;
        self.millis.push(millis);
        self.empty += usize::from(answers.is_empty());
        if question.wanted.is_empty() {
            return;
        }
        let hits = answers.iter().filter(|name| question.wanted.contains(*name)).count();
        self.recall += hits as f64 / question.wanted.len().min(DEPTH) as f64;
        let first = answers.iter().position(|name| question.wanted.contains(name));
        self.reciprocal += first.map_or(0.0, |at| 1.0 / (at + 1) as f64);
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.questions.max(1) as f64
    }

    fn median(&self) -> f64 {
        let mut sorted = self.millis.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }
}

impl Quality {
    pub(crate) fn table(&self) -> String {
        let mut out = String::from("\nfound by         kind          n  recall@10    MRR  nothing  ms\n");
        for (way, scores) in &self.scores {
            for (kind, score) in scores {
                let (recall, mrr) = (score.mean(score.recall), score.mean(score.reciprocal));
                let (n, empty, ms) = (score.questions, score.empty, score.median());
                let _ = writeln!(out, "{way:<16} {kind:<12} {n:>3}  {recall:>9.3}  {mrr:>5.3}  {empty:>7}  {ms:.1}");
            }
        }
        self.misses.iter().for_each(|miss| out.push_str(&format!("{miss}\n")));
        out
    }

    pub(crate) fn json(&self) -> Value {
        let one = |score: &Score| {
            json!({ "questions": score.questions, "recall_at_10": score.mean(score.recall),
                "mrr": score.mean(score.reciprocal), "nothing": score.empty, "median_ms": score.median() })
        };
        let ways = self.scores.iter().map(|(way, scores)| {
            let kinds = scores.iter().map(|(kind, score)| (kind.clone(), one(score)));
            ((*way).to_owned(), Value::Object(kinds.collect()))
        });
        Value::Object(ways.collect())
    }
}

/// Names of all products, and their numbers.
async fn names(app: &App) -> Vec<(String, String)> {
    let rows = app.rows("head-office", "SELECT product_name, sku FROM retail.products").await;
    rows.iter().map(|row| (text(&row[0]), text(&row[1]))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The set, its labels made names.
fn questions(known: &[(String, String)]) -> Vec<Question> {
    let file = std::fs::read_to_string(root().join("tests/search/queries.tsv")).expect("the labelled questions");
    let named = |label: &str| -> BTreeSet<String> {
        let fits = |name: &str, sku: &str| match label.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == label || sku == label,
        };
        let found: BTreeSet<String> =
            known.iter().filter(|(name, sku)| fits(name, sku)).map(|(name, _)| name.clone()).collect();
        assert!(!found.is_empty(), "no product is {label:?}");
        found
    };
    let lines = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split('\t');
            let mut next = || fields.next().unwrap_or_else(|| panic!("three fields: {line}")).to_owned();
            let (kind, text, labels) = (next(), next(), next());
            let labels = labels.split(';').map(str::trim).filter(|label| *label != "-");
            Question { kind, text, wanted: labels.flat_map(named).collect() }
        })
        .collect()
}

/// The names a tool answers with, best first. An answer by words in place of one by meaning is none.
async fn ask(app: &App, tool: &str, text: &str) -> Vec<String> {
    let key = if tool == "semantic_search_products" { "query_description" } else { "query" };
    let answer = app.answer("head-office", tool, json!({ key: text, "max_rows": DEPTH })).await;
    assert!(answer["degraded"].is_null(), "{answer}");
    let products = answer["products"].as_array().expect("products");
    products.iter().map(|product| product["product"].as_str().expect("a name").to_owned()).collect()
}

/// Until calls get vectors.
async fn wait(app: &App) {
    while !matches!(app.host.embeddings.state(), rowhouse::embedding::State::Serves(_)) {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
