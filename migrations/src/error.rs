//! What can go wrong while a database is being shaped. These texts are for the operator; none holds a secret.

/// Why a database could not be shaped, filled or inspected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL refused a statement, or the connection broke.
    #[error("cannot {doing}")]
    Database {
        /// What was being attempted, as a verb phrase.
        doing: &'static str,
        /// What PostgreSQL, or the driver, said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A migration failed, or an applied one differs from the one in this build. Nothing of it was kept.
    #[error("cannot apply the {domain} migrations")]
    Migration {
        /// `core` or `retail`.
        domain: &'static str,
        /// Which one, and why.
        #[source]
        source: Box<refinery::Error>,
    },
    /// The server has no such extension, or the administrator may not create it.
    #[error("the extension `{name}` is missing: install it on the server, then run as superuser: {statement}")]
    Extension {
        /// Name of the extension.
        name: &'static str,
        /// The statement that creates it.
        statement: String,
        /// Why it could not be created just now.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The server is older than the oldest one supported.
    #[error("PostgreSQL {found} is too old: use 15 or later (views that run as their caller came with 15)")]
    ServerTooOld {
        /// Major version of the server.
        found: i32,
    },
    /// Hardening changes what belongs to the server itself.
    #[error(
        "hardening needs a superuser; a managed server has none to give: keep the parser gate on and read from a replica"
    )]
    NeedsSuperuser,
    /// The name is not one of the agent roles.
    #[error("`{0}` is not an agent role: use rowhouse_one, rowhouse_some or rowhouse_all")]
    NotAnAgentRole(String),
    /// The key id cannot be used in a ticket.
    #[error("a key id has 1 to 64 letters, digits, dots, dashes and underscores")]
    BadKeyId,
    /// The key is too short to be worth signing with.
    #[error("a ticket key has at least 32 bytes; this one has {0}")]
    ShortKey(usize),
    /// The demo's scale makes no sense.
    #[error("a scale lies between 0.001 and 100; this one is {0}")]
    BadScale(f64),
    /// The name belongs to a model with another fingerprint.
    #[error(
        "the embedding model `{0}` is there already, and its vectors cannot be compared with these: give the new one another name"
    )]
    AnotherModel(String),
    /// No model has that name.
    #[error("there is no embedding model `{0}`")]
    NoEmbeddingModel(String),
    /// The views show its vectors.
    #[error("`{0}` is the active embedding model: activate another one first")]
    ActiveModel(String),
    /// No index takes vectors of that length.
    #[error("a vector has 1 to 4000 numbers; those of this model have {0}")]
    BadDimensions(u16),
    /// The vector is not one of the model's.
    #[error("a vector of this model has {expected} numbers; this one has {found}")]
    WrongDimensions {
        /// Numbers in a vector of the model.
        expected: u16,
        /// Numbers in the one at hand.
        found: usize,
    },
    /// Row security hides the texts from the one who is to read them.
    #[error(
        "the owner of {0} sees no rows of it: the table changed hands, or is protected now. CALL rowhouse.share again, or rowhouse.unembed"
    )]
    RowsHidden(String),
    /// A search would not find everything.
    #[error("{lacking} texts of {relation} have no vector of what they say today: compute them first")]
    TextsWithoutVector {
        /// The table.
        relation: String,
        /// Texts without a vector, or with one of an older text.
        lacking: u64,
    },
    /// Seeding starts from nothing only.
    #[error("the demo is already seeded: drop the database to start again")]
    AlreadySeeded,
}

/// Names what was being attempted when PostgreSQL said no.
pub(crate) trait Doing<T> {
    /// `doing` completes the sentence "cannot …".
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, tokio_postgres::Error> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Database { doing, source })
    }
}
