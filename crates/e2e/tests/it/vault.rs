//! The vault, on a real Kafka: tokens at Genesys, revealed on record, forgotten for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use e2e::harness::Stage;
use e2e::{Outcome, Running, Service, World, wait};
use keys::{KeyRing, PersonKey, Wrapped};
use schemas::{Act, Codec, Framing, Reveal, Topic, VaultEntry};
use standins::Received;

use crate::{expect, play};

const CUSTOMER: &str = "U4af4980629000000000000000000e0a1";
const OTHER: &str = "U4af4980629000000000000000000e0a2";
const ROTATED: &str = "U4af4980629000000000000000000e1";
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// People who write while the keys are rotated.
const PEOPLE: usize = 24;

/// Tokens, audit, exit codes; a rotation under load; what was forgotten, also after the state is restored from topics.
pub(crate) fn kept_revealed_forgotten(stage: &mut Stage) -> Outcome {
    play(stage, "vault", async |_stage, world| {
        let ring = world.product.log_of("vault-ring").with_extension("toml");
        let ring = ring.to_str().ok_or("the folder's name is text")?;
        world.product.run(&["keys", "init", ring])?;
        world
            .product
            .configure(&format!("\n[keys]\nfile = \"{ring}\"\n\n[vault]\noriginals = \"kept\"\n"))?;
        let [ingress, processors, egress] = world.start_all().await?;

        let person = kept_and_revealed(world).await?;
        let processors = rotated_under_load(world, ring, processors).await?;
        forgotten(world, &person, processors).await?;
        for service in [ingress, egress] {
            service.stop()?;
        }
        Ok(())
    })
}

/// The messages of a person at Genesys with their tokens by kind.
fn tokens(message: &Received) -> BTreeMap<String, String> {
    let all = message.metadata.get("naruTokens").and_then(|tokens| tokens.as_str()).unwrap_or_default();
    let pairs = all.split(' ').filter_map(|token| token.split_once(':'));
    pairs.map(|(kind, token)| (kind.to_owned(), token.to_owned())).collect()
}

fn reveal(world: &World, person: &str, token: &str) -> Outcome<(i32, String)> {
    let arguments = [
        "vault",
        "reveal",
        "--person",
        person,
        "--token",
        token,
        "--reason",
        "a call back",
        "--operator",
        "desk 7",
    ];
    world.product.try_run(&arguments)
}

