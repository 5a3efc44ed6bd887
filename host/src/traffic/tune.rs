//! Limits that change while calls run: rates and quotas. The queues' places do not, since calls hold them.

use super::rates::Rates;
use super::{Error, Traffic};
use crate::config::{self, Quota};
use std::sync::Arc;

/// Rates and quotas that can be kept, and are not yet in force.
pub struct Tuned {
    rates: Rates,
    quota: Quota,
}

impl Traffic {
    /// See whether these rates and quotas can be kept.
    ///
    /// # Errors
    /// As [`Traffic::open`]; what is in force stays so.
    pub fn tune(&self, settings: &config::Traffic) -> Result<Tuned, Error> {
        Ok(Tuned { rates: Rates::open(settings, &self.inner.time)?, quota: settings.quota })
    }

    /// Keep these from now on. Where rates are others, every bucket begins full; what accounts used today stays.
    pub fn retune(&self, tuned: Tuned) {
        let inner = &self.inner;
        if inner.rates.load().terms() != tuned.rates.terms() {
            inner.rates.store(Arc::new(tuned.rates));
        }
        inner.ledger.set_quota(tuned.quota);
        if let Some(shared) = &inner.shared {
            shared.set_quota(&tuned.quota);
        }
    }
}
