//! Tools and a prompt that ask back, as the suite describes them. A host that seals what lasts between rounds needs no
//! help of the guest's: the state is plain text here.

use super::bindings::exports::rowhouse::plugin::{
    dialogue::{self, Ask, Kind, Outcome, Question, Reply, Round},
    prompt_dialogue,
    prompts::{Filled, Message, Role},
    tools::{Part, ToolError},
};
use super::{Served, call, text};
use serde_json::{Value as Json, json};

/// Tools without arguments that ask.
pub(super) const TOOLS: &[&str] = &[
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_tampered_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_capabilities",
];

/// A question for the user: a form with these fields.
fn form(id: &str, message: &str, properties: Json) -> Question {
    let required: Vec<_> = properties.as_object().into_iter().flat_map(|fields| fields.keys().cloned()).collect();
    schema(id, message, json!({ "type": "object", "properties": properties, "required": required }))
}

fn schema(id: &str, message: &str, schema: Json) -> Question {
    let params = json!({ "mode": "form", "message": message, "requestedSchema": schema }).to_string();
    Question { id: id.to_owned(), kind: Kind::Elicitation, params }
}

/// A question for the caller's model.
fn model(id: &str, prompt: &str) -> Question {
    let messages = json!([{ "role": "user", "content": { "type": "text", "text": prompt } }]);
    let params = json!({ "messages": messages, "maxTokens": 100 }).to_string();
    Question { id: id.to_owned(), kind: Kind::Sampling, params }
}

fn roots(id: &str) -> Question {
    Question { id: id.to_owned(), kind: Kind::Roots, params: "{}".to_owned() }
}

fn name() -> Question {
    form("user_name", "What is your name?", json!({ "name": { "type": "string" } }))
}

fn ask(questions: Vec<Question>, state: Option<&str>) -> Ask {
    Ask { questions, state: state.map(str::to_owned) }
}

/// The reply to a question, where it is one: anything but an object is asked for again.
fn reply(replies: &[Reply], id: &str) -> Option<Json> {
    let reply = replies.iter().find(|reply| reply.id == id)?;
    serde_json::from_str(&reply.result).ok().filter(Json::is_object)
}

impl dialogue::Guest for Served {
    fn call(name_of_tool: String, arguments: String, round: Round) -> Result<Outcome, ToolError> {
        let arguments: Json = serde_json::from_str(&arguments).unwrap_or_default();
        let have = |id: &str| reply(&round.replies, id);
        let done = |said: &str| Ok(Outcome::Done(text(said)));
        let once = |question: Question| match have(&question.id) {
            Some(reply) => done(&reply.to_string()),
            None => Ok(Outcome::Ask(ask(vec![question], None))),
        };
        match name_of_tool.as_str() {
            "test_sampling" => once(model("q", arguments["prompt"].as_str().unwrap_or_default())),
            "test_elicitation" => {
                let message = arguments["message"].as_str().unwrap_or_default();
                let text = json!({ "type": "string" });
                once(form("q", message, json!({ "username": text, "email": text })))
            }
            "test_elicitation_sep1034_defaults" => once(defaults()),
            "test_elicitation_sep1330_enums" => once(enums()),
            "test_missing_capability" => once(model("q", "Say something.")),
            "test_streaming_elicitation" => {
                once(form("q", "Provide a value", json!({ "value": { "type": "string" } })))
            }
            "test_input_required_result_elicitation" => match have("user_name") {
                Some(reply) => done(&format!("Hello, {}!", reply["content"]["name"].as_str().unwrap_or("friend"))),
                None => Ok(Outcome::Ask(ask(vec![name()], None))),
            },
            "test_input_required_result_sampling" => once(model("capital_question", "What is the capital of France?")),
            "test_input_required_result_list_roots" => once(roots("client_roots")),
            "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
                match (round.state.as_deref(), have("confirm")) {
                    (Some("confirm"), Some(_)) => done("state-ok"),
                    _ => {
                        let question = form("confirm", "Please confirm", json!({ "ok": { "type": "boolean" } }));
                        Ok(Outcome::Ask(ask(vec![question], Some("confirm"))))
                    }
                }
            }
            "test_input_required_result_multiple_inputs" => {
                let questions = vec![name(), model("greeting", "Generate a greeting"), roots("client_roots")];
                let all = questions.iter().all(|question| have(&question.id).is_some());
                match round.state.as_deref() {
                    Some("gather") if all => done("All inputs received"),
                    _ => Ok(Outcome::Ask(ask(questions, Some("gather")))),
                }
            }
            "test_input_required_result_multi_round" => match (round.state.as_deref(), have("step1"), have("step2")) {
                (Some("2"), _, Some(_)) => done("Multi-round flow complete"),
                (Some("1"), Some(_), _) => {
                    let colour = json!({ "color": { "type": "string" } });
                    Ok(Outcome::Ask(ask(
                        vec![form("step2", "Step 2: What is your favorite color?", colour)],
                        Some("2"),
                    )))
                }
                _ => {
                    let name = json!({ "name": { "type": "string" } });
                    Ok(Outcome::Ask(ask(vec![form("step1", "Step 1: What is your name?", name)], Some("1"))))
                }
            },
            // The host leaves out what the client did not declare.
            "test_input_required_result_capabilities" => match round.replies.is_empty() {
                true => {
                    let questions = vec![name(), model("greeting", "Generate a greeting"), roots("client_roots")];
                    Ok(Outcome::Ask(ask(questions, None)))
                }
                false => done("Capability-aware flow complete"),
            },
            other => call(other, arguments).map(Outcome::Done),
        }
    }
}

