//! What an agent writes, as calls.

use schemas::ChoiceOption;

use super::*;

fn media(url: &str) -> Content {
    let (name, size, caption) = ("a.png".into(), String::new(), String::new());
    Content::Media { kind: MediaKind::Image, url: url.into(), name, size, caption }
}

fn place(title: &str) -> Content {
    let empty = String::new;
    Content::Location { title: title.into(), address: empty(), latitude: empty(), longitude: empty(), url: empty() }
}

fn text(text: &str) -> Content {
    Content::Text { text: text.into() }
}

#[test]
fn each_content_is_a_call_and_what_has_no_shape_is_text() {
    let options = vec![ChoiceOption { text: "Yes".into(), value: "y".into(), ..ChoiceOption::default() }];
    let choices = Content::Choices { title: "Sure?".into(), subtitle: String::new(), options: options.clone() };
    let bare_choices = Content::Choices { title: String::new(), subtitle: String::new(), options: options.clone() };
    let card = Card { title: "Shoes".into(), description: "Red".into(), image: "https://x/s.png".into(), options, ..Card::default() };
    let bare = Card { title: "Hat".into(), ..Card::default() };
    let parts = write(vec![
        text("hello"),
        text(" "),
        media("https://x/a.png"),
        media(""),
        choices.clone(),
        text("Which one?"),
        bare_choices.clone(),
        bare_choices,
        place("Siam"),
        place(""),
        Content::Cards { cards: vec![card, bare] },
        Content::Sticker { text: "wave".into(), keywords: Vec::new() },
        Content::Unsupported { name: "hologram".into() },
    ]);
    let shown: Vec<String> = parts
        .iter()
        .map(|part| match &part[..] {
            [Content::Text { text }] => text.clone(),
            [Content::Media { url, .. }] => format!("media {url}"),
            [Content::Location { title, .. }] => format!("place {title}"),
            [Content::Choices { title, subtitle, options }] => format!("{title}|{subtitle}|{}", options.len()),
            _ => panic!("one content of a shape that the schema has"),
        })
        .collect();
    assert_eq!(shown, [
        "hello",
        "media https://x/a.png",
        "[image] a.png",
        "Sure?||1",
        "Which one?||1",
        "- Yes",
        "place Siam",
        "media https://x/s.png",
        "Shoes|Red|1",
        "Hat",
        "[sticker] wave",
        "[unsupported content: hologram]",
    ]);
}
