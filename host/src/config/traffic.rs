//! How much, how often, how many at once.

use super::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How much, how often, how many at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Traffic {
    /// Calls one principal may make, or `"unlimited"`. An agent thinks between calls and makes a few a second; twenty,
    /// after a hundred at once, are met only by a loop.
    #[serde(with = "limit")]
    pub principal: Option<Rate>,
    /// Calls one tenant's people may make together, or `"unlimited"`. Calls of somebody who sees several tenants
    /// count for that caller instead, also where they are narrowed to one. A few busy agents at a time; beyond that neighbours would feel it.
    #[serde(with = "limit")]
    pub tenant: Option<Rate>,
    /// Calls one tenant (or one caller who sees several) may make of any one tool that `tools` does not name, or
    /// `"unlimited"`. Unlimited: which tool is dear only the operator knows.
    #[serde(with = "limit")]
    pub tool: Option<Rate>,
    /// The same for single tools, by `"plugin/tool"`. A name no tool bears limits nothing; the start says so.
    #[serde(with = "limits")]
    pub tools: BTreeMap<String, Option<Rate>>,
    /// What one tenant may use in a day.
    pub quota: Quota,
    /// Calls of one tenant that may run at once. Unset: half of `plugins.concurrent_calls`, so that one tenant alone
    /// never fills the host.
    pub concurrent_per_tenant: Option<u32>,
    /// Calls that may wait for their turn to run. Each holds its arguments, a megabyte at the most.
    pub waiting: u32,
    /// Of these, calls of one tenant: a line one tenant fills is no line.
    pub waiting_per_tenant: u32,
    /// A Redis (5 or later, or Valkey) that all hosts share: limits and quotas then hold over all of them together.
    /// `redis://[user:password@]host[:port][/db]` or `redis+unix:///path`; no TLS, and one server (with replicas, if you
    /// like), no cluster: a call asks for keys that a cluster keeps on several nodes. Unset: each host limits for itself,
    /// and quotas meet in PostgreSQL every `flush_seconds`.
    #[serde(skip_serializing)]
    pub redis: Option<Secret>,
    /// Seconds between writes of the day's usage to PostgreSQL. What a crash forgets, and how far apart two hosts'
    /// quotas can be; one statement each time, so shorter buys little.
    pub flush_seconds: u64,
    /// Days the tables `rowhouse.usage` and `rowhouse.usage_by_plugin` keep what was used; older rows are deleted once a
    /// day. A year, and a month to look back at it.
    pub keep_days: u32,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            principal: Some(Rate { per_second: 20.0, burst: 100 }),
            tenant: Some(Rate { per_second: 50.0, burst: 200 }),
            tool: None,
            tools: BTreeMap::new(),
            quota: Quota::default(),
            concurrent_per_tenant: None,
            waiting: 1_024,
            waiting_per_tenant: 32,
            redis: None,
            flush_seconds: 5,
            keep_days: 400,
        }
    }
}

/// A token bucket: how fast it fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls a second in the long run; below one is allowed (`0.1`: one in ten seconds).
    pub per_second: f64,
    /// Calls at once after a rest.
    pub burst: u32,
}

/// What one tenant may use between two midnights UTC, over all tools. Calls of somebody who sees several tenants count for
/// that caller, by the same numbers. Unset: counted, and not limited. A call is admitted while something is left, so the last
/// ones may go over by what they use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Calls.
    pub calls: Option<u64>,
    /// Rows read.
    pub rows: Option<u64>,
    /// Seconds of connections in use by statements; waiting for one is not counted.
    pub database_seconds: Option<u64>,
    /// Tokens sent to the model that makes vectors of texts, a model of this machine included. What was made before costs
    /// nothing.
    pub embedding_tokens: Option<u64>,
}

/// TOML has no null, and a limit that is on by default must be possible to lift: `"unlimited"` is no limit. A word,
/// not a zero: a zero may as well mean "nothing at all".
mod limit {
    use super::Rate;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::fmt;

