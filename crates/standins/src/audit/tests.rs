//! The audit against small stories.

use super::*;

const HOLD_MS: u64 = 2_000;

/// Messages as `number person event sent accepted`; `-` for never accepted.
fn sent(direction: Direction, text: &str) -> Vec<Message> {
    text.split(',')
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Message {
                message: words[0].parse().unwrap(),
                direction,
                person: words[1].to_owned(),
                event_ms: words[2].parse().unwrap(),
                first_sent_ms: words[3].parse().unwrap(),
                accepted_ms: words[4].parse().ok(),
            }
        })
        .collect()
}

/// Arrivals as `number@address`.
fn arrived(direction: Direction, text: &str) -> Vec<Arrival> {
    text.split_whitespace()
        .map(|word| {
            let (message, address) = word.split_once('@').unwrap();
            Arrival { message: message.parse().unwrap(), direction, address: address.to_owned(), time: 0 }
        })
        .collect()
}

/// The verdict as text: only what is not as it should be.
fn verdict(account: &Account) -> String {
    let mut words = Vec::new();
    for (name, list) in
        [("lost", &account.lost), ("twice", &account.twice), ("misdirected", &account.misdirected)]
    {
        if !list.is_empty() {
            words.push(format!("{name} {list:?}"));
        }
    }
    if !account.out_of_order.is_empty() {
        words.push(format!("order {:?}", account.out_of_order));
    }
    for (name, count) in
        [("late", account.late), ("unanswered", account.unanswered), ("unknown", account.unknown)]
    {
        if count > 0 {
            words.push(format!("{name} {count}"));
        }
    }
    words.join(", ")
}

fn inbound(messages: &str, arrivals: &str) -> Account {
    let way = Direction::Inbound;
    audit(&sent(way, messages), &arrived(way, arrivals), HOLD_MS).inbound
}

#[test]
fn stories() {
    let plain = "1 p 10 10 20, 2 p 30 30 40, 3 q 35 35 45";
    for (messages, arrivals, expected, clean) in [
        (plain, "1@g 2@g 3@h", "", true),
        // Between people there is no order.
        (plain, "3@h 1@g 2@g", "", true),
        (plain, "1@g 3@h", "lost [2]", false),
        (plain, "1@g 2@g 3@h 2@g", "twice [2]", false),
        (plain, "1@g 1@g 1@g 2@g 3@h", "twice [1]", false),
        // A doubled message is no disorder as well.
        (plain, "1@g 2@g 1@g 3@h", "twice [1]", false),
        (plain, "2@g 1@g 3@h", "order [(1, 2)]", false),
        (plain, "1@g 2@g 3@g", "misdirected [3]", false),
        (plain, "1@g 2@x 3@h", "misdirected [2]", false),
        (plain, "1@g 2@g 3@h 9@g", "unknown 1", false),
        // Never answered 2xx: it may be there or not.
        ("1 p 10 10 -, 2 p 30 30 40", "2@g", "", true),
        ("1 p 10 10 -, 2 p 30 30 40", "1@g 2@g", "unanswered 1", true),
        // Swapped on the way, accepted 1,499 ms after its successor was sent, or 1,500, or 1,501.
        ("1 p 10 1000 1529, 2 p 20 30 40", "2@g 1@g", "order [(1, 2)]", false),
        ("1 p 10 1000 1530, 2 p 20 30 40", "2@g 1@g", "order [(1, 2)]", false),
        ("1 p 10 1000 1531, 2 p 20 30 40", "2@g 1@g", "late 1", true),
        ("1 p 10 1000 1530, 2 p 20 30 40", "1@g 2@g", "", true),
        // Out of order, never accepted: nothing was promised.
        ("1 p 10 1000 -, 2 p 20 30 40", "2@g 1@g", "late 1, unanswered 1", true),
        // In time for one of those that overtook it, not for the other.
        ("1 p 10 3000 3000, 2 p 20 30 40, 3 p 30 2000 2010", "2@g 3@g 1@g", "order [(1, 3)]", false),
        ("1 p 10 3000 3000, 3 p 30 2000 2010, 2 p 20 30 40", "3@g 2@g 1@g", "order [(2, 3), (1, 3)]", false),
        // The overtaker is far back: a later run in order must not hide it.
        (
            "1 p 100 1 2, 2 p 200 1 2, 3 p 10 1 2, 4 p 20 1 2",
            "1@g 2@g 3@g 4@g",
            "order [(3, 2), (4, 2)]",
            false,
        ),
        ("1 p 900 1 2, 2 p 100 1 2, 3 p 200 1 2", "1@g 2@g 3@g", "order [(2, 1), (3, 1)]", false),
        // In time for one of the same time, late for the one that overtook both.
        ("3 p 30 30 40, 1 p 10 3000 3010, 2 p 10 3000 3010", "3@g 1@g 2@g", "late 2", true),
        // The same time: both orders are right.
        ("1 p 10 10 20, 2 p 10 10 20", "2@g 1@g", "", true),
    ] {
        let account = inbound(messages, arrivals);
        assert_eq!(verdict(&account), expected, "{messages} | {arrivals}");
        assert_eq!(account.is_clean(), clean, "{messages} | {arrivals}");
    }
}

#[test]
fn at_a_channel_the_address_is_the_person() {
    let way = Direction::Outbound;
    let messages = sent(way, "1 U1 10 10 20, 2 U2 30 30 40");
    assert!(audit(&messages, &arrived(way, "1@U1 2@U2"), HOLD_MS).is_clean());
    assert_eq!(audit(&messages, &arrived(way, "1@U2 2@U2"), HOLD_MS).outbound.misdirected, [1]);
}

#[test]
fn in_a_custom_channel_the_account_is_part_of_the_address() {
    let message = |account: &str, person: &str| {
        let body = serde_json::json!({
            "type": "message", "timestamp": "2026-10-02T03:04:05.678Z",
            "data": {"id": "m-1", "person": person, "content": {"type": "text", "text": "m000001 x"}},
        });
        let event = serde_json::from_value(body).unwrap();
        let (account, person, text) = (account.to_owned(), person.to_owned(), "m000001 x".to_owned());
        let webhook_id = String::new();
        custom::CustomReceived { seq: 1, account, person, text, webhook_id, event, secret: 0, time: 0 }
    };
    let sent = sent(Direction::Outbound, "1 shop/v1 10 10 20");
    for (account, person, misdirected) in
        [("shop", "v1", &[][..]), ("help", "v1", &[1]), ("shop", "v2", &[1])]
    {
        let arrived = Arrival::at_custom(&message(account, person)).unwrap();
        let result = audit(&sent, &[arrived], HOLD_MS);
        assert_eq!(result.outbound.misdirected, misdirected, "{account} {person}");
    }
}

#[test]
fn directions_are_kept_apart() {
    let messages = sent(Direction::Inbound, "1 p 10 10 20");
    let result = audit(&messages, &arrived(Direction::Outbound, "1@p"), HOLD_MS);
    assert_eq!(result.inbound.lost, [1]);
    assert_eq!(result.outbound.unknown, 1);
    assert!(!result.is_clean());
}

#[test]
fn the_account_counts() {
    let account = inbound("1 p 10 10 20, 2 p 30 30 -, 3 p 50 50 60", "1@g 1@g 3@g");
    assert_eq!((account.sent, account.accepted, account.arrived), (3, 2, 2));
    assert_eq!(
        account.to_string(),
        "sent 3 accepted 2 arrived 2 lost 0 twice 1 out-of-order 0 late 0 misdirected 0 unknown 0"
    );
}
