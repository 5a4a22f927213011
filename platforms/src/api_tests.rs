//! Codes, path segments and headers of answers.

use super::*;

/// An answer as a table row writes it.
pub(crate) fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Outcome {
    let headers = headers
        .iter()
        .map(|(name, value)| {
            let name: http::HeaderName = name.parse().unwrap();
            (name, value.parse::<http::HeaderValue>().unwrap())
        })
        .collect();
    Ok(Answer { status, headers, body: body.as_bytes().to_vec() })
}

#[test]
fn only_codes_are_repeated() {
    assert_eq!(code("bad.request").as_deref(), Some("bad.request"));
    assert_eq!(code("messages[0].text").as_deref(), Some("messages[0].text"));
    assert_eq!(code("call me at 010 1234"), None);
    assert_eq!(code(&"a".repeat(101)), None);
    assert_eq!(code(""), None);
}

#[test]
fn a_segment_cannot_leave_its_place() {
    assert_eq!(segment("a2171742-7359"), "a2171742-7359");
    assert_eq!(segment("../x?y"), "..%2Fx%3Fy");
}

#[test]
fn a_retry_after_that_is_no_number_is_none() {
    let read = |v: &str| answer(429, &[("retry-after", v)], "").ok().and_then(|a| a.retry_after());
    assert_eq!(read("3"), Some(Duration::from_secs(3)));
    assert_eq!(read("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    assert_eq!(read("-1"), None);
}
