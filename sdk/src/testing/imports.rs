//! The contract's imports, of the fake host.

use std::{cell::RefCell, rc::Rc};

use super::State;

thread_local! {
    /// The host whose test runs on this thread.
    static CURRENT: RefCell<Option<Rc<RefCell<State>>>> = const { RefCell::new(None) };
}

/// Puts the host of before back, also where a test fails in between.
struct Restore(Option<Rc<RefCell<State>>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

pub(super) fn with<T>(state: &Rc<RefCell<State>>, inside: impl FnOnce() -> T) -> T {
    let _restore = Restore(CURRENT.replace(Some(Rc::clone(state))));
    inside()
}

fn current<T>(look: impl FnOnce(&mut State) -> T) -> T {
    let state = CURRENT.with_borrow(|current| current.clone());
    let state = state.expect("outside of a component there is no host: call through `rowhouse_plugin::testing`");
    look(&mut state.borrow_mut())
}

pub(crate) mod sql {
    use std::cell::Cell;

    use super::current;
    use crate::{
        bindings::rowhouse::plugin::sql::{Batch, Packed, PackedData, PackedTexts},
        sql::SqlError,
        testing::{Asked, Rule, Table, single_spaces},
        value::{Column, Kind, Value},
    };

    #[derive(Debug)]
    pub(crate) struct Rows {
        table: Table,
        read: Cell<usize>,
    }

    #[derive(Debug)]
    pub(crate) struct Pending(Result<Table, SqlError>);

    fn run(statement: &str, parameters: &[Value]) -> Result<Table, SqlError> {
        current(|state| {
            let statement = single_spaces(statement);
            let fits = |rule: &&Rule| {
                statement.contains(&rule.part) && rule.parameter.as_ref().is_none_or(|one| parameters.contains(one))
            };
            let found = state.rules.iter().find(fits);
            let found = found.unwrap_or_else(|| panic!("this test's host has no rows for: {statement} {parameters:?}"));
            let result = found.result.clone();
            state.asked.push(Asked { statement, parameters: parameters.to_vec() });
            result
        })
    }

    pub(crate) fn query(statement: &str, parameters: &[Value]) -> Result<Rows, SqlError> {
        run(statement, parameters).map(|table| Rows { table, read: Cell::new(0) })
    }

    pub(crate) fn submit(statement: &str, parameters: &[Value]) -> Result<Pending, SqlError> {
        Ok(Pending(run(statement, parameters)))
    }

    impl Pending {
        pub(crate) fn wait(&self) -> Result<Rows, SqlError> {
            self.0.clone().map(|table| Rows { table, read: Cell::new(0) })
        }
    }

    impl Rows {
        pub(crate) fn columns(&self) -> Vec<Column> {
            self.table.columns.clone()
        }

        pub(crate) fn count(&self) -> u32 {
            u32::try_from(self.table.rows.len()).unwrap_or(u32::MAX)
        }

        pub(crate) fn truncated(&self) -> bool {
            self.table.truncated
        }

        pub(crate) fn next(&self, max: u32) -> Vec<Vec<Value>> {
            let from = self.read.get();
            let to = from.saturating_add(max.max(1) as usize).min(self.table.rows.len());
            self.read.set(to);
            self.table.rows[from..to].to_vec()
        }

        pub(crate) fn next_batch(&self, max: u32) -> Option<Batch> {
            let rows = self.next(max);
            if rows.is_empty() {
                return None;
            }
            let columns = self.table.columns.iter().enumerate();
            let packed = |(place, column): (usize, &Column)| {
                let cells: Vec<&Value> = rows.iter().map(|row| &row[place]).collect();
                packed(column.kind, &cells)
            };
            Some(Batch { rows: u32::try_from(rows.len()).unwrap_or(u32::MAX), columns: columns.map(packed).collect() })
        }
    }

    fn packed(kind: Kind, cells: &[&Value]) -> Packed {
        let mut validity = vec![0_u8; cells.len().div_ceil(8)];
        for (row, _) in cells.iter().enumerate().filter(|(_, cell)| !matches!(cell, Value::Null)) {
            validity[row / 8] |= 1 << (row % 8);
        }
        let data = match kind {
            Kind::Boolean => {
                PackedData::Booleans(cells.iter().map(|cell| matches!(cell, Value::Boolean(true))).collect())
            }
            Kind::Int => PackedData::Ints(cells.iter().map(|c| if let Value::Int(v) = c { *v } else { 0 }).collect()),
            Kind::Float => {
                PackedData::Floats(cells.iter().map(|c| if let Value::Float(v) = c { *v } else { 0.0 }).collect())
            }
            _ => {
                let mut texts = PackedTexts { offsets: vec![0], data: String::new() };
                for cell in cells {
                    match cell {
                        Value::Text(v) | Value::Numeric(v) | Value::Date(v) | Value::Timestamp(v) | Value::Uuid(v) => {
                            texts.data.push_str(v);
                        }
                        Value::Json(v) => texts.data.push_str(v),
                        _ => {}
                    }
                    texts.offsets.push(u32::try_from(texts.data.len()).unwrap_or(u32::MAX));
                }
                PackedData::Texts(texts)
            }
        };
        Packed { validity: Some(validity), data }
    }
}

pub(crate) mod schema {
    use super::current;
    use crate::{
        schema::Table,
        sql::{SqlError, SqlErrorCode},
    };

    pub(crate) fn tables() -> Result<Vec<Table>, SqlError> {
        Ok(current(|state| state.tables.clone()))
    }

    pub(crate) fn samples(table: &str, column: &str, max: u32) -> Result<Vec<String>, SqlError> {
        current(|state| {
            let known = state.tables.iter().find(|one| one.name == table);
            if !known.is_some_and(|one| one.columns.iter().any(|each| each.name == column)) {
                let message = format!("there is no column {column} of {table}");
                return Err(SqlError { code: SqlErrorCode::Invalid, message, sqlstate: None, position: None });
            }
            let values = state.samples.iter().find(|(of, which, _)| of == table && which == column);
            Ok(values.map_or_else(Vec::new, |(.., values)| values.iter().take(max as usize).cloned().collect()))
        })
    }
}

pub(crate) mod embedding {
    use crate::{
        bindings::rowhouse::plugin::embedding::{EmbeddingError, Model},
        embedding::NoVectors,
    };

    pub(crate) fn current() -> Option<Model> {
        super::current(|state| state.model.clone()).map(|(name, dimensions)| Model { name, dimensions })
    }

    pub(crate) fn embed(texts: &[String]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        super::current(|state| {
            state.embedded.extend_from_slice(texts);
            match &state.no_vectors {
                Some(NoVectors::Unavailable(text)) => return Err(EmbeddingError::Unavailable(text.clone())),
                Some(NoVectors::Limit(text)) => return Err(EmbeddingError::Limit(text.clone())),
                Some(NoVectors::NotConfigured) => return Err(EmbeddingError::NotConfigured),
                None => {}
            }
            let (_, dimensions) = state.model.as_ref().ok_or(EmbeddingError::NotConfigured)?;
            let vector = |text: &String| {
                let chosen = state.vectors.iter().find(|(of, _)| of == text);
                chosen.map_or_else(|| vec![0.0; *dimensions as usize], |(_, vector)| vector.clone())
            };
            Ok(texts.iter().map(vector).collect())
        })
    }
}

pub(crate) mod call_context {
    use super::current;
    use crate::context::{Principal, Scope};

    pub(crate) fn request_id() -> String {
        "test".to_owned()
    }

    pub(crate) fn deadline_left() -> u64 {
        35_000 // the real host's default
    }

    pub(crate) fn now() -> i64 {
        current(|state| state.now)
    }

    pub(crate) fn caller() -> Principal {
        let nobody = || Principal { display_name: String::new(), roles: Vec::new(), scope: Scope::Single };
        current(|state| state.caller.clone()).unwrap_or_else(nobody)
    }
}

pub(crate) mod log {
    use super::current;
    use crate::log::Level;

    pub(crate) fn write(level: Level, message: &str) {
        current(|state| state.lines.push((level, message.to_owned())));
    }
}

pub(crate) mod progress {
    use super::current;

    pub(crate) fn report(done: f64, _total: Option<f64>, _message: Option<&str>) {
        current(|state| state.progress.push(done));
    }
}