impl prompt_dialogue::Guest for Served {
    fn get(
        name: String,
        arguments: Vec<(String, String)>,
        round: Round,
    ) -> Result<prompt_dialogue::Outcome, ToolError> {
        if name != "test_input_required_result_prompt" {
            return super::more::get(&name, &arguments).map(prompt_dialogue::Outcome::Done);
        }
        match reply(&round.replies, "user_context") {
            Some(reply) => {
                let said = reply["content"]["context"].as_str().unwrap_or_default();
                let content = Part::Text(format!("Prompt with elicited context: {said}"));
                let messages = vec![Message { role: Role::User, content }];
                Ok(prompt_dialogue::Outcome::Done(Filled { description: None, messages }))
            }
            None => {
                let context = json!({ "context": { "type": "string" } });
                let question = form("user_context", "What context should the prompt use?", context);
                Ok(prompt_dialogue::Outcome::Ask(ask(vec![question], None)))
            }
        }
    }
}

/// Word for word the suite's own (SEP-1034).
fn defaults() -> Question {
    let properties = json!({
        "name": { "type": "string", "description": "User's name", "default": "John Doe" },
        "age": { "type": "integer", "description": "User's age", "default": 30 },
        "score": { "type": "number", "description": "User's score", "default": 95.5 },
        "status": {
            "type": "string", "description": "User's status",
            "enum": ["active", "inactive", "pending"], "default": "active",
        },
        "verified": { "type": "boolean", "description": "Whether user is verified", "default": true },
    });
    schema("q", "Please provide values (all have defaults)", json!({ "type": "object", "properties": properties }))
}

/// Word for word the suite's own (SEP-1330).
fn enums() -> Question {
    let titled = |word: &str, key: &str| {
        let option =
            |number: usize, nth: &str| json!({ "const": format!("value{number}"), "title": format!("{nth} {word}") });
        json!({ key: [option(1, "First"), option(2, "Second"), option(3, "Third")] })
    };
    let mut single = titled("Option", "oneOf");
    single["type"] = json!("string");
    let plain = json!({ "type": "string", "enum": ["option1", "option2", "option3"] });
    let properties = json!({
        "untitledSingle": plain,
        "titledSingle": single,
        "legacyEnum": {
            "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": { "type": "array", "items": plain },
        "titledMulti": { "type": "array", "items": titled("Choice", "anyOf") },
    });
    schema("q", "Test enum schema improvements", json!({ "type": "object", "properties": properties }))
}
