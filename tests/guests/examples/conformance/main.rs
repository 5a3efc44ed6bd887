//! What the public MCP conformance suite calls: tools, prompts, documents, and tools and prompts that ask back. The one
//! guest of the suite that exports every interface there is.

mod asking;
mod more;

/// What `wit-bindgen` makes of `wit/`, every export of it.
mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, dead_code, clippy::all, reason = "generated")]

    wit_bindgen::generate!({ path: "../../wit", world: "plugin-with-everything" });
}

use bindings::exports::rowhouse::plugin::tools::{
    Annotations, Answer, Embedded, Guest, Media, Part, PluginInfo, Structured, Tool, ToolError,
};
use bindings::rowhouse::plugin::{log, progress};
use serde_json::Value as Json;

/// The guest.
struct Served;

const NONE: &str = r#"{"type":"object","properties":{},"additionalProperties":false}"#;

/// Word for word the suite's own: it looks for `$schema`, `$defs`, `$anchor` and every keyword that composes.
const SCHEMA_2020_12: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "$defs": {
    "address": {
      "$anchor": "addressDef",
      "type": "object",
      "properties": { "street": { "type": "string" }, "city": { "type": "string" } }
    }
  },
  "properties": {
    "name": { "type": "string" },
    "address": { "$ref": "#/$defs/address" },
    "contactMethod": { "type": "string", "enum": ["phone", "email"] },
    "phone": { "type": "string" },
    "email": { "type": "string" }
  },
  "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
  "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
  "then": { "required": ["phone"] },
  "else": { "required": ["email"] },
  "additionalProperties": false
}"##;

/// A string that a client also sends as the header `Mcp-Param-Region`.
const HEADER: &str = r#"{"type":"object","properties":{
"region":{"type":"string","description":"Where to run.","x-mcp-header":"Region"}},
"required":["region"],"additionalProperties":false}"#;

/// A sentence for the caller's model, or for its user.
const PROMPT: &str = r#"{"type":"object","properties":{"prompt":{"type":"string"}},"required":["prompt"]}"#;
const MESSAGE: &str = r#"{"type":"object","properties":{"message":{"type":"string"}},"required":["message"]}"#;

fn tool(name: &str, description: &str, input_schema: &str) -> Tool {
    Tool {
        name: name.to_owned(),
        title: name.replace('_', " "),
        description: description.to_owned(),
        input_schema: input_schema.to_owned(),
        output_schema: None,
        annotations: Annotations { read_only: true, destructive: false, idempotent: true, open_world: false },
    }
}

fn text(text: &str) -> Answer {
    Answer::Text(text.to_owned())
}

impl Guest for Served {
    fn describe() -> PluginInfo {
        let plain = |name, about| tool(name, about, NONE);
        let mut tools = named();
        tools.extend(asking::TOOLS.iter().map(|name| plain(name, "Asks back.")));
        PluginInfo { name: "conformance".to_owned(), version: "0.1.0".to_owned(), tools }
    }

    // The host calls `dialogue.call` in its place.
    fn call(name: String, arguments: String) -> Result<Answer, ToolError> {
        let arguments = serde_json::from_str(&arguments).map_err(|e| ToolError::InvalidArguments(e.to_string()))?;
        call(&name, arguments)
    }
}

fn named() -> Vec<Tool> {
    let plain = |name, about| tool(name, about, NONE);
    vec![
        plain("test_simple_text", "One text."),
        plain("test_image_content", "One image."),
        plain("test_audio_content", "One sound."),
        plain("test_embedded_resource", "One document."),
        plain("test_multiple_content_types", "A text, an image and a document."),
        plain("test_error_handling", "Always an error."),
        plain("test_tool_with_progress", "Reports progress at 0, 50 and 100 of 100."),
        plain("test_tool_with_logging", "Writes three log messages at level info."),
        plain("test_logging_tool", "Writes one log message at level info."),
        plain("test_trigger_tool_change", "Answers; the list of tools does not change."),
        plain("test_trigger_prompt_change", "Answers; the list of prompts does not change."),
        tool("test_sampling", "Asks the caller's model.", PROMPT),
        tool("test_elicitation", "Asks the user.", MESSAGE),
        tool("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", SCHEMA_2020_12),
        tool("test_x_mcp_header", "Says back a string that also travels as a header.", HEADER),
    ]
}

fn call(name: &str, arguments: Json) -> Result<Answer, ToolError> {
    Ok(match name {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => Answer::Parts(vec![Part::Image(image())]),
        "test_audio_content" => Answer::Parts(vec![Part::Audio(sound())]),
        "test_embedded_resource" => Answer::Parts(vec![document(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content.",
        )]),
        "test_multiple_content_types" => Answer::Parts(vec![
            Part::Text("Multiple content types test:".to_owned()),
            Part::Image(image()),
            document("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ]),
        "test_error_handling" => {
            return Err(ToolError::Failed("This tool intentionally returns an error for testing".to_owned()));
        }
        "test_tool_with_progress" => {
            for done in [0.0, 50.0, 100.0] {
                progress::report(done, Some(100.0), None);
            }
            text("progress reported")
        }
        "test_tool_with_logging" => {
            for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                log::write(log::Level::Info, message);
            }
            text("three messages logged")
        }
        "test_logging_tool" => {
            log::write(log::Level::Info, "test_logging_tool was called");
            text("one message logged")
        }
        "test_trigger_tool_change" | "test_trigger_prompt_change" => text("nothing changed"),
        "json_schema_2020_12_tool" => Answer::Structured(Structured { json: arguments.to_string(), text: None }),
        "test_x_mcp_header" => text(arguments["region"].as_str().unwrap_or_default()),
        other => return Err(ToolError::NotFound(format!("no tool `{other}`"))),
    })
}

fn document(uri: &str, mime_type: &str, text: &str) -> Part {
    Part::Resource(Embedded { uri: uri.to_owned(), mime_type: Some(mime_type.to_owned()), text: text.to_owned() })
}

/// One red pixel.
fn image() -> Media {
    const PNG: &[u8] = &[
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00,
        0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x90, 0x77, 0x53, 0xde, 0x00, 0x00, 0x00,
        0x0c, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0xf8, 0xcf, 0xc0, 0x00, 0x00, 0x03, 0x01, 0x01, 0x00, 0xf7,
        0x03, 0x41, 0x43, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
    ];
    Media { data: PNG.to_vec(), mime_type: "image/png".to_owned() }
}

/// A hundredth of a second of silence: 80 samples of 8 bits, 8000 a second, one channel.
fn sound() -> Media {
    const SAMPLES: u32 = 80;
    let mut data = Vec::new();
    data.extend(b"RIFF");
    data.extend((36 + SAMPLES).to_le_bytes());
    data.extend(b"WAVEfmt ");
    data.extend(16_u32.to_le_bytes()); // the length of the format
    data.extend(1_u16.to_le_bytes()); // plain samples
    data.extend(1_u16.to_le_bytes()); // channels
    data.extend(8_000_u32.to_le_bytes()); // samples a second
    data.extend(8_000_u32.to_le_bytes()); // bytes a second
    data.extend(1_u16.to_le_bytes()); // bytes a sample
    data.extend(8_u16.to_le_bytes()); // bits a sample
    data.extend(b"data");
    data.extend(SAMPLES.to_le_bytes());
    data.extend(std::iter::repeat_n(0x80, SAMPLES as usize)); // 0x80 is the middle
    Media { data, mime_type: "audio/wav".to_owned() }
}

// On the host the examples are compiled, and checked, and never run.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "generated")]
const _: () = {
    bindings::export!(Served with_types_in bindings);
};
