//! The people of a plan: to which account each of them writes, and by which id their channel knows them.

use crate::plan::user_id;
use crate::server::Standins;

/// An account of a channel, to which people write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelAccount {
    Line(String),
}

/// Everybody, spread over all accounts in turn, by their number.
#[derive(Debug, Clone)]
pub(crate) struct People {
    seed: u64,
    accounts: Vec<ChannelAccount>,
}

impl People {
    /// The people of a plan of that seed, who write to the accounts that have been set up.
    pub(crate) fn of(standins: &Standins, seed: u64) -> Self {
        let line = standins.line().accounts().into_iter().map(ChannelAccount::Line);
        Self { seed, accounts: line.collect() }
    }

    /// The account to which a person writes; `None` where there is no account at all.
    pub(crate) fn account_of(&self, person: u32) -> Option<&ChannelAccount> {
        let place = (person as usize).checked_rem(self.accounts.len())?;
        self.accounts.get(place)
    }

    /// The person's id at their channel.
    pub(crate) fn id_of(&self, person: u32) -> String {
        user_id(self.seed, person)
    }
}
