//! One connection: where it leads, whether it may be given to anybody, whether it is still there.
//!
//! A connection is given back only when its last transaction is known to have been rolled back; in any other state it
//! is closed.

use super::frame::Tap;
use super::loss::Loss;
use super::patience::{Patience, SIGN};
use crate::error::BoxError;
use crate::hosts::{Place, Socket};
use std::sync::Arc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, NoTls, Statement};

/// How many bytes a sign of life may have.
const SIGN_BYTES: usize = 1 << 10;

/// A connection.
pub(super) struct Link {
    pub(super) client: Client,
    /// `SELECT rowhouse.enter($1)`, prepared.
    pub(super) enter: Statement,
    /// The backend's process id, which tickets are bound to.
    pub(super) backend: i32,
    /// The login role.
    pub(super) role: &'static str,
    pub(super) schema_version: i32,
    pub(super) server_version: String,
    pub(super) vector: Option<u32>,
    pub(super) tap: Arc<Tap>,
    /// Where it leads.
    pub(super) place: Place,
    pub(super) patience: Arc<Patience>,
    /// How often connections had been lost when this one last gave a sign of life.
    pub(super) stamp: u64,
    pub(super) config: Arc<Config>,
    pub(super) uses: u64,
    pub(super) max_uses: u64,
    /// Whether a transaction is under way, or ended in a way nobody saw.
    pub(super) unclean: bool,
    pub(super) driver: AbortHandle,
}

impl Link {
    /// A round trip begins: until [`Link::landed`] the connection is not one to give to anybody else.
    pub(super) fn depart(&mut self) {
        self.uses += 1;
        self.unclean = true;
    }

    /// The round trip ended with a ROLLBACK that succeeded.
    pub(super) fn landed(&mut self) {
        self.unclean = false;
    }

    /// Ask the database to stop what this connection runs. It may be late, and stop what runs next: the connection is
    /// not to be used again.
    pub(super) async fn cancel(&self) -> Result<(), BoxError> {
        let token = self.client.cancel_token();
        match self.place.open().await? {
            Socket::Tcp(socket) => token.cancel_query_raw(socket, NoTls).await?,
            Socket::Unix(socket) => token.cancel_query_raw(socket, NoTls).await?,
        }
        Ok(())
    }

    /// Whether the server this connection led to is there as before: it lets somebody in, or says why it does not.
    pub(super) async fn stands(&self) -> bool {
        let asked = async {
            match self.place.open().await? {
                Socket::Tcp(socket) => drop(self.config.connect_raw(socket, NoTls).await?),
                Socket::Unix(socket) => drop(self.config.connect_raw(socket, NoTls).await?),
            }
            Ok::<(), BoxError>(())
        };
        match timeout(SIGN, asked).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => Loss::unmade(&*error).is_none(),
            Err(_) => false,
        }
    }

    /// It is not to be used again, and may say goodbye.
    pub(super) fn spend(&mut self) {
        self.uses = self.max_uses;
    }

    /// Whether it is not to be given to anybody else.
    pub(super) fn is_spent(&self) -> bool {
        self.unclean || self.uses >= self.max_uses || self.client.is_closed()
    }

    /// Ask for a sign of life, if connections were lost since the last one.
    pub(super) async fn prove(&mut self) -> Result<(), BoxError> {
        if self.client.is_closed() || self.patience.is_condemned(self.stamp) {
            return Err("the connection is gone".into());
        }
        let losses = self.patience.losses();
        if self.stamp != losses {
            self.tap.begin(SIGN_BYTES);
            match timeout(SIGN, self.client.simple_query("")).await {
                Ok(answer) => drop(answer?),
                Err(late) => {
                    // Silent, as the others that are as old will be: nobody asks them one by one.
                    self.patience.condemn(losses);
                    self.unclean = true;
                    return Err(late.into());
                }
            }
            self.stamp = losses;
        }
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A clean connection says goodbye by itself when its client is dropped. One in an unknown state may be in
        // the middle of an answer: the socket goes with the task that drives it.
        if self.unclean {
            self.driver.abort();
        }
    }
}
