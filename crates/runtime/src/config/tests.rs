//! The configuration reader over data: bad files with their mistakes, the example file, every default.

use std::fs;
use std::path::{Path, PathBuf};

use platforms::Authorization;

use super::*;

const VARIABLES: [(&str, &str); 7] = [
    ("CUSTOM_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("CUSTOM_OUTBOUND_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
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
    let [centre, channel] = &config.platforms.endpoints[..] else { panic!("a client and an account") };
    assert_eq!((&*centre.name, &*centre.api_url), ("main", "https://api.mypurecloud.jp"));
    let Authorization::Client(client) = &centre.authorization else { panic!("a client") };
    assert_eq!(client.login_url, "https://login.mypurecloud.jp");
    assert_eq!((&*channel.name, &*channel.api_url), ("shop-th", "https://api.line.me"));
    let [account] = &config.platforms.accounts[..] else { panic!("one account") };
    assert_eq!(account.feeds.webhook_secrets[0].reveal(), "sixteen-letters!");
    assert_eq!(config.kafka.partitions, schemas::DEFAULT_PARTITIONS);
    assert_eq!(config.ingress.body_limit, schemas::WEBHOOK_BODY_LIMIT);
    assert_eq!(config.instance.id, "localhost");
    assert_eq!(config.egress.retry_delays, [2, 4, 8].map(Duration::from_secs));
}

#[test]
fn the_example_with_every_line_switched_on_is_right_too() {
    // Where a key may have any name its example has one.
    let key = |field: &'static Field| match field.path.rsplit('.').next().unwrap_or_default() {
        part if part.starts_with('<') => field.example.split(" = ").next().unwrap_or_default(),
        part => part,
    };
    let keys: Vec<_> = schema().fields().iter().map(key).collect();
    let on = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with('[') => rest.to_owned(),
        Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| keys.contains(&key)) => rest.to_owned(),
        _ => line.to_owned(),
    };
    let text: Vec<_> = example().lines().map(on).filter(|line| !line.starts_with("region")).collect();
    for key in keys.iter().filter(|key| **key != "region") {
        assert!(text.iter().any(|line| line.starts_with(&format!("{key} = "))), "{key} is not shown");
    }
    let environment = Environment { read_file: |_| Ok(RING.to_owned()), ..Environment::of(VARIABLES) };
    // Each account has an integration of its own.
    let mut integrations = 0;
    let own = |line: String| match line.strip_prefix("integration = ") {
        Some(_) => {
            integrations += 1;
            format!("integration = \"a2171742-0000-4000-8000-00000000000{integrations}\"")
        }
        None => line,
    };
    let text: Vec<_> = text.into_iter().map(own).collect();
    let config = parse(&text.join("\n"), &environment).expect("every line is right");
    assert_eq!(config.keys.as_ref().map(|keys| keys.ids().count()), Some(1));
    assert!(config.ingress.tls.is_some());
    assert_eq!(config.kafka.properties["client.rack"].reveal(), "zone-a");
    assert_eq!(config.vault.keep_days_of["payment_card"], 7);
    let attributes = [("brand", "Shop"), ("market", "Thailand"), ("store", "Bangkok 4")];
    let attributes = attributes.map(|(key, text)| (key.to_owned(), text.to_owned()));
    assert_eq!(*config.platforms.accounts[0].attributes, BTreeMap::from(attributes));
    assert_eq!(config.sources["line"], SourceSettings::default(), "the rows' defaults");
    let networks = config.ingress.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(networks, ["10.0.0.0/8", "192.0.2.7/32"]);
}

#[test]
fn a_source_without_a_section_has_the_defaults() {
    let text = format!("{}\n[sources.genesys]\nhold = \"0s\"\ntogether = true", example());
    let config = parse(&text, &Environment::of(VARIABLES)).expect("right");
    assert_eq!(config.source("genesys"), SourceSettings { hold: Duration::ZERO, together: true });
    assert_eq!(config.source("line"), SourceSettings { hold: Duration::from_secs(2), together: false });
}

#[test]
fn an_attribute_with_a_key_of_its_own_is_one_of_the_attributes() {
    let text =
        format!("{}market = \"Thailand\"\nattributes.market = \"Thailand\"\nattributes.tier = \"gold\"", {
            let example = example();
            example.split_once("\n[line.shop-th.attributes]").expect("shown").0.to_owned() + "\n"
        });
    let mut environment = Environment::of(VARIABLES);
    let variable = ("NARU_LINE__SHOP_TH__ATTRIBUTES__LOYALTY_TIER", "silver");
    environment.variables.insert(variable.0.to_owned(), variable.1.to_owned());
    let config = parse(&text, &environment).expect("the same twice is no mistake");
    let expected = [("loyalty_tier", "silver"), ("market", "Thailand"), ("tier", "gold")];
    let expected = expected.map(|(key, text)| (key.to_owned(), text.to_owned()));
    assert_eq!(*config.platforms.accounts[0].attributes, BTreeMap::from(expected));
}

#[test]
fn every_row_is_found_by_its_own_path() {
    for field in schema().fields() {
        let at: Vec<_> = field.path.split('.').collect();
        assert_eq!(schema().field(&at).map(|found| &found.path), Some(&field.path), "two rows for one key");
    }
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
        ("NARU_SOURCES__LINE__HOLD", "750ms"),
        ("NARU_SOURCES__LINE__TOGETHER", "true"),
        ("NARU_INGRESS__TRUSTED_PROXIES", "10.0.0.0/8, fd00::1"),
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
    assert_eq!(config.source("line"), SourceSettings { hold: Duration::from_millis(750), together: true });
    assert_eq!(config.ingress.trusted_proxies.len(), 2);
    assert_eq!(config.egress.retry_delays, [10, 20].map(Duration::from_millis));
    assert_eq!(config.platforms.accounts[0].feeds.webhook_secrets.len(), 1);
    assert!(config.platforms.accounts[0].attributes.is_empty());
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
    let Authorization::Bearer(token) = &config.platforms.endpoints[1].authorization else {
        panic!("a token")
    };
    assert_eq!(token.reveal(), "Bearer token-in-a-file");
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
        assert!(schema().is_environment_name(name), "{name}");
    }
    for name in [
        "NARU_KAFKA_BROKERS",
        "NARU_KAFKA__BROKER",
        "naru_kafka__brokers",
        "NARU_LINE__ACCESS_TOKEN",
        "NARU_PROCESSORS__DATA_DIR",
        "BROKERS",
    ] {
        assert!(!schema().is_environment_name(name), "{name}");
    }
    for field in schema().fields() {
        let name = field.environment_name().replace(['<', '>'], "");
        assert!(schema().is_environment_name(&name), "{name}");
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