    /// The word.
    const UNLIMITED: &str = "unlimited";

    pub(super) fn serialize<S: Serializer>(rate: &Option<Rate>, to: S) -> Result<S::Ok, S::Error> {
        match rate {
            Some(rate) => rate.serialize(to),
            None => to.serialize_str(UNLIMITED),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Rate>, D::Error> {
        from.deserialize_any(Visitor)
    }

    /// Tells the two forms apart itself: an untagged enum would hide which field of a rate is wrong.
    struct Visitor;

    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Option<Rate>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("`{ per_second = …, burst = … }` or \"unlimited\"")
        }

        fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
            if word == UNLIMITED { Ok(None) } else { Err(E::invalid_value(serde::de::Unexpected::Str(word), &self)) }
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Rate::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Some)
        }
    }
}

/// The same by name.
mod limits {
    use super::{Rate, limit};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    #[derive(Serialize, Deserialize)]
    struct Limit(#[serde(with = "limit")] Option<Rate>);

    pub(super) fn serialize<S: Serializer>(rates: &BTreeMap<String, Option<Rate>>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(rates.iter().map(|(name, rate)| (name, Limit(*rate))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Option<Rate>>, D::Error> {
        let read = BTreeMap::<String, Limit>::deserialize(from)?;
        Ok(read.into_iter().map(|(name, Limit(rate))| (name, rate)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use figment::Figment;
    use figment::providers::{Format, Serialized, Toml};

    fn read(toml: &str) -> Result<Traffic, Box<figment::Error>> {
        let read = Figment::from(Serialized::defaults(Traffic::default())).merge(Toml::string(toml)).extract();
        read.map_err(Box::new)
    }

    #[test]
    fn a_limit_can_be_changed_in_part_and_lifted() {
        let shipped = Traffic::default();
        let check = |toml: &str, principal: Option<Rate>| {
            let read = read(toml).unwrap();
            assert_eq!(read.principal, principal, "{toml}");
            assert_eq!(read.tenant, shipped.tenant, "{toml}");
        };
        check("", shipped.principal);
        check("principal = \"unlimited\"", None);
        check("principal.burst = 5", Some(Rate { per_second: 20.0, burst: 5 }));
        check("principal = { per_second = 0.5, burst = 1 }", Some(Rate { per_second: 0.5, burst: 1 }));
        check("[quota]\nrows = 7", shipped.principal);
    }

    #[test]
    fn single_tools_have_their_own() {
        let dear = "\"sales/execute_sales_query\"";
        let text = format!("[tools]\n{dear} = {{ per_second = 1, burst = 5 }}\n\"sales/top\" = \"unlimited\"");
        let (read, rate) = (read(&text).unwrap(), Rate { per_second: 1.0, burst: 5 });
        let expected = [("sales/execute_sales_query", Some(rate)), ("sales/top", None)];
        assert_eq!(read.tools, expected.map(|(name, rate)| (name.to_owned(), rate)).into());
        assert_eq!(read.tool, None);
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(written["tools"]["sales/top"], "unlimited");
    }

    #[test]
    fn mistakes_are_named() {
        for (toml, named) in [
            ("principal = \"none\"", "unlimited"),
            ("principal = 5", "unlimited"),
            ("principal.rate = 5", "rate"),
            ("tool = { burst = 5 }", "per_second"),
            ("[tools]\n\"sales/top\" = { burst = 5 }", "per_second"),
            ("[tools]\n\"sales/top\" = 5", "unlimited"),
            ("quota.bytes = 1", "bytes"),
        ] {
            let said = read(toml).unwrap_err().to_string();
            assert!(said.contains(named), "{toml}: {said}");
        }
    }

    #[test]
    fn the_redis_url_is_not_written_back() {
        let read = read("redis = \"redis://:hunter2@example\"").unwrap();
        assert!(!format!("{read:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&read).unwrap().contains("hunter2"));
    }
}
