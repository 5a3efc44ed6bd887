//! A plugin that declares a prompt another one serves already.

#[path = "shared/prompts_only.rs"]
mod prompts_only;

const PLUGIN: &str = "prompt_squatter";
const PROMPT: &str = "monthly_review";
