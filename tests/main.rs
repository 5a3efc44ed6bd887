//! The suite: one binary, a real PostgreSQL, real clients, guests built from the sources beside it.
//!
//! Everything it needs is built or fetched by it, or it fails and says what is missing; nothing is skipped.

#![expect(unreachable_pub, reason = "one binary: what its modules share is `pub`, and nothing is published")]

mod harness; // A whole Rowhouse in this process: own plugins, own port, one database for all.
mod patience; // How long a test waits.
mod redis; // A Redis of the run's own.
mod desk; // The operator's door of a house.
mod piped; // A host over its standard input and output.
mod proxy; // A front that adds a bearer token, for clients that cannot send one.

mod conformance; // The public suite of the protocol, both revisions, through a guest.
mod protocol; // The protocol's edges, spoken raw.
mod clients; // Official clients, in both eras, over both transports.
mod flow; // A call from bytes to bytes.
mod offers; // Prompts, documents, completion, views, and calls that ask back.
mod manual; // The manual of plugins: tables, commands, links, examples.
mod tidy; // Sentences of the documentation that a machine can hold.
mod embedding; // Texts become vectors: services, the local model, vectors kept up with texts.
mod embeddings_store; // The tables vectors lie in, and what may change under them.
mod isolation; // Whose rows are seen: the matrix, forgeries, the database alone.
mod policy; // A policy that changes under a running host.
mod crowd; // Fifty tenants at once, ten thousand calls.
mod sandbox; // Guests that misbehave, and their neighbours.
mod polyglot; // Plugins in Python and JavaScript.
mod author; // From nothing to a tool that answers, as somebody with a shell does it.
mod swap; // Plugins that come, change and go.
mod signing; // Who made what is served.
mod registry; // Plugins that come from a registry and go to one.
mod telemetry; // What a host tells of itself, and what it never tells.
mod errors; // No private text on the wire or in the log.
mod names; // What a database's own names may be taken for.
mod migrations; // Migrations onto data that is there; a table of an operator's own.
mod backup; // Copies of the database: made, tried, brought back.
mod outage; // What breaks around the host, and how it goes on.
mod resilience; // A database that goes and comes back; a host that starts, reloads and stops.
mod doctor; // A deployment is looked at; keys are replaced while hosts serve.
mod deploy; // The files hosts are deployed by, and the layout they make.
mod oauth; // A real authorization server, and clients that find their way to it.
mod audit; // The trail: outages, restarts, tampering.
mod trail; // What callers did, as the trail has it.
mod traffic; // Limits over several hosts.
mod limits; // Limits on the wire; whose statements hold the database.
mod usage; // What was used, as hosts count it and the report tells it.
mod health; // How a host is doing, and whom it tells.
mod cache; // Answers that are kept, and for whom.
