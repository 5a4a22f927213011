//! The configuration reader over data: bad files with their mistakes, the example file, every default.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

const VARIABLES: [(&str, &str); 5] = [
    ("IDENTITY_KEY", "0123456789abcdef0123456789abcdef"),
    ("GENESYS_CLIENT_SECRET", "client-secret"),
    ("LINE_CHANNEL_SECRET", "8c570fa6dd201bb328f1c1eac23a96d8"),
    ("LINE_ACCESS_TOKEN", "access-token"),
    ("GENESYS_WEBHOOK_SECRET", "sixteen-letters!"),
];

/// A key ring's file.
const RING: &str = "[[key]]\nid = \"a\"\nsecret = \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"";

/// The configuration of the example file.
pub(super) fn good() -> Config {
    parse(&example(), &Environment::of(VARIABLES)).expect("the example is right")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a file with what it should hold; `UPDATE=1` writes it.
#[expect(clippy::disallowed_methods, reason = "a switch of the test suite")]
fn check_file(file: &Path, expected: &str) {
    if std::env::var("UPDATE").is_ok() {
        fs::write(file, expected).expect("writes");
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(found, expected, "{}: UPDATE=1 rewrites it", file.display());
}

#[test]
fn the_example_file_is_the_schemas() {
    check_file(&root().join("naru.example.toml"), &example());
    let config = good();
    assert_eq!(config.genesys["main"].api_url, "https://api.mypurecloud.jp");
    assert_eq!(config.genesys["main"].login_url, "https://login.mypurecloud.jp");
    assert_eq!(config.line["shop-th"].webhook_secrets[0].reveal(), "sixteen-letters!");
    assert_eq!(config.kafka.partitions, schemas::DEFAULT_PARTITIONS);
    assert_eq!(config.ingress.body_limit, schemas::WEBHOOK_BODY_LIMIT);
    assert_eq!(config.processors.instance_id, "localhost");
    assert_eq!(config.egress.retry_delays, [2, 4, 8].map(Duration::from_secs));
}

#[test]
fn the_example_with_every_line_switched_on_is_right_too() {
    let keys: Vec<_> =
        schema().iter().map(|field| field.path.rsplit('.').next().unwrap_or_default()).collect();
    let on = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with('[') || rest.starts_with('"') => rest.to_owned(),
        Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| keys.contains(&key)) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let text: Vec<_> = example().lines().map(on).filter(|line| !line.starts_with("region")).collect();
    let mut known = 0;
    for field in schema() {
        let key = field.path.rsplit('.').next().unwrap_or_default();
        known += usize::from(text.iter().any(|line| line.starts_with(&format!("{key} = "))));
    }
    assert_eq!(known, schema().len() - 4, "all but the region and what may have any name");
    let environment = Environment { read_file: |_| Ok(RING.to_owned()), ..Environment::of(VARIABLES) };
    let config = parse(&text.join("\n"), &environment).expect("every line is right");
    assert_eq!(config.keys.as_ref().map(|keys| keys.ids().count()), Some(1));
    assert!(config.ingress.tls.is_some() && config.line["shop-th"].brand.is_some());
    assert_eq!(config.kafka.properties["client.rack"].reveal(), "zone-a");
}

/// A bad file begins with `#! NAME=value` lines for its environment; its mistakes stand beside it.
#[test]
fn bad_files_tell_all_their_mistakes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 10, "the cases are there");
    for file in files {
        let text = fs::read_to_string(&file).expect("readable");
        let mut environment = Environment::of(VARIABLES);
        for line in text.lines().filter_map(|line| line.strip_prefix("#! ")) {
            let (name, value) = line.split_once('=').expect("NAME=value");
            environment.variables.insert(name.to_owned(), value.to_owned());
        }
        let mistakes = parse(&text, &environment).expect_err(&file.display().to_string()).to_string();
        for (_, secret) in VARIABLES {
            assert!(!mistakes.contains(secret), "a secret is shown: {mistakes}");
        }
        assert!(!mistakes.contains("do-not-show"), "a secret is shown: {mistakes}");
        check_file(&file.with_extension("mistakes.txt"), &format!("{mistakes}\n"));
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let mut environment = Environment::of(VARIABLES);
    for (name, value) in [
        ("NARU_KAFKA__BROKERS", "one:9092,two:9092"),
        ("NARU_KAFKA__PARTITIONS", "6"),
        ("NARU_KAFKA__PROPERTIES__CLIENT_RACK", "zone-b"),
        ("NARU_PROCESSORS__HOLD_LINE", "750ms"),
        ("NARU_EGRESS__RETRY_DELAYS", "10ms, 20ms"),
        ("NARU_LINE__SHOP_TH__WEBHOOK_SECRETS", "one, secret, with commas"),
        ("NARU_LINE__SHOP_TH__BRAND", ""),
        ("NARU_TEST_ANYTHING", "x"),
        ("NARU_LOG", "debug"),
        ("NARU_INGRESS_SERVICE_HOST", "10.0.0.1"),
        ("NARU_INGRESS_SERVICE_PORT_HTTP", "8080"),
        ("NARU_INGRESS_PORT", "tcp://10.0.0.1:8080"),
        ("NARU_INGRESS_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("PATH", "/bin"),
    ] {
        environment.variables.insert(name.to_owned(), value.to_owned());
    }
    let config = parse(&example(), &environment).expect("right");
    assert_eq!(config.kafka.brokers, "one:9092,two:9092");
    assert_eq!(config.kafka.partitions, 6);
    assert_eq!(config.kafka.properties["client.rack"].reveal(), "zone-b");
    assert_eq!(config.processors.hold_line, Duration::from_millis(750));
    assert_eq!(config.egress.retry_delays, [10, 20].map(Duration::from_millis));
    assert_eq!(config.line["shop-th"].webhook_secrets.len(), 1);
    assert_eq!(config.line["shop-th"].brand, None);
    assert_eq!(environment.log_filter(), Some("debug"));
}

#[test]
fn secrets_come_from_files_without_their_last_line_break_and_are_not_shown() {
    let text = example().replace("{ env = \"LINE_ACCESS_TOKEN\" }", "{ file = \"/run/secrets/token\" }");
    let mut environment = Environment::of(VARIABLES);
    environment.read_file = |path| {
        assert_eq!(path, Path::new("/run/secrets/token"));
        Ok("token-in-a-file\r\n".to_owned())
    };
    let config = parse(&text, &environment).expect("right");
    assert_eq!(config.line["shop-th"].access_token.reveal(), "token-in-a-file");
    let shown = format!("{config:?}");
    for secret in VARIABLES.map(|(_, secret)| secret).into_iter().chain(["token-in-a-file"]) {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn properties_may_stand_without_quotes() {
    let text =
        example().replacen("# \"client.rack\" = \"zone-a\"", "client.rack = \"zone-c\"\nlinger.ms = 7", 1);
    let config = parse(&text, &Environment::of(VARIABLES)).expect("right");
    assert_eq!(config.kafka.properties["client.rack"].reveal(), "zone-c");
    assert_eq!(config.kafka.properties["linger.ms"].reveal(), "7");
}

#[test]
fn names_of_variables() {
    for name in [
        "NARU_KAFKA__BROKERS",
        "NARU_INGRESS__TLS__KEY",
        "NARU_GENESYS__MAIN__CLIENT_SECRET",
        "NARU_LINE__SHOP_TH__ACCESS_TOKEN",
        "NARU_KAFKA__PROPERTIES__SASL_PASSWORD",
        "NARU_CONFIG",
        "NARU_LOG",
    ] {
        assert!(is_environment_name(name), "{name}");
    }
    for name in [
        "NARU_KAFKA_BROKERS",
        "NARU_KAFKA__BROKER",
        "naru_kafka__brokers",
        "NARU_LINE__ACCESS_TOKEN",
        "BROKERS",
    ] {
        assert!(!is_environment_name(name), "{name}");
    }
    for field in schema() {
        let name = field
            .environment_name()
            .replace("<ACCOUNT>", "A")
            .replace("<NAME>", "A")
            .replace("<PROPERTY>", "A");
        assert!(is_environment_name(&name), "{name}");
    }
}

#[test]
fn a_file_that_is_not_there() {
    let mistakes = load(Path::new("/nowhere/naru.toml")).expect_err("is not there");
    assert_eq!(
        mistakes.to_string(),
        "/nowhere/naru.toml: cannot be read: entity not found; name the file with --config or NARU_CONFIG"
    );
}
