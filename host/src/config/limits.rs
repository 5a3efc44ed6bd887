//! What one call may use: every bound with its default, its reason, and the values that can work.

use serde::{Deserialize, Serialize};

/// What the pool of instances has for each call. The engine is built with these numbers, so that no setting can ask for
/// more than there is, and no mix of components can use up what another call was promised.
pub mod pool {
    /// Bytes of one linear memory.
    pub const MEMORY: usize = 256 << 20;
    /// Elements of one table. StarlingMonkey needs 7,702.
    pub const TABLE_ELEMENTS: usize = 20_000;
    /// Core instances inside one component. Guests of one module are four with their adapters; CPython with its libraries
    /// is 38.
    pub const INSTANCES: u32 = 64;
    /// Linear memories inside one component. QuickJS has three.
    pub const MEMORIES: u32 = 4;
    /// Tables inside one component.
    pub const TABLES: u32 = 8;
    /// Bytes of WebAssembly's own stack. Not a setting: the pool's fibers are cut to it, and twice as much is kept
    /// below it for the host's functions. `PLUGIN_STACK`.
    pub const STACK: usize = 512 << 10;
}

/// The longest time a bound may be set to: a day. Nobody waits longer, and no sum of them overflows.
const DAY: u64 = 86_400_000;

/// Each bound once: what it is, its default, the least and the most it can be set to. From this follow the type of a
/// whole envelope, that of a part of one, how they are laid over each other, and the check of both.
macro_rules! limits {
    ($( $(#[$doc:meta])* $name:ident: $type:ty = $default:expr, $least:expr, $most:expr; )*) => {
        /// What one call may use. Each bound has its own error code, so that a plugin's author knows which one was met.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits { $( $(#[$doc])* pub $name: $type, )* }

        impl Default for Limits {
            fn default() -> Self {
                Self { $( $name: $default, )* }
            }
        }

        /// Some of the bounds, as a layer over others; what is not named is inherited. The fields are those of
        /// [`Limits`].
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[expect(missing_docs, reason = "each field is documented in `Limits`")]
        pub struct LimitsPart { $( #[serde(skip_serializing_if = "Option::is_none")] pub $name: Option<$type>, )* }

        impl Limits {
            /// These bounds with those of `part` in their place, wider or narrower.
            #[must_use]
            pub fn with(&self, part: &LimitsPart) -> Self {
                Self { $( $name: part.$name.unwrap_or(self.$name), )* }
            }

            /// These bounds, and where `part` has a smaller one, that: never wider than before.
            #[must_use]
            pub fn narrowed(&self, part: &LimitsPart) -> Self {
                Self { $( $name: part.$name.map_or(self.$name, |most| most.min(self.$name)), )* }
            }

            /// Every bound by name, in the order of the manual.
            #[must_use]
            pub fn each(&self) -> Vec<(&'static str, u64)> {
                vec![ $( (stringify!($name), self.$name as u64), )* ]
            }

            /// What cannot work, a line each; `place` is the setting these are.
            #[must_use]
            pub fn faults(&self, place: &str) -> Vec<String> {
                self.as_part().faults(place)
            }

            fn as_part(&self) -> LimitsPart {
                LimitsPart { $( $name: Some(self.$name), )* }
            }
        }

        impl LimitsPart {
            /// What cannot work, a line each; `place` is the setting this is.
            #[must_use]
            pub fn faults(&self, place: &str) -> Vec<String> {
                let (mut found, it) = (Vec::new(), self);
                $( if let Some(value) = it.$name {
                    let (value, least, most) = (value as u64, $least as u64, $most as u64);
                    if !(least..=most).contains(&value) {
                        found.push(format!("{place}.{} = {value}: it can be {least} to {most}", stringify!($name)));
                    }
                } )*
                found
            }
        }
    };
}

limits! {
    /// Milliseconds from start to answer, waiting for the database included. `PLUGIN_DEADLINE`. Five seconds more than
    /// one statement may run: a slow statement then ends as one, and the plugin is not blamed for it.
    wall_ms: u64 = 35_000, 1, DAY;
    /// Milliseconds of the plugin's computing and the host's for it, waiting not included, to within 10. `PLUGIN_CPU`.
    /// Two seconds sort a million rows; an answer that needs more should be a statement.
    cpu_ms: u64 = 2_000, 1, DAY;
    /// Units of fuel, about one an instruction; counted where `plugins.fuel` is set. `PLUGIN_FUEL`. The same call uses
    /// the same fuel on any machine. The default is what two seconds of computing come to on a slow one.
    fuel: u64 = 2_000_000_000, 1_000, i64::MAX;
    /// Bytes of linear memory, over all memories of the component. `PLUGIN_MEMORY`. The Python guests need 40 MiB.
    memory: usize = 64 << 20, 64 << 10, pool::MEMORY;
    /// Elements in any table. `PLUGIN_TABLES`.
    table_elements: usize = pool::TABLE_ELEMENTS, 1, pool::TABLE_ELEMENTS;
    /// Core instances inside the component. `PLUGIN_INSTANCES`.
    instances: u32 = pool::INSTANCES, 1, pool::INSTANCES;
    /// Linear memories inside the component. `PLUGIN_INSTANCES`.
    memories: u32 = pool::MEMORIES, 1, pool::MEMORIES;
    /// Tables inside the component. `PLUGIN_INSTANCES`.
    tables: u32 = pool::TABLES, 1, pool::TABLES;
    /// Calls into the host. `PLUGIN_HOST_CALLS`. A guest can make 15 million a second; reading 100,000 rows one by
    /// one is the most a well-behaved one does.
    host_calls: u64 = 200_000, 1, u32::MAX;
    /// Statements started. `PLUGIN_STATEMENTS`.
    statements: u32 = 50, 0, 10_000;
    /// Milliseconds that statements hold connections, all of them together. `PLUGIN_DATABASE_TIME`. Two that take all a
    /// statement may; a dozen at once that each take five seconds.
    database_ms: u64 = 60_000, 1, DAY;
    /// Row sets and pending statements held at once. `PLUGIN_HANDLES`.
    handles: u32 = 64, 0, 10_000;
    /// Rows kept of one statement; more are cut and said to be. Not an error.
    rows: u32 = 1_000, 1, 1_000_000;
    /// Bytes of rows kept of one statement. `QUERY_LIMIT`.
    row_bytes: usize = 4 << 20, 1 << 10, 256 << 20;
    /// Bytes of a call's arguments, as JSON. `ARGUMENTS_LIMIT`. The longest statement the gate reads, eight times.
    argument_bytes: usize = 256 << 10, 2, 64 << 20;
    /// Bytes of the answer, all its parts together. `PLUGIN_ANSWER`. Far more than any model reads.
    answer_bytes: usize = 8 << 20, 1 << 10, 256 << 20;
    /// Parts of an answer. `PLUGIN_ANSWER`. Each costs every client in between more than its bytes.
    answer_parts: u32 = 100, 1, 10_000;
    /// Bytes that cross the wall in one host call or in the answer. `PLUGIN_ANSWER`.
    transfer_bytes: usize = 8 << 20, 4 << 10, 256 << 20;
    /// How deep JSON may nest: arguments (`ARGUMENTS_LIMIT`), answers (`PLUGIN_NESTING`), schemas (refused at load). Half
    /// of the 128 at which the reader of JSON itself gives up: every level is a frame of somebody's stack, here and in
    /// each client.
    json_depth: usize = 64, 4, 120;
    /// Log lines; what goes over is dropped and counted. A screenful, four times.
    log_lines: u32 = 200, 0, 100_000;
    /// Bytes of log lines; what goes over is dropped and counted.
    log_bytes: usize = 16 << 10, 0, 16 << 20;
    /// Progress reports; what goes over is dropped.
    progress_reports: u32 = 1_000, 0, 1_000_000;
    /// Rounds of one call of a tool that asks back. `PLUGIN_CONTRACT`. Ten is what clients drive by themselves.
    rounds: u32 = 10, 1, 100;
}

impl Limits {
    /// The envelope of `describe`: no data, no waiting, half the memory. Naming tools takes microseconds; five seconds
    /// of wall time are for a machine that is busy with other things.
    #[must_use]
    pub fn for_describe(&self) -> Self {
        Self {
            wall_ms: self.wall_ms.min(5_000),
            cpu_ms: self.cpu_ms.min(200),
            fuel: self.fuel.min(200_000_000),
            memory: (self.memory / 2).max(16 << 20),
            host_calls: 1_000,
            statements: 0,
            handles: 0,
            transfer_bytes: self.transfer_bytes.min(1 << 20),
            log_lines: 20,
            log_bytes: 1 << 10,
            progress_reports: 0,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_work() {
        assert_eq!(Limits::default().faults("plugins.limits"), Vec::<String>::new());
        let names: Vec<&str> = Limits::default().each().into_iter().map(|(name, _)| name).collect();
        assert_eq!((names[0], names.len()), ("wall_ms", 23));
    }

    #[test]
    fn a_layer_changes_what_it_names() {
        let part = LimitsPart { cpu_ms: Some(5_000), rows: Some(10), ..LimitsPart::default() };
        let (before, laid) = (Limits::default(), Limits::default().with(&part));
        assert_eq!((laid.cpu_ms, laid.rows), (5_000, 10));
        assert_eq!(Limits { cpu_ms: before.cpu_ms, rows: before.rows, ..laid.clone() }, before);
        // A tenant's layer takes the smaller of both.
        let narrowed = before.narrowed(&part);
        assert_eq!((narrowed.cpu_ms, narrowed.rows), (before.cpu_ms, 10));
        assert_eq!(laid.narrowed(&part), laid);
    }

    #[test]
    fn every_impossible_value_is_named() {
        let part = LimitsPart { memory: Some(1 << 40), cpu_ms: Some(0), statements: Some(0), ..LimitsPart::default() };
        assert_eq!(
            part.faults("plugins.grants.x.limits"),
            [
                "plugins.grants.x.limits.cpu_ms = 0: it can be 1 to 86400000",
                "plugins.grants.x.limits.memory = 1099511627776: it can be 65536 to 268435456",
            ]
        );
    }
}
