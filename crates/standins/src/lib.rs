//! Stand-ins of Genesys Cloud, of LINE and of a custom channel, built from their contracts, with the traffic and the
//! audit that show whether a bridge between them keeps its promises.
//!
//! They share no code with the product: what both would have wrong, neither could find.

mod arrivals;
mod audit;
mod clock;
mod control;
mod curl;
pub mod custom;
mod drive;
mod fault;
mod genesys;
mod http;
mod ids;
mod ledger;
mod line;
mod overview;
mod people;
mod plan;
mod platform;
mod rate;
mod sample;
mod server;
mod setup;
pub mod sign;
pub mod standard_webhooks;
mod webhook;

pub use arrivals::{arrivals, settled};
pub use audit::{Account, Arrival, Audit, Message, audit};
pub use clock::{Clock, iso, parse_iso};
pub use curl::curl;
pub use custom::{Custom, CustomAccount, CustomReceived, CustomSetup, CustomStats, CustomWebhook};
pub use drive::{DriveSettings, Report, drive};
pub use fault::{Fault, Kind};
pub use genesys::{
    AgentMessage, Genesys, GenesysSetup, GenesysStats, Integration, OAuthClient, Outbound, Received,
    UnknownPerson,
};
pub use http::{Client, NoAnswer};
pub use ledger::Ledger;
pub use line::{Channel, Line, LineSetup, LineStats, Sent, Webhook, redelivered, text_event};
pub use overview::Seen;
pub use plan::{Direction, PlanSettings, Send, marked, marker, plan, user_id, visitor_id};
pub use rate::{Admission, SlidingLog};
pub use server::{Cut, Standins};
pub use setup::{EndpointPeer, Setup, WebhookPeer, endpoint_path};
pub use webhook::{Attempt, Delivery, Schedule};