/// Says what is kept, and gives the person's GUID.
async fn kept_and_revealed(world: &World) -> Outcome<String> {
    for (customer, text) in [
        (CUSTOMER, "카드4532-0151-1283-0366요, ０１０－１２３４－５６７８, 900101-1234568"),
        (CUSTOMER, "전화 01012345678"),
        (CUSTOMER, "계속 4532 0151"),
        (OTHER, "1588"),
        (CUSTOMER, "1283"),
        (CUSTOMER, "0366 끝"),
    ] {
        world.accepted(&world.text_of(customer, text)).await?;
    }
    world.until_at_genesys("0366 끝").await?;
    // The other person's lane is another.
    let all = world.until_at_genesys("1588").await?;
    let texts: Vec<&str> = all.iter().map(|message| message.text.as_str()).collect();
    let expected = [
        "카드****-****-****-0366요, ***-****-5678, ******-*******",
        "전화 ***-****-5678",
        "계속 **** ****",
        "****",
        "0366 끝",
        "1588",
    ];
    expect(expected.iter().all(|text| texts.contains(text)), format!("at genesys: {texts:?}"))?;

    let first = all.iter().find(|message| message.text == expected[0]).ok_or("it arrived")?;
    let again = all.iter().find(|message| message.text == expected[1]).ok_or("it arrived")?;
    let person = first.conversation.clone();
    let of_first = tokens(first);
    expect(
        of_first.keys().map(String::as_str).eq(["payment_card", "phone"]),
        format!("tokens: {:?}", of_first.keys()),
    )?;
    expect(tokens(again).get("phone") == of_first.get("phone"), "the same number has the same token")?;
    for part in &expected[2..5] {
        let part = all.iter().find(|message| message.text == *part).ok_or("it arrived")?;
        let card = tokens(part).get("payment_card") == of_first.get("payment_card");
        expect(card, format!("{} is a part of the same number", part.text))?;
    }

    // A value that was written in several ways has one token, which gives one of them.
    for (kind, written) in [
        ("phone", ["０１０－１２３４－５６７８", "01012345678"]),
        ("payment_card", ["4532-0151-1283-0366", "4532 0151 1283 0366"]),
    ] {
        let (code, said) = reveal(world, &person, &of_first[kind])?;
        expect(code == 0 && written.contains(&said.trim_end()), format!("{code}: {said}"))?;
    }

    let audit = Codec::<Reveal>::new(&Framing::single_object());
    let records: Vec<Reveal> =
        values(world, Topic::REVEALS)?.iter().filter_map(|value| audit.decode(value).ok()).collect();
    expect(records.len() == 2, format!("{} records of two reveals", records.len()))?;
    for record in &records {
        let is_told = record.what == Act::Reveal
            && (record.person == person && record.reason == "a call back" && record.operator == "desk 7")
            && !record.system_user.is_empty()
            && !record.host.is_empty();
        expect(is_told, "the record says who, what and why")?;
    }

    let listed = world.product.run(&["vault", "list", "--person", &person])?;
    expect(
        listed.contains("phone") && listed.contains(&of_first["payment_card"]) && !listed.contains("1234"),
        format!("listed: {listed}"),
    )?;
    let (code, said) = reveal(world, &person, "abcdefghijklmnop")?;
    expect(code == 3 && said.contains("no such token"), format!("{code}: {said}"))?;
    let (code, said) =
        world.product.try_run(&["vault", "reveal", "--person", &person, "--token", "x", "--reason", " "])?;
    expect(code == 2 && said.contains("--reason"), format!("{code}: {said}"))?;
    let (code, said) = world.product.try_run(&["vault", "forget", "--person", "somebody"])?;
    expect(code == 2 && said.contains("not a GUID"), format!("{code}: {said}"))?;
    let after = values(world, Topic::REVEALS)?;
    expect(after.len() == records.len(), "what is not revealed is not on record")?;
    Ok(person)
}

/// New keys while people write; then the old key goes, and every token still reveals.
async fn rotated_under_load(world: &World, ring: &str, processors: Running) -> Outcome<Running> {
    let number = |person: usize| format!("010-{:04}-{:04}", 2000 + person * 7, 3000 + person * 11);
    let mut processors = Some(processors);
    for person in 0..PEOPLE {
        world.accepted(&world.text_of(&format!("{ROTATED}{person:03}"), &number(person))).await?;
        if person == PEOPLE / 4 {
            world.product.run(&["keys", "rotate", ring])?;
            processors.take().ok_or("they run")?.stop()?;
            processors = Some(world.product.start(Service::Processors, "processors").await?);
        }
        if person == PEOPLE / 2 {
            let said = world.product.run(&["vault", "rotate"])?;
            expect(said.contains("data keys are wrapped with"), said)?;
        }
    }
    let ledger = world.standins.genesys().received();
    let all = wait::until("all numbers at genesys", ARRIVES_WITHIN, || async {
        let all: Vec<Received> =
            ledger.after(0).into_iter().filter(|message| message.text.starts_with("***-****-")).collect();
        (all.len() >= PEOPLE).then_some(all)
    })
    .await?;
    let of_each = all
        .iter()
        .filter_map(|message| Some((message.conversation.clone(), tokens(message).remove("phone")?)));
    let revealed: BTreeMap<String, String> = of_each.collect();
    expect(revealed.len() == PEOPLE, format!("{} of {PEOPLE} have a token", revealed.len()))?;

    world.product.run(&["vault", "rotate"])?;
    let whole = std::fs::read_to_string(ring).map_err(|error| error.to_string())?;
    only_newest_key(ring)?;
    let mut seen = Vec::new();
    for (person, token) in &revealed {
        let (code, said) = reveal(world, person, token)?;
        expect(code == 0, format!("{code}: {said}"))?;
        seen.push(said.trim().to_owned());
    }
    seen.sort();
    let mut sent: Vec<String> = (0..PEOPLE).map(number).collect();
    sent.sort();
    expect(seen == sent, "each reveals what was sent")?;

    // Another ring opens nothing, and is told so; the same for one that is not there.
    std::fs::remove_file(ring).map_err(|error| error.to_string())?;
    let (person, token) = revealed.first_key_value().ok_or("there are some")?;
    let (code, said) = reveal(world, person, token)?;
    expect(code == 2 && said.contains("keys.file"), format!("{code}: {said}"))?;
    world.product.run(&["keys", "init", ring])?;
    let (code, said) = reveal(world, person, token)?;
    expect(code == 6, format!("{code}: {said}"))?;
    // Raw records are still sealed with the old key.
    std::fs::write(ring, whole).map_err(|error| error.to_string())?;
    no_resident_number(world, ring)?;
    processors.ok_or_else(|| "they run".to_owned())
}

