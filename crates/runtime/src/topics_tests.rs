//! What the topics should be, and how a difference is told. Creating them is tested on a real Kafka, end to end.

use super::*;
use crate::config::{Environment, example, parse};

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let environment = Environment::of([
        ("IDENTITY_KEY", "0123456789abcdef0123456789abcdef"),
        ("GENESYS_CLIENT_SECRET", "client-secret"),
        ("LINE_CHANNEL_SECRET", "channel-secret"),
        ("LINE_ACCESS_TOKEN", "access-token"),
        ("GENESYS_WEBHOOK_SECRET", "sixteen-letters!"),
    ]);
    let mut config = parse(&example(), &environment).expect("the example is right");
    change(&mut config);
    config
}

#[test]
fn the_table_becomes_settings() {
    let config = config(|config| {
        config.kafka.topic_prefix = "x.".into();
        config.kafka.partitions = 6;
        config.processors.raw_days = 3;
        config.processors.dedupe_days = 10;
    });
    let lines: Vec<_> = wanted(&config)
        .iter()
        .map(|topic| {
            let setting = |name| topic.settings.get(name).map_or("-", String::as_str);
            let retention = setting("retention.ms").parse().map_or(0, |ms: u64| ms / MS_A_DAY);
            format!(
                "{} {} {} {} {retention} {}",
                topic.name,
                topic.partitions,
                topic.replicas,
                setting("cleanup.policy"),
                setting("message.timestamp.type"),
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "x.webhooks.genesys 6 3 delete 3 LogAppendTime",
            "x.webhooks.line 6 3 delete 3 LogAppendTime",
            "x.outbox.genesys 6 3 delete 7 CreateTime",
            "x.outbox.line 6 3 delete 7 CreateTime",
            "x.deliveries.genesys 6 3 delete 30 CreateTime",
            "x.deliveries.line 6 3 delete 30 CreateTime",
            "x.dead-letters 6 3 delete 30 CreateTime",
            "x.state.dedupe.genesys 6 3 delete 12 LogAppendTime",
            "x.state.dedupe.line 6 3 delete 12 LogAppendTime",
            "x.state.identity 6 3 compact 0 CreateTime",
            "x.state.vault 6 3 compact 0 CreateTime",
            "x.audit.reveals 6 3 delete 365 LogAppendTime",
            "x.audit.unknown-fields 6 3 delete 30 CreateTime",
        ]
    );
    let vault =
        wanted(&config).into_iter().find(|topic| topic.name == "x.state.vault").expect("in the table");
    assert_eq!(
        vault.settings["max.compaction.lag.ms"], "3600000",
        "what is forgotten is gone within an hour"
    );
    for topic in wanted(&config) {
        assert_eq!(topic.settings["max.message.bytes"], "1048576");
    }
}

#[test]
fn two_replicas_must_have_a_record_where_there_are_three() {
    for (replicas, in_sync) in [(1, "1"), (2, "1"), (3, "2"), (5, "2")] {
        let config = config(|config| config.kafka.replication_factor = replicas);
        assert!(wanted(&config).iter().all(|topic| topic.settings["min.insync.replicas"] == in_sync));
    }
}

#[test]
fn differences_are_told_one_by_one() {
    let config = config(|_| {});
    let wanted = &wanted(&config)[0];
    let mut found = Found {
        partitions: wanted.partitions,
        replicas: wanted.replicas,
        settings: wanted.settings.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
    };
    found.settings.insert("segment.bytes".into(), "1".into());
    assert_eq!(differences(wanted, &found), []);

    found.partitions = 8;
    found.settings.insert("retention.ms".into(), "1000".into());
    found.settings.remove("cleanup.policy");
    let outcome = Outcome::Differs(differences(wanted, &found));
    let report = Report {
        topics: vec![
            ("naru.a".into(), Outcome::Created),
            (wanted.name.clone(), outcome),
            ("naru.b".into(), Outcome::Kept),
        ],
    };
    assert!(report.differs());
    assert_eq!(
        report.to_string(),
        "naru.a: created\n\
         naru.webhooks.genesys: partitions is 8, configured is 24; left as it is\n\
         naru.webhooks.genesys: cleanup.policy is unknown, configured is delete; left as it is\n\
         naru.webhooks.genesys: retention.ms is 1000, configured is 604800000; left as it is\n\
         naru.b: exists\n"
    );
}
