//! The only door to the database: statements, and the rows they give.

use std::borrow::Cow;

pub use crate::{
    bindings::rowhouse::plugin::types::{SqlError, SqlErrorCode},
    row::{Cells, FromRow},
    value::{Column, Kind, Value},
};
use crate::{
    error::{Error, Result},
    imports::sql as host,
    value::ToValue,
};

mod batch;

pub use batch::{Batch, Cell};

/// Rows asked of the host at a time: a page of wide rows stays well below a mebibyte.
const PAGE: u32 = 500;

/// One SELECT and its parameters. Written with [`sql!`](crate::sql!), or by hand:
///
/// ```
/// # use rowhouse_plugin::prelude::*;
/// let most = 5;
/// let statement = Statement::new("SELECT product_name FROM retail.products LIMIT $1").bind(&most);
/// assert_eq!(statement.parameters(), [Value::Int(5)]);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a statement does nothing until its rows are asked for"]
pub struct Statement {
    text: Cow<'static, str>,
    parameters: Vec<Value>,
}

impl Statement {
    /// A statement; what came from a caller stands in it as `$1`, `$2`, ... and follows by [`bind`](Self::bind).
    pub fn new(text: impl Into<Cow<'static, str>>) -> Statement {
        Statement { text: text.into(), parameters: Vec::new() }
    }

    /// The next parameter.
    pub fn bind(mut self, value: &(impl ToValue + ?Sized)) -> Statement {
        self.parameters.push(value.to_value());
        self
    }

    /// The statement, as the host gets it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The parameters, in their order.
    #[must_use]
    pub fn parameters(&self) -> &[Value] {
        &self.parameters
    }

    /// Run it. The rows stay in the host: hand them back as the answer, or read them.
    ///
    /// # Errors
    /// What the database says, here and below.
    pub fn rows(self) -> Result<Rows> {
        Ok(Rows(host::query(&self.text, &self.parameters)?))
    }

    /// Start it and go on. Several run at once, each on its own connection, as far as the operator allows.
    ///
    /// # Errors
    /// A statement the host does not let through.
    pub fn submit(self) -> Result<Pending> {
        Ok(Pending(host::submit(&self.text, &self.parameters)?))
    }

    /// [`Rows::all`] of it.
    ///
    /// # Errors
    /// Also where there were more rows than the host keeps.
    pub fn all<T: FromRow>(self) -> Result<Vec<T>> {
        self.rows()?.all()
    }

    /// [`Rows::page`] of it.
    ///
    /// # Errors
    /// See [`rows`](Self::rows).
    pub fn page<T: FromRow>(self) -> Result<Page<T>> {
        self.rows()?.page()
    }

    /// [`Rows::one`] of it.
    ///
    /// # Errors
    /// Also where there is not exactly one row.
    pub fn one<T: FromRow>(self) -> Result<T> {
        self.rows()?.one()
    }

    /// [`Rows::optional`] of it.
    ///
    /// # Errors
    /// Also where there is more than one row.
    pub fn optional<T: FromRow>(self) -> Result<Option<T>> {
        self.rows()?.optional()
    }
}

/// A statement under way. Dropping it cancels the statement in the database.
#[derive(Debug)]
pub struct Pending(host::Pending);

impl Pending {
    /// Wait for the rows.
    ///
    /// # Errors
    /// What the database says.
    pub fn rows(self) -> Result<Rows> {
        Ok(Rows(self.0.wait()?))
    }
}

/// Run statements side by side, and wait for all of them: `join!(a, b)` is `Result<(Rows, Rows)>`.
///
/// ```
/// # use rowhouse_plugin::{prelude::*, testing, rows};
/// # fn report() -> Result<()> {
/// let (stores, days) = join!(
///     sql!("SELECT store_name FROM retail.stores"),
///     sql!("SELECT min(order_date), max(order_date) FROM retail.orders"),
/// )?;
/// let (stores, days): (Vec<String>, (Option<Date>, Option<Date>)) = (stores.all()?, days.one()?);
/// # Ok(())
/// # }
/// ```
#[macro_export]
macro_rules! join {
    ($($statement:expr),+ $(,)?) => {
        // All are started before the first is waited for: a tuple's parts are made from left to right.
        (|| -> $crate::Result<_> {
            $crate::__private::Wait::wait(($($crate::Statement::submit($statement)?,)+))
        })()
    };
}

#[doc(hidden)]
pub trait Wait {
    type Rows;

    fn wait(self) -> Result<Self::Rows>;
}

