//! Lines in the operator's log: [`info!`](crate::info!) and its like, which take what `format!` takes.
//!
//! Never log a row's value: the log is read by people who may not see the tenants' data.

pub use crate::bindings::rowhouse::plugin::log::Level;

/// Write one line. Bounded in bytes a call: what goes over is dropped and counted.
pub fn write(level: Level, message: &str) {
    crate::imports::log::write(level, message);
}

/// A line for whoever looks for a mistake: takes what `format!` takes.
#[macro_export]
macro_rules! debug {
    ($($text:tt)+) => {
        $crate::log::write($crate::log::Level::Debug, &::std::format!($($text)+))
    };
}

/// A line for the record: takes what `format!` takes.
#[macro_export]
macro_rules! info {
    ($($text:tt)+) => {
        $crate::log::write($crate::log::Level::Info, &::std::format!($($text)+))
    };
}

/// A line about what will go wrong if nobody looks: takes what `format!` takes.
#[macro_export]
macro_rules! warn {
    ($($text:tt)+) => {
        $crate::log::write($crate::log::Level::Warn, &::std::format!($($text)+))
    };
}

/// A line about what went wrong: takes what `format!` takes.
#[macro_export]
macro_rules! error {
    ($($text:tt)+) => {
        $crate::log::write($crate::log::Level::Error, &::std::format!($($text)+))
    };
}
