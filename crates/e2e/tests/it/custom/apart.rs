//! One opaque id on two channels: two people, each with their own integration, and each answered where they wrote.

use std::collections::BTreeSet;

use e2e::process::account;
use e2e::world::CROSSES_WITHIN;
use e2e::{Outcome, World, wait};
use serde_json::{Value, json};
use standins::custom::{ChoiceOption, Content, Event, MediaKind, Message};
use standins::{CustomReceived, CustomWebhook, Received, iso};

use super::{ACCOUNT, INTEGRATION, accepted, answer, over, text_of, texts, until_posted};
use crate::expect;

/// On LINE and on the custom channel.
const PERSON: &str = "U4af4980629000000000000000000f001";
const DOWNLOAD: &str = "https://api-downloads.mypurecloud.jp/api/v2/downloads/x";

pub(super) async fn scene(world: &World) -> Outcome {
    let services = world.start_all().await?;
    let genesys = world.standins.genesys().received();
    world.accepted(&world.text_of(PERSON, "สวัสดี 🙏")).await?;
    for webhook in contents(world).iter().rev() {
        accepted(world, webhook).await?;
    }
    let received = wait::until("all that both wrote", CROSSES_WITHIN, || async {
        Some(genesys.after(0)).filter(|all| all.len() > SHOWN.len())
    })
    .await?;
    let (line, custom) = (over(account::INTEGRATION, &received), over(INTEGRATION, &received));
    expect(texts(&line) == ["สวัสดี 🙏"], format!("over the integration of LINE: {:?}", texts(&line)))?;
    expect(texts(&custom) == SHOWN, format!("over that of the custom channel: {:?}", texts(&custom)))?;
    one_person(&line, "Thailand")?;
    one_person(&custom, "Korea")?;
    let (line, custom) = (line[0], custom[0]);
    expect(line.conversation != custom.conversation, "both people have one GUID")?;

    answer(world, line, "From an agent", json!({})).await?;
    for (text, more) in answers() {
        answer(world, custom, text, more).await?;
    }
    world.until_at_line("From an agent").await?;
    let ledger = world.standins.custom().received();
    wait::until("all answers at the custom channel", CROSSES_WITHIN, || async {
        (ledger.len() >= posted().len()).then_some(())
    })
    .await
    .map_err(|error| format!("{error}: {:?}", ledger.after(0)))?;

    // One more each way on each channel: when these are there, a second copy of anything would be.
    world.accepted(&world.text_of(PERSON, "one more on LINE")).await?;
    accepted(world, &text_of(world, PERSON, "one more in the chat")).await?;
    answer(world, line, "Bye on LINE", json!({})).await?;
    answer(world, custom, "Bye in the chat", json!({})).await?;
    world.until_at_genesys("one more on LINE").await?;
    let received = world.until_at_genesys("one more in the chat").await?;
    expect(received.len() == SHOWN.len() + 3, format!("{} messages at genesys", received.len()))?;
    let pushed = world.until_at_line("Bye on LINE").await?;
    let pushed: Vec<(&str, &str)> =
        pushed.iter().map(|push| (push.user.as_str(), push.text.as_str())).collect();
    let expected = [(PERSON, "From an agent"), (PERSON, "Bye on LINE")];
    expect(pushed == expected, format!("at LINE: {pushed:?}"))?;
    all_posted(&until_posted(world, "Bye in the chat").await?)?;
    for service in services {
        service.stop()?;
    }
    Ok(())
}

/// All that the person writes in the chat, in one millisecond: only its numbers put it in order.
fn contents(world: &World) -> Vec<CustomWebhook> {
    let some = |text: &str| Some(text.to_owned());
    let contents = [
        Content::text("call 010-1234-5678, please"),
        Content::Media {
            kind: MediaKind::Image,
            url: "https://chat.example.com/a.png".to_owned(),
            name: some("a.png"),
            caption: some("my number is 010-1234-5678"),
        },
        Content::Location {
            latitude: Some(13.5),
            longitude: Some(100.25),
            title: some("Siam"),
            address: some("Rama I Road"),
            url: None,
        },
        Content::Choice { text: "Billing".to_owned(), value: some("b") },
    ];
    let timestamp = iso(world.standins.clock().now_ms());
    let numbered = |(sequence, content): (u64, Content)| {
        let data = Message {
            id: format!("m-{sequence}"),
            person: PERSON.to_owned(),
            sequence: Some(sequence),
            content,
        };
        let event = Event::Message { timestamp: timestamp.clone(), data };
        world.standins.custom().compose(ACCOUNT, &event).expect("the account is set up")
    };
    (1..).zip(contents).map(numbered).collect()
}

