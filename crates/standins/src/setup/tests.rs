//! Setups made from peers.

use super::*;

fn webhook(platform: &str, name: &str, secrets: &[&str]) -> WebhookPeer {
    WebhookPeer { platform: platform.into(), name: name.into(), secrets: texts(secrets) }
}

fn endpoint(platform: &str, name: &str, id: &str, secrets: &[&str], calls: u32) -> EndpointPeer {
    let (platform, name, id) = (platform.into(), name.into(), id.into());
    EndpointPeer { platform, name, id, secrets: texts(secrets), calls }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn peers_become_the_platforms_own_setups() {
    let webhooks = [
        webhook("line", "th", &["channel-secret", "older"]),
        webhook("genesys", "integration-1", &["webhook-secret"]),
        webhook("line", "jp", &["other-secret"]),
        webhook("custom", "shop", &["whsec_1", "whsec_2"]),
        webhook("pigeon", "post", &["x"]),
    ];
    let endpoints = [
        endpoint("line", "jp", "", &["jp-token"], 500),
        endpoint("line", "th", "", &["th-token", "older"], 400),
        endpoint("genesys", "main", "client-1", &["client-secret"], 300),
        endpoint("genesys", "second", "client-2", &["other"], 200),
        endpoint("custom", "shop", "", &["whsec_3", "whsec_4"], 50),
        endpoint("pigeon", "post", "", &[], 1),
    ];
    let Setup { genesys, line, custom } = Setup::of(&webhooks, &endpoints, "http://ingress:8080/");
    let channels: Vec<_> = line
        .channels
        .iter()
        .map(|c| [&c.account, &c.secret, &c.access_token, &c.webhook_url].map(String::as_str))
        .collect();
    assert_eq!(
        channels,
        [
            ["th", "channel-secret", "th-token", "http://ingress:8080/webhooks/line/th"],
            ["jp", "other-secret", "jp-token", "http://ingress:8080/webhooks/line/jp"],
        ]
    );
    assert_ne!(line.channels[0].bot_user_id, line.channels[1].bot_user_id);
    assert_eq!(line.calls_per_second, 400);
    let integrations: Vec<_> = genesys
        .integrations
        .iter()
        .map(|i| [&i.id, &i.webhook_secret, &i.webhook_url].map(String::as_str))
        .collect();
    let url = "http://ingress:8080/webhooks/genesys/integration-1";
    assert_eq!(integrations, [["integration-1", "webhook-secret", url]]);
    let clients: Vec<_> = genesys.clients.iter().map(|c| [c.id.as_str(), c.secret.as_str()]).collect();
    assert_eq!(clients, [["client-1", "client-secret"], ["client-2", "other"]]);
    assert_eq!(genesys.calls_per_minute, 200);
    assert_eq!(genesys.analytics_lag, std::time::Duration::from_secs(3));
    let [shop] = &custom.accounts[..] else { panic!("{custom:?}") };
    assert_eq!(shop.account, "shop");
    assert_eq!(shop.webhook_url, "http://ingress:8080/webhooks/custom/shop");
    assert_eq!(shop.secrets, ["whsec_1", "whsec_2"]);
    assert_eq!(shop.endpoint_secrets, ["whsec_3", "whsec_4"]);
    assert_eq!(custom.calls_per_second, 50);
}

#[test]
fn half_a_peer_is_half_an_account() {
    let webhooks = [webhook("line", "writes", &["secret"])];
    let endpoints = [
        endpoint("line", "is-called", "", &["token"], 10),
        endpoint("genesys", "main", "id", &[], 10),
        endpoint("custom", "is-called", "", &["whsec_1"], 10),
    ];
    let Setup { genesys, line, custom } = Setup::of(&webhooks, &endpoints, "http://i");
    let [writes, is_called] = &line.channels[..] else { panic!("{line:?}") };
    assert_eq!((writes.account.as_str(), writes.access_token.as_str()), ("writes", ""));
    assert_eq!((is_called.account.as_str(), is_called.webhook_url.as_str()), ("is-called", ""));
    assert!(genesys.clients.is_empty(), "nobody gets a token without a secret");
    assert_eq!((custom.accounts[0].webhook_url.as_str(), custom.accounts[0].secrets.len()), ("", 0));

    let none = Setup::of(&[], &[], "http://i");
    assert!(none.line.channels.is_empty() && none.genesys.integrations.is_empty());
    assert_eq!((none.genesys.calls_per_minute, none.line.calls_per_second), (300, 2_000));
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!(
        "{:?} {:?}",
        webhook("line", "th", &["hidden-1"]),
        endpoint("genesys", "main", "client-1", &["hidden-2"], 300)
    );
    assert!(shown.contains("th") && shown.contains("client-1"), "{shown}");
    assert!(!shown.contains("hidden"), "{shown}");
}
