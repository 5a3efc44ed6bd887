//! What an operator adds while clients watch the list of prompts.

#[path = "shared/prompts_only.rs"]
mod prompts_only;

const PLUGIN: &str = "more_prompts";
const PROMPT: &str = "one_more";
