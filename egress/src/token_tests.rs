//! Answers of a login service, and when a token is renewed.

use platforms::{Answer, Transport};

use super::*;

fn answer(status: u16, retry_after: Option<&str>, body: &str) -> Outcome {
    let headers = retry_after.map(|value| (reqwest::header::RETRY_AFTER, value.parse().unwrap()));
    Ok(Answer { status, headers: headers.into_iter().collect(), body: body.as_bytes().to_vec() })
}

#[test]
fn answers() {
    let shortest = Duration::from_secs(300);
    let read = |outcome: Outcome| {
        read(&outcome, shortest).map(|(token, life)| (token.reveal().to_owned(), life.as_secs()))
    };
    let ok = r#"{"access_token":"t","token_type":"bearer","expires_in":86399}"#;
    assert_eq!(read(answer(200, None, ok)), Ok(("Bearer t".into(), 86_399)));
    assert_eq!(read(answer(200, None, r#"{"access_token":"t"}"#)), Ok(("Bearer t".into(), 300)));
    assert_eq!(read(answer(200, None, "{}")), Err(TokenError::Unavailable(None)));
    assert_eq!(read(answer(400, None, r#"{"error":"invalid_client"}"#)), Err(TokenError::Refused(400)));
    assert_eq!(read(answer(401, None, "")), Err(TokenError::Refused(401)));
    let busy = answer(429, Some("3"), "");
    assert_eq!(read(busy), Err(TokenError::Unavailable(Some(Duration::from_secs(3)))));
    assert_eq!(read(Err(Transport::Unknown)), Err(TokenError::Unavailable(None)));
}

#[test]
fn a_token_is_renewed_at_five_sixths() {
    assert_eq!(renew_after(Duration::from_secs(300)), Duration::from_secs(250));
}

#[test]
fn basic_is_the_contracts_and_is_not_shown() {
    let basic = basic("id", &Secret::new("secret"));
    assert_eq!(basic.reveal(), "Basic aWQ6c2VjcmV0");
    assert_eq!(
        format!("{:?}", Grant { authorization: basic, generation: 1 }),
        "Grant { authorization: ***, generation: 1 }"
    );
}
