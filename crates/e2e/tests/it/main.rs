//! End to end: the product's processes on a real Kafka, and the files that deploy them.

mod broker_faults;
mod canary;
mod crossing;
mod custom;
mod dead_letters;
mod demo_stack;
mod deploy;
mod kills;
mod outage;
mod privacy;
mod replay;
mod tables;
mod topics;
mod transactions;
mod upgrade;
mod vault;

use std::process::ExitCode;

use e2e::harness::{self, Needs, Stage, Test};
use e2e::{Outcome, World};

fn main() -> ExitCode {
    let row = |name, needs, run| Test { name, needs, run };
    harness::run(
        env!("CARGO_BIN_EXE_naru-under-test"),
        vec![
            row("compose_matches_the_product", Needs::Nothing, deploy::compose_matches_the_product),
            row("image_matches_the_product", Needs::Nothing, deploy::image_matches_the_product),
            row("dashboards_match_the_metrics", Needs::Nothing, deploy::dashboards_match_the_metrics),
            row("topics_are_made_once", Needs::Kafka, topics::made_once),
            row("a_message_crosses_both_ways", Needs::Kafka, crossing::both_ways),
            row("a_custom_channel_is_kept_apart_from_line", Needs::Kafka, custom::kept_apart),
            row("a_custom_webhook_is_taken_signed_and_once", Needs::Kafka, custom::signed_and_once),
            row("a_custom_person_who_is_gone_stops_nobody", Needs::Kafka, custom::gone_alone),
            row("killed_services_lose_nothing_of_a_custom_channel", Needs::Kafka, custom::nothing_lost),
            row(
                "what_a_customer_wrote_is_masked_at_genesys_and_sealed_in_every_topic",
                Needs::Kafka,
                privacy::masked_and_sealed,
            ),
            row(
                "what_was_masked_is_revealed_on_record_and_forgotten_on_request",
                Needs::Kafka,
                vault::kept_revealed_forgotten,
            ),
            row("a_dead_letter_is_its_record_with_its_place", Needs::Kafka, dead_letters::record_and_place),
            row("a_replay_from_the_beginning_has_no_effect", Needs::Kafka, replay::without_effect),
            row("an_upgrade_goes_on_where_the_previous_version_stopped", Needs::Kafka, upgrade::goes_on),
            row("a_hidden_entry_is_not_absent", Needs::Kafka, tables::a_hidden_entry_is_not_absent),
            row("a_refused_record_is_written_in_the_end", Needs::Kafka, transactions::begun_anew),
            row("an_aborted_transaction_is_restored_in_place", Needs::Kafka, transactions::restored_in_place),
            row("a_transaction_left_open_is_ended", Needs::Kafka, transactions::ended_by_the_next_owner),
            row("killed_processors_lose_nothing", Needs::Kafka, kills::nothing_lost),
            row("rebalances_at_full_speed_lose_nothing", Needs::Kafka, kills::shared_anew_ten_times),
            row("the_demo_stack_carries_both_ways", Needs::Docker, demo_stack::carries_both_ways),
            // The broker is the shared one, so what breaks it comes last.
            row("ten_thousand_canaries_are_found_nowhere", Needs::KafkaToBreak, canary::found_nowhere),
            row("two_instances_keep_order_through_an_outage", Needs::KafkaToBreak, outage::all_kept),
            row("ingress_keeps_webhooks_without_a_broker", Needs::KafkaToBreak, broker_faults::ingress_keeps),
        ],
    )
}

/// Runs an async test to its end.
fn block_on(test: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(test)
}

/// Runs a scene in a world of its own.
fn play(stage: &mut Stage, name: &str, scene: impl AsyncFnOnce(&mut Stage, &World) -> Outcome) -> Outcome {
    block_on(async {
        let world = World::new(stage, name).await?;
        let outcome = scene(stage, &world).await;
        world.end(outcome).await
    })
}

/// An error that says what should have held, unless it does.
fn expect(holds: bool, what: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err(what.into()) }
}
