//! What a statement passes before it is anybody's turn: bounds on its parameters, and the gate.

use super::gate::{self, Checked};
use super::{SqlCode, SqlError, TenantTx, Value};

impl TenantTx {
    /// What the gate learnt of the statement, if it and its parameters may go to the database.
    pub(super) fn admit(&self, statement: &str, parameters: &[Value]) -> Result<Checked, SqlError> {
        let settings = &self.database.0.settings;
        let invalid = |message| Err(SqlError::new(SqlCode::Invalid, message));
        if parameters.len() > gate::MAX_PARAMETERS as usize {
            return invalid(format!(
                "there are {} parameters; at most {} are taken",
                parameters.len(),
                gate::MAX_PARAMETERS
            ));
        }
        if parameters.iter().map(Value::size).sum::<usize>() > settings.parameter_bytes {
            return invalid(format!("the parameters have more than {} bytes together", settings.parameter_bytes));
        }
        let may_read = |schema: &str, relation: &str| self.readable.contains(schema, relation);
        #[cfg(feature = "demolition")]
        if self.database.0.lowered.gate() {
            return Ok(Checked::default());
        }
        let gate = self.database.0.gate.load();
        let checked = match self.asking {
            Some(_) => gate.check_settled(statement, &may_read),
            None => gate.check_as(statement, &may_read),
        };
        let checked = checked.map_err(SqlError::refused)?;
        if checked.parameters as usize > parameters.len() {
            let (uses, given) = (checked.parameters, parameters.len());
            return invalid(format!("the statement uses ${uses}, but {given} parameters were given"));
        }
        let long =
            |n: &&u32| parameters.get(**n as usize - 1).is_some_and(|value| value.size() > gate::MAX_QUERY_BYTES);
        if let Some(n) = checked.short_parameters.iter().find(long) {
            return invalid(format!(
                "${n} is read as a text-search query and may have {} bytes at most",
                gate::MAX_QUERY_BYTES
            ));
        }
        Ok(checked)
    }
}
