//! Asking back: a call that takes several rounds, each in an instance of its own.

use super::bindings::exports::rowhouse::plugin::dialogue as wit;
use super::offer::is_name;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Questions of one round. A person answers them one by one.
const MOST_QUESTIONS: usize = 16;

/// Bytes of state between rounds. The client carries it, and sends it with every round.
const MOST_STATE: usize = 16 << 10;

/// What a round begins with. Empty in the first one.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// What the round before left, and nobody has changed since.
    pub state: Option<String>,
    /// Replies by the question's id, as JSON. As trustworthy as an argument.
    pub replies: Vec<(String, String)>,
}

/// What a client can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A form for the user (`elicitation/create`).
    Elicitation,
    /// The client's own model (`sampling/createMessage`).
    Sampling,
    /// The client's working directories (`roots/list`).
    Roots,
}

/// One question.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Unique in its round.
    pub id: String,
    /// Of whom.
    pub kind: Kind,
    /// The request's `params`, as MCP has them.
    pub params: Map<String, Value>,
}

/// Questions, and what the next round must know.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// At least one.
    pub questions: Vec<Question>,
    /// For the next round.
    pub state: Option<String>,
}

/// How a round ends.
#[derive(Debug)]
pub enum Ended<T> {
    /// With what was asked for.
    Done(T),
    /// With questions.
    Asks(Ask),
}

pub(super) fn round(round: &Round) -> wit::Round {
    let replies = round.replies.iter().map(|(id, result)| wit::Reply { id: id.clone(), result: result.clone() });
    wit::Round { state: round.state.clone(), replies: replies.collect() }
}

/// A guest's questions in the host's own terms.
///
/// # Errors
/// How they break the contract; continues "the tool `x` ...".
pub(super) fn ask(ask: wit::Ask) -> Result<Ask, &'static str> {
    if ask.questions.is_empty() || ask.questions.len() > MOST_QUESTIONS {
        return Err("asked no question, or more than 16 at once");
    }
    if ask.state.as_ref().is_some_and(|state| state.len() > MOST_STATE) {
        return Err("left more than 16 KiB of state for its next round");
    }
    let mut ids = BTreeSet::new();
    let mut questions = Vec::with_capacity(ask.questions.len());
    for question in ask.questions {
        if !is_name(&question.id) || !ids.insert(question.id.clone()) {
            return Err("asked a question without an id of its own (1 to 64 of A-Z a-z 0-9 _ -)");
        }
        let params = serde_json::from_str(&question.params).map_err(|_| "asked with params that are no JSON object")?;
        let kind = match question.kind {
            wit::Kind::Elicitation => Kind::Elicitation,
            wit::Kind::Sampling => Kind::Sampling,
            wit::Kind::Roots => Kind::Roots,
        };
        questions.push(Question { id: question.id, kind, params });
    }
    Ok(Ask { questions, state: ask.state })
}
