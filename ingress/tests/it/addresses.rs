//! Address lists, beside a signature and in place of one, with proxies before the port and without.

use ingress::Routes;
use platforms::WebhookAccount;
use schemas::TopicNames;

use crate::harness::{
    LINE, LINE_SECRET, Server, Start, captured, networks, request, settings, signature, webhook,
};

const BODY: &[u8] =
    br#"{"events":[{"type":"message","timestamp":1790000000000,"source":{"type":"user","userId":"U1"}}]}"#;

/// An account that takes webhooks of these addresses.
fn account(name: &str, secrets: &[&str], addresses: &[&str]) -> WebhookAccount {
    WebhookAccount { addresses: networks(addresses), ..webhook(LINE, name, secrets) }
}

/// Accounts with and without a signature, whose list has the loopback address of the tests, or others.
fn accounts() -> Vec<WebhookAccount> {
    vec![
        account("signed-here", &[LINE_SECRET], &["192.0.2.1/32", "127.0.0.0/8"]),
        account("signed-elsewhere", &[LINE_SECRET], &["203.0.113.0/24", "2001:db8::/32"]),
        account("bare-here", &[], &["127.0.0.1/32"]),
        account("bare-elsewhere", &[], &["203.0.113.0/24"]),
        account("bare-anywhere", &[], &[]),
    ]
}

async fn behind(trusted_proxies: &[&str]) -> Server {
    let start = Start::new(settings(), accounts());
    Start { trusted_proxies: networks(trusted_proxies), ..start }.start().await
}

/// The status of a webhook to an account.
async fn status(server: &Server, account: &str, is_signed: bool, headers: &[(&str, &str)]) -> u16 {
    let (name, value) = signature(LINE, BODY);
    let signature = is_signed.then_some((name, value.as_str()));
    let headers: Vec<_> = headers.iter().copied().chain(signature).collect();
    let answer = server.send(&request(&format!("/webhooks/line/{account}"), &headers, BODY)).await;
    let written = server.log.take().len();
    assert_eq!(written, usize::from(answer.status == 200), "{account}: {}", answer.status);
    answer.status
}

#[tokio::test]
async fn a_list_and_a_signature_must_both_fit() {
    let server = behind(&[]).await;
    assert_eq!(status(&server, "signed-here", true, &[]).await, 200);
    assert_eq!(status(&server, "signed-here", false, &[]).await, 401);
    assert_eq!(status(&server, "signed-elsewhere", true, &[]).await, 403);
    assert_eq!(status(&server, "signed-elsewhere", false, &[]).await, 403, "the address comes first");
}

#[tokio::test]
async fn what_an_untrusted_peer_says_of_its_address_changes_nothing() {
    // One without a proxy, one whose proxies are elsewhere.
    for trusted in [&[][..], &["203.0.113.9/32"]] {
        let server = behind(trusted).await;
        for headers in [
            &[("x-forwarded-for", "203.0.113.9")][..],
            &[("forwarded", "for=203.0.113.9")],
            &[("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "203.0.113.9")],
            &[("x-forwarded-for", "203.0.113.9, 127.0.0.1")],
        ] {
            assert_eq!(status(&server, "signed-elsewhere", true, headers).await, 403, "{headers:?}");
            assert_eq!(status(&server, "bare-elsewhere", false, headers).await, 403, "{headers:?}");
            assert_eq!(status(&server, "signed-here", true, headers).await, 200, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn what_a_trusted_proxy_says_counts() {
    let server = behind(&["127.0.0.1/32", "10.0.0.0/8"]).await;
    let cases: [(&[(&str, &str)], _); 13] = [
        (&[("x-forwarded-for", "203.0.113.9")], 200),
        (&[("x-forwarded-for", "203.0.113.9:4711")], 200),
        (&[("X-Forwarded-For", "198.51.100.1, 203.0.113.9, 10.0.0.7")], 200),
        (&[("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.9")], 200),
        (&[("forwarded", "for=\"203.0.113.9:80\";proto=https")], 200),
        (&[("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "203.0.113.9")], 200),
        (&[("x-forwarded-for", "198.51.100.1")], 403),
        (&[("x-forwarded-for", "203.0.113.9, 198.51.100.1")], 403),
        (&[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "198.51.100.1")], 403),
        (&[("x-forwarded-for", "203.0.113.9, nonsense")], 403),
        (&[("forwarded", "for=203.0.113.9, for=_hidden")], 403),
        (&[("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "198.51.100.1")], 403),
        (&[], 403),
    ];
    for (headers, expected) in cases {
        assert_eq!(status(&server, "signed-elsewhere", true, headers).await, expected, "{headers:?}");
        assert_eq!(status(&server, "bare-elsewhere", false, headers).await, expected, "{headers:?}");
    }
    assert_eq!(status(&server, "signed-elsewhere", true, &[("x-forwarded-for", "2001:db8::17")]).await, 200);
    // The proxy's own address is the client's only where it names none.
    assert_eq!(status(&server, "bare-here", false, &[]).await, 200);
    assert_eq!(status(&server, "bare-here", false, &[("x-forwarded-for", "203.0.113.9")]).await, 403);
    let two = [("forwarded", "for=203.0.113.9"), ("x-forwarded-for", "198.51.100.1")];
    assert_eq!(status(&server, "bare-here", false, &two).await, 403, "two senders are none");
}

#[tokio::test]
async fn without_a_signature_the_list_alone_counts() {
    let server = behind(&[]).await;
    for is_signed in [false, true] {
        assert_eq!(status(&server, "bare-here", is_signed, &[]).await, 200);
        assert_eq!(status(&server, "bare-elsewhere", is_signed, &[]).await, 403);
        assert_eq!(status(&server, "bare-anywhere", is_signed, &[]).await, 401, "nothing shows who it is");
    }
    let wrong = [("x-line-signature", "AAAA")];
    assert_eq!(status(&server, "bare-here", false, &wrong).await, 200, "nobody looks at it");
}

#[tokio::test]
async fn a_refused_address_is_answered_before_its_body_is_read() {
    let mut settings = settings();
    settings.body_limit = 10;
    let server = Start::new(settings, accounts()).start().await;
    let (name, value) = signature(LINE, BODY);
    let head = |account: &str| {
        format!(
            "POST /webhooks/line/{account} HTTP/1.1\r\nhost: test\r\n{name}: {value}\r\ncontent-length: 11\r\n\r\n"
        )
    };
    let mut client = server.connect().await;
    client.write(head("signed-elsewhere").as_bytes()).await;
    let answer = client.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (403, Some("close")));
    assert!(client.ends().await);
    assert_eq!(server.send(head("signed-here").as_bytes()).await.status, 413);
}

#[test]
fn an_account_without_a_signature_is_logged_once() {
    captured();
    let bare = |name, addresses| account(name, &[], addresses);
    let signed = account("seen-signed", &[LINE_SECRET], &[]);
    let accounts = [bare("seen-listed", &["127.0.0.1/32"]), bare("seen-nowhere", &[]), signed];
    let _routes = Routes::new(&accounts, &TopicNames::new("test."));
    let log = String::from_utf8_lossy(&captured().lock().unwrap()).into_owned();
    let lines = |account: &str| {
        let of = |line: &&str| line.contains(account) && line.contains("platform=\"line\"");
        log.lines().filter(of).map(|line| line.split_whitespace().nth(1).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(lines("seen-listed"), ["WARN"]);
    assert_eq!(lines("seen-nowhere"), ["ERROR"]);
    assert_eq!(lines("seen-signed"), [""; 0]);
}