macro_rules! wait {
    ($([$($place:tt)+] of $pending:ty, $rows:ty;)*) => {$(
        impl Wait for $pending {
            type Rows = $rows;

            fn wait(self) -> Result<$rows> {
                Ok(($(self.$place.rows()?,)+))
            }
        }
    )*};
}
wait!(
    [0] of (Pending,), (Rows,);
    [0 1] of (Pending, Pending), (Rows, Rows);
    [0 1 2] of (Pending, Pending, Pending), (Rows, Rows, Rows);
    [0 1 2 3] of (Pending, Pending, Pending, Pending), (Rows, Rows, Rows, Rows);
    [0 1 2 3 4] of (Pending, Pending, Pending, Pending, Pending), (Rows, Rows, Rows, Rows, Rows);
    [0 1 2 3 4 5] of (Pending, Pending, Pending, Pending, Pending, Pending), (Rows, Rows, Rows, Rows, Rows, Rows);
);

/// Rows as far as the host kept them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether there were more. Page on with a key: `WHERE id > {last} ORDER BY id`.
    pub truncated: bool,
}

/// Rows that stay in the host until they are asked for. Dropping them frees them.
///
/// Cheapest is to give them back as the answer: they never enter the plugin. [`batches`](Self::batches) are next;
/// reading row by row costs about ten times a batch.
#[derive(Debug)]
pub struct Rows(pub(crate) host::Rows);

impl Rows {
    /// The columns, left to right.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        self.0.columns()
    }

    /// How many rows the host holds, whatever has been read of them.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.count()
    }

    /// Whether the statement had more rows than the host kept.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.0.truncated()
    }

    /// Every row.
    ///
    /// # Errors
    /// There were more rows than the host keeps: a part would be a wrong answer (where a part will do, take
    /// [`page`](Self::page)). Or the rows are not a `T`.
    pub fn all<T: FromRow>(self) -> Result<Vec<T>> {
        if self.truncated() {
            return Err(Error::invalid("too much for one answer: ask for less, or for something coarser"));
        }
        self.read().collect()
    }

    /// As many rows as the host kept, and whether these are all.
    ///
    /// # Errors
    /// The rows are not a `T`.
    pub fn page<T: FromRow>(self) -> Result<Page<T>> {
        let truncated = self.truncated();
        Ok(Page { rows: self.read().collect::<Result<_>>()?, truncated })
    }

    /// The only row.
    ///
    /// # Errors
    /// There is none, or more than one; or it is not a `T`.
    pub fn one<T: FromRow>(self) -> Result<T> {
        self.optional()?.ok_or_else(|| Error::not_found("there is nothing of the kind, among what you may see"))
    }

    /// The only row, if there is one.
    ///
    /// # Errors
    /// There is more than one; or it is not a `T`.
    pub fn optional<T: FromRow>(self) -> Result<Option<T>> {
        let mut rows = self.all()?;
        if rows.len() > 1 {
            return Err(Error::failed(format!("the statement gives {} rows where there can be one", rows.len())));
        }
        Ok(rows.pop())
    }

    /// The rows one by one, fetched in pages: for more than should be in memory at once.
    #[must_use]
    pub fn read<T: FromRow>(self) -> Read<T> {
        Read { rows: self, places: None, page: Vec::new().into_iter(), done: false, of: std::marker::PhantomData }
    }

    /// The rows column by column, `max` at a time: about a tenth of the cost, for computing over many.
    pub fn batches(&self, max: u32) -> impl Iterator<Item = Batch> + '_ {
        std::iter::from_fn(move || self.0.next_batch(max).map(Batch::new))
    }
}

/// Rows, read one by one. See [`Rows::read`].
#[derive(Debug)]
pub struct Read<T> {
    rows: Rows,
    places: Option<Vec<usize>>,
    page: std::vec::IntoIter<Vec<Value>>,
    done: bool,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: FromRow> Iterator for Read<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.done {
            return None;
        }
        let places = match &mut self.places {
            Some(places) => places,
            None => match T::places(&self.rows.columns()) {
                Ok(places) => self.places.insert(places),
                Err(error) => {
                    self.done = true;
                    return Some(Err(error));
                }
            },
        };
        if self.page.len() == 0 {
            self.page = self.rows.0.next(PAGE).into_iter();
        }
        let Some(row) = self.page.next() else {
            self.done = true;
            return None;
        };
        Some(T::from_cells(&mut Cells::new(row, places)))
    }
}
