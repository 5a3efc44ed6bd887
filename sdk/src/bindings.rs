//! What `wit-bindgen` makes of `wit/`, and nothing else.

#![allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, reason = "generated")]

wit_bindgen::generate!({
    path: "wit",
    world: "plugin-with-everything",
    pub_export_macro: true,
    export_macro_name: "export_everything",
    default_bindings_module: "rowhouse_plugin::bindings",
    runtime_path: "::rowhouse_plugin::__private::rt",
    // Tests compare what they gave and got. An answer may hold a handle, which is equal to nothing.
    additional_derives: [PartialEq],
    additional_derives_ignore: ["answer", "outcome"],
});
