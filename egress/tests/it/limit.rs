//! The real limit of Genesys, in real time: 300 calls in any 60 s.

use std::time::Duration;

use crate::rig::{GENESYS, config, endpoint, platforms, rig, settings, until};

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_refused_at_the_real_limit_of_300_a_minute() {
    const MESSAGES: usize = 320;
    let platforms = platforms(|setup| setup.genesys.calls_per_minute = 300).await;
    let mut config = config(platforms.address);
    endpoint(&mut config, GENESYS, "main").rate.calls = 300;
    let mut rig = rig(GENESYS, &config, settings(&config));
    let began = std::time::Instant::now();
    for n in 0..MESSAGES {
        rig.put_genesys(&format!("p{}", n % 40), &n.to_string());
    }
    until("320 messages", Duration::from_secs(90), || rig.results.finals().len() == MESSAGES).await;
    let stats = platforms.standins.genesys().stats();
    println!("{MESSAGES} messages in {:?}: {stats:?}", began.elapsed());
    assert_eq!((stats.refused, stats.accepted), (0, MESSAGES));
    assert!(stats.max_in_window <= 300, "{}", stats.max_in_window);
    assert!(stats.max_in_window >= 290, "the limit is used, not only kept: {}", stats.max_in_window);
    assert!(began.elapsed() < Duration::from_secs(70), "{:?}", began.elapsed());
}
