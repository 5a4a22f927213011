//! The vault: what was masked, sealed with a data key of its person, in the compacted topic `state.vault`.
//!
//! [`Keeper`] is what the processors see of it; [`commands`] is `naru vault`; [`expiry`] removes what is over.

pub(crate) mod commands;
pub(crate) mod expiry;
mod keeper;
mod store;

pub(crate) use keeper::{Keeper, Keeping};
pub(crate) use store::check_ring;
