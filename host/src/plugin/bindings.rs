//! The contract of `wit/`, as wasmtime generates it, and nothing else.
#![allow(missing_docs, unreachable_pub, dead_code, reason = "generated; the WIT files are the documentation")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin-with-everything",
    imports: {
        "rowhouse:plugin/sql.query": async | trappable,
        "rowhouse:plugin/sql.submit": async | trappable,
        "rowhouse:plugin/sql.[method]pending.wait": async | trappable,
        "rowhouse:plugin/schema.samples": async | trappable,
        "rowhouse:plugin/embedding.embed": async | trappable,
        // Everything else answers from what the host already holds.
        default: trappable,
    },
    exports: { default: async },
    with: {
        "rowhouse:plugin/sql.rows": super::state::RowSet,
        "rowhouse:plugin/sql.pending": super::state::Pending,
    },
});
