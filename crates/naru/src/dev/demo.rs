//! `naru dev --messages N`: a plan of demo traffic, carried out and audited, and the account of every record.

use std::time::Duration;

use standins::{DriveSettings, PlanSettings, Report, arrivals, audit, drive, plan, settled};

use super::Dev;
use super::account::{Account, Direction};
use super::show::say;
use crate::Failure;

/// Most messages a second.
const RATE: f64 = 100.0;
/// A run lasts at least this long, in s, so that agents have time to answer.
const RUN_SECONDS: f64 = 20.0;
/// How long the last messages may take after the last webhook: the hold, and room for a busy machine.
const SETTLE: Duration = Duration::from_secs(40);
/// Between two looks at the account.
const LOOK: Duration = Duration::from_millis(200);
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(2);

/// Sends `messages`, waits for them, prints the account. An error unless each arrived once and in order.
pub(crate) async fn run(dev: &Dev, messages: u32) -> Result<(), Failure> {
    let settings = PlanSettings {
        messages,
        rate: (f64::from(messages) / RUN_SECONDS).min(RATE),
        ..PlanSettings::default()
    };
    let sends = plan(&settings);
    let again = sends.iter().filter(|send| send.redelivery).count();
    say(&format!(
        "naru dev: {messages} messages of {} people, both directions, {again} of them sent twice, some swapped",
        settings.people
    ));
    let drive_settings =
        DriveSettings { seed: settings.seed, in_flight: 64, known_within: Duration::from_secs(30) };
    let report = tokio::select! {
        report = drive(&dev.standins, &sends, drive_settings) => report,
        () = progress(dev) => unreachable!("progress never ends"),
    };
    settled(&dev.standins, &report.messages, SETTLE).await;
    let directions = Direction::both(&dev.config);
    let accounts = settle(dev, &directions).await?;
    verdict(dev, messages, &report, &directions, &accounts)
}

async fn progress(dev: &Dev) {
    loop {
        tokio::time::sleep(PROGRESS).await;
        if !dev.quiet {
            let counts: Vec<String> =
                dev.standins.counts().iter().map(|(place, count)| format!("{count} at {place}")).collect();
            say(&format!("arrived: {}", counts.join(", ")));
        }
    }
}

/// Waits until nothing is under way, or no longer.
async fn settle(dev: &Dev, directions: &[Direction]) -> Result<Vec<Account>, Failure> {
    let counter = dev.cluster.counter(&dev.config.kafka)?;
    let deadline = tokio::time::Instant::now() + SETTLE;
    loop {
        let accounts: Vec<Account> = directions
            .iter()
            .map(|direction| Account::read(dev, &counter, direction))
            .collect::<Result<_, _>>()?;
        if accounts.iter().all(Account::is_settled) || tokio::time::Instant::now() > deadline {
            return Ok(accounts);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn verdict(
    dev: &Dev,
    messages: u32,
    report: &Report,
    directions: &[Direction],
    accounts: &[Account],
) -> Result<(), Failure> {
    let holds =
        dev.config.platforms.platforms().into_iter().map(|source| dev.config.source(source.name).hold);
    let hold = holds.min().map_or(0, |hold| u64::try_from(hold.as_millis()).unwrap_or(u64::MAX));
    let audit = audit(&report.messages, &arrivals(&dev.standins), hold);
    let answered = report.messages.iter().filter(|message| message.accepted_ms.is_some()).count();
    let all_sent = report.never_sent.is_empty() && answered == messages as usize;
    let clean = audit.is_clean() && all_sent && accounts.iter().all(Account::is_settled);
    if !clean {
        for (direction, audited) in directions.iter().zip([&audit.inbound, &audit.outbound]) {
            say(&format!("{direction}  {audited}"));
        }
        say(&format!("never sent: {}; answers by status: {:?}", report.never_sent.len(), report.tries));
    }
    let outcome = if clean {
        "each message arrived once and in order"
    } else {
        "NOT each message arrived once and in order"
    };
    say(&format!("\n{outcome} ({:.0} s)", report.took.as_secs_f64()));
    for (direction, account) in directions.iter().zip(accounts) {
        say(&format!("{direction}  {account}"));
    }
    if clean { Ok(()) } else { Err(Failure::Failed("the demo did not come out right".to_owned())) }
}