/// Leaves the last key of a ring's file.
fn only_newest_key(ring: &str) -> Outcome {
    let text = std::fs::read_to_string(ring).map_err(|error| error.to_string())?;
    let last = text.rfind("[[key]]").ok_or("there is a key")?;
    std::fs::write(ring, &text[last..]).map_err(|error| error.to_string())
}

/// With every key of the vault no resident number can be read out of it.
fn no_resident_number(world: &World, ring: &str) -> Outcome {
    let text = std::fs::read_to_string(ring).map_err(|error| error.to_string())?;
    let ring = KeyRing::parse(&text).map_err(|error| error.to_string())?;
    let codec = Codec::<VaultEntry>::new(&Framing::single_object());
    let entries: Vec<VaultEntry> =
        values(world, Topic::VAULT)?.iter().filter_map(|value| codec.decode(value).ok()).collect();
    let mut keys = BTreeMap::new();
    for VaultEntry { person, data_key, .. } in &entries {
        let Some(key) = data_key else { continue };
        let wrapped = Wrapped { ring_key: key.ring_key.clone(), key: key.wrapped.clone() };
        if let Ok(open) = PersonKey::unwrap(&ring, person, &key.id, &wrapped) {
            keys.insert((person.clone(), key.id.clone()), open);
        }
    }
    let mut opened = 0;
    for VaultEntry { person, value, .. } in &entries {
        let Some(value) = value else { continue };
        let key = keys.get(&(person.clone(), value.data_key.clone())).ok_or("every value has its key")?;
        let text = key.open(&value.kind, &value.sealed).map_err(|error| error.to_string())?;
        opened += 1;
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        expect(
            !digits.contains("900101") && !digits.contains("1234568"),
            "a resident number is in the vault",
        )?;
    }
    expect(opened > PEOPLE, format!("{opened} values opened"))
}

/// Forgotten: no reveal, nothing kept any more, also by processors that restore everything from topics.
async fn forgotten(world: &World, person: &str, processors: Running) -> Outcome {
    let ledger = world.standins.genesys().received();
    let token = ledger
        .after(0)
        .iter()
        .filter(|message| message.conversation == person)
        .find_map(|message| tokens(message).remove("payment_card"))
        .ok_or("she has a token")?;
    let said = world.product.run(&["vault", "forget", "--person", person])?;
    expect(said.contains("forgotten"), said)?;
    let (code, said) = reveal(world, person, &token)?;
    expect(code == 4 && said.contains("forgotten"), format!("{code}: {said}"))?;

    processors.stop()?;
    // Another instance has a data folder of its own, which is empty.
    let processors = world.product.start(Service::Processors, "without-state").await?;
    world.accepted(&world.text_of(CUSTOMER, "다시 010-1234-5678 써요")).await?;
    let all = world.until_at_genesys("다시 ***-****-5678 써요").await?;
    let last = all.iter().rfind(|message| message.conversation == person).ok_or("it arrived")?;
    expect(tokens(last).is_empty(), "nothing of hers is kept any more")?;
    let (code, said) = reveal(world, person, &token)?;
    expect(code == 4, format!("{code}: {said}"))?;
    processors.stop()
}

/// All values of a topic.
fn values(world: &World, topic: Topic) -> Outcome<Vec<Vec<u8>>> {
    Ok(world.records(topic)?.into_iter().map(|record| record.value).collect())
}
