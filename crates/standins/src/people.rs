//! The people of a plan: to which account each of them writes, and by which id their channel knows them.

use crate::plan::{user_id, visitor_id};
use crate::server::Standins;

/// An account of a channel, to which people write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChannelAccount {
    Line(String),
    Custom(String),
}

/// Everybody, spread over all accounts in turn, by their number.
#[derive(Debug, Clone)]
pub(crate) struct People {
    seed: u64,
    accounts: Vec<ChannelAccount>,
}

/// A person of a custom channel, whose ids mean nothing beside their account.
pub(crate) fn custom_address(account: &str, person: &str) -> String {
    format!("{account}/{person}")
}

impl People {
    /// The people of a plan of that seed, who write to the accounts that have been set up.
    pub(crate) fn of(standins: &Standins, seed: u64) -> Self {
        let line = standins.line().accounts().into_iter().map(ChannelAccount::Line);
        let custom = standins.custom().accounts().into_iter().map(ChannelAccount::Custom);
        Self { seed, accounts: line.chain(custom).collect() }
    }

    /// The account to which a person writes; `None` where there is no account at all.
    pub(crate) fn account_of(&self, person: u32) -> Option<&ChannelAccount> {
        let place = (person as usize).checked_rem(self.accounts.len())?;
        self.accounts.get(place)
    }

    /// The person's id at their channel.
    pub(crate) fn id_of(&self, person: u32) -> String {
        match self.account_of(person) {
            Some(ChannelAccount::Custom(_)) => visitor_id(self.seed, person),
            Some(ChannelAccount::Line(_)) | None => user_id(self.seed, person),
        }
    }

    /// The address at which the person's answers must arrive, as the audit compares it.
    pub(crate) fn address_of(&self, person: u32) -> String {
        match self.account_of(person) {
            Some(ChannelAccount::Custom(account)) => custom_address(account, &self.id_of(person)),
            Some(ChannelAccount::Line(_)) | None => self.id_of(person),
        }
    }

    /// Whether the person's messages carry numbers, where their channel has any: those of every other one do.
    pub(crate) fn are_numbered(&self, person: u32) -> bool {
        (person as usize / self.accounts.len().max(1)).is_multiple_of(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::setup::{Setup, WebhookPeer};

    fn people(peers: &[(&str, &str)]) -> People {
        let webhook = |(platform, name): &(&str, &str)| WebhookPeer {
            platform: (*platform).into(),
            name: (*name).into(),
            secrets: vec!["secret".into()],
        };
        let webhooks: Vec<WebhookPeer> = peers.iter().map(webhook).collect();
        let mut setup = Setup::of(&webhooks, &[], "http://ingress");
        // Nobody writes to an account whose webhooks go nowhere.
        setup.line.channels.push(crate::line::Channel {
            account: "silent".into(),
            webhook_url: String::new(),
            ..setup.line.channels[0].clone()
        });
        People::of(&Standins::new(setup, Clock::new(|| 0)), 1)
    }

    #[test]
    fn people_take_the_accounts_in_turn() {
        let people = people(&[("custom", "shop"), ("line", "th"), ("genesys", "g"), ("line", "jp")]);
        let accounts: Vec<_> = (0..6).map(|person| people.account_of(person).unwrap().clone()).collect();
        let (th, jp) = (ChannelAccount::Line("th".into()), ChannelAccount::Line("jp".into()));
        let shop = ChannelAccount::Custom("shop".into());
        assert_eq!(accounts, [th.clone(), jp.clone(), shop.clone(), th, jp, shop]);
        assert_eq!((people.id_of(0), people.address_of(0)), (user_id(1, 0), user_id(1, 0)));
        assert_eq!(people.id_of(2), visitor_id(1, 2));
        assert_eq!(people.address_of(2), format!("shop/{}", visitor_id(1, 2)));
        assert_eq!((people.are_numbered(2), people.are_numbered(5)), (true, false));
    }
}