/// What the agent sees of it.
const SHOWN: [&str; 4] = [
    "call ***-****-5678, please",
    "[image] a.png, my number is ***-****-5678, https://chat.example.com/a.png",
    "[location] Siam, Rama I Road, https://www.google.com/maps/search/?api=1&query=13.5,100.25",
    "Billing",
];

/// What agents answer in the chat: texts, and what Genesys puts beside them.
fn answers() -> [(&'static str, Value); 5] {
    let attachment = json!({
        "id": "1", "mediaType": "File", "url": DOWNLOAD, "mime": "application/pdf", "filename": "contract.pdf",
    });
    let attachment = json!([{"contentType": "Attachment", "attachment": attachment}]);
    let reply = |text: &str, payload: &str| json!({"text": text, "payload": payload, "action": "Message"});
    let replies = [reply("Billing", "b"), reply("Delivery", "d")];
    let replies = replies.map(|reply| json!({"contentType": "QuickReply", "quickReply": reply}));
    let actions = json!([{"text": "Yes", "payload": "y"}]);
    let second =
        json!([{"contentType": "QuickReplyV2", "quickReplyV2": {"title": "Sure?", "actions": actions}}]);
    let place =
        json!({"text": "Siam", "address": "Rama I Road", "url": "https://maps.example.com/?q=13.5,100.25"});
    let place = json!([{"contentType": "Location", "location": place}]);
    [
        ("From an agent", json!({})),
        ("here you are", json!({"content": attachment})),
        ("Which one?", json!({"type": "Structured", "content": replies})),
        ("", json!({"type": "Structured", "content": second})),
        ("we are here", json!({"content": place})),
    ]
}

/// What the chat gets of it.
fn posted() -> Vec<Content> {
    let option = |text: &str, value: &str| ChoiceOption {
        text: text.to_owned(),
        value: Some(value.to_owned()),
        url: None,
    };
    vec![
        Content::text("From an agent"),
        Content::text("here you are"),
        Content::Media {
            kind: MediaKind::File,
            url: DOWNLOAD.to_owned(),
            name: Some("contract.pdf".to_owned()),
            caption: None,
        },
        Content::Choices {
            text: "Which one?".to_owned(),
            options: vec![option("Billing", "b"), option("Delivery", "d")],
        },
        Content::Choices { text: "Sure?".to_owned(), options: vec![option("Yes", "y")] },
        Content::text("we are here"),
        Content::Location {
            latitude: None,
            longitude: None,
            title: Some("Siam".to_owned()),
            address: Some("Rama I Road".to_owned()),
            url: Some("https://maps.example.com/?q=13.5,100.25".to_owned()),
        },
    ]
}

/// All at one person, who is not known by the channel's id, and each under the account's attributes.
fn one_person(received: &[&Received], market: &str) -> Outcome {
    let guids: BTreeSet<&str> = received.iter().map(|message| message.conversation.as_str()).collect();
    expect(guids.len() == 1, format!("one person has {} GUIDs", guids.len()))?;
    expect(!guids.contains(PERSON), "Genesys was given the channel's id")?;
    let is_of = |message: &&Received| message.attributes["market"] == market;
    expect(received.iter().all(is_of), format!("attributes: {}", received[0].attributes))
}

/// The answers and the last one, each once, in order, to that person.
fn all_posted(received: &[CustomReceived]) -> Outcome {
    let right = |message: &&CustomReceived| message.account == ACCOUNT && message.person == PERSON;
    expect(received.iter().all(|message| right(&message)), "an answer went to somebody else")?;
    let contents: Vec<&Content> =
        received.iter().filter_map(|message| Some(&message.event.message()?.content)).collect();
    let mut expected = posted();
    expected.push(Content::text("Bye in the chat"));
    expect(contents == expected.iter().collect::<Vec<_>>(), format!("at the custom channel: {contents:#?}"))
}
