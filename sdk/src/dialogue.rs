//! Tools that ask the user back before they answer, and prompts that do before they are filled in.
//!
//! What takes [`&mut Dialogue`](Dialogue) is written as if it could wait: it asks, `?`, and goes on with the
//! reply. In truth a question ends the round; when the reply is there it runs again from its beginning, in a
//! fresh instance, and gets at once the replies it has had before. So whatever stands before a question is done again
//! in the next round (a statement is run again), and questions must come in the same order each time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

pub use crate::bindings::exports::rowhouse::plugin::dialogue::{Kind, Question};
use crate::{
    bindings::exports::rowhouse::plugin::dialogue as wit,
    error::{Error, Result},
    schemas,
};

/// What has been asked and replied so far, and the way to ask more.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dialogue {
    /// Every reply so far, in order.
    replies: Vec<Value>,
    /// How many of them this round has used.
    used: usize,
}

/// What the host keeps between rounds.
#[derive(Serialize, Deserialize)]
struct State {
    replies: Vec<Value>,
}

/// What became of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<T> {
    /// Filled in and sent.
    Accepted(T),
    /// The user said no.
    Declined,
    /// The user closed the form.
    Cancelled,
}

impl<T> Reply<T> {
    /// What was filled in.
    ///
    /// # Errors
    /// The user said no, or nothing.
    pub fn accepted(self) -> Result<T> {
        match self {
            Reply::Accepted(form) => Ok(form),
            Reply::Declined => Err(Error::failed("the user declined: do not ask again unless told to")),
            Reply::Cancelled => Err(Error::failed("the user closed the form without an answer")),
        }
    }
}

/// One of the client's working directories.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Root {
    /// `file:///home/…`
    pub uri: String,
    /// For people.
    pub name: Option<String>,
}

impl Dialogue {
    /// Show the user a form. `T` is a struct of texts, numbers, booleans and enums of plain words: MCP's forms are flat.
    ///
    /// ```
    /// # use rowhouse_plugin::prelude::*;
    /// #[derive(Deserialize, JsonSchema)]
    /// struct Confirm {
    ///     /// How many to order.
    ///     #[schemars(range(min = 1, max = 100))]
    ///     units: i64,
    /// }
    ///
    /// /// Drafts an order for a product, after asking how many.
    /// #[tool]
    /// fn draft_order(dialogue: &mut Dialogue) -> Result<String> {
    ///     let Confirm { units } = dialogue.form("How many claw hammers?")?.accepted()?;
    ///     Ok(format!("Order {units} claw hammers."))
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// What the client sent does not fit the form; and the question itself, which `?` hands to the host.
    pub fn form<T: DeserializeOwned + JsonSchema>(&mut self, message: &str) -> Result<Reply<T>> {
        let mut schema = schemas::input::<T>();
        schema.remove("additionalProperties");
        schema.remove("$schema");
        let reply =
            self.ask(Kind::Elicitation, json!({ "mode": "form", "message": message, "requestedSchema": schema }))?;
        match reply["action"].as_str() {
            // A reply is as trustworthy as an argument, and read as one.
            Some("accept") => crate::answer::arguments(&reply["content"].to_string()).map(Reply::Accepted),
            Some("decline") => Ok(Reply::Declined),
            _ => Ok(Reply::Cancelled),
        }
    }

    /// Let the client's own model answer `prompt`, in at most `max_tokens`.
    ///
    /// # Errors
    /// A reply without text; and the question itself, which `?` hands to the host.
    pub fn sample(&mut self, prompt: &str, max_tokens: u32) -> Result<String> {
        let messages = json!([{ "role": "user", "content": { "type": "text", "text": prompt } }]);
        let reply = self.ask(Kind::Sampling, json!({ "messages": messages, "maxTokens": max_tokens }))?;
        // One part, or a list of them.
        let content = &reply["content"];
        let parts = content.as_array().map_or(std::slice::from_ref(content), Vec::as_slice);
        let text: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
        if text.is_empty() { Err(Error::failed("the client's model gave no text")) } else { Ok(text) }
    }

    /// The client's working directories.
    ///
    /// # Errors
    /// A reply of another shape; and the question itself, which `?` hands to the host.
    pub fn roots(&mut self) -> Result<Vec<Root>> {
        let reply = self.ask(Kind::Roots, json!({}))?;
        Ok(serde_json::from_value(reply["roots"].clone())?)
    }

    /// Ask anything MCP lets a client be asked: `params` and the reply are as MCP has them.
    ///
    /// # Errors
    /// The question itself, which `?` hands to the host.
    pub fn ask(&mut self, kind: Kind, params: Value) -> Result<Value> {
        let place = self.used;
        if let Some(reply) = self.replies.get(place) {
            self.used += 1;
            return Ok(reply.clone());
        }
        Err(Error::Asking(Question { id: id(place), kind, params: params.to_string() }))
    }

    /// As a round begins: what was kept, and the reply to the last question.
    pub(crate) fn resume(round: &wit::Round) -> Result<Dialogue> {
        let mut replies = match &round.state {
            Some(state) => serde_json::from_str::<State>(state)?.replies,
            None => Vec::new(),
        };
        let wanted = id(replies.len());
        if let Some(reply) = round.replies.iter().find(|reply| reply.id == wanted) {
            let reply = serde_json::from_str(&reply.result);
            replies.push(reply.map_err(|_| Error::invalid("a reply is no JSON"))?);
        }
        Ok(Dialogue { replies, used: 0 })
    }

    /// As a round ends with a question: what must be kept.
    pub(crate) fn ask_with(self, question: Question) -> wit::Ask {
        let state = serde_json::to_string(&State { replies: self.replies }).ok();
        wit::Ask { questions: vec![question], state }
    }
}

fn id(place: usize) -> String {
    format!("q{place}")
}
