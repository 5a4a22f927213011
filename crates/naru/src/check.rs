//! Commands that look at the configuration, the topics or a running service, and end.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use runtime::config::{self, Config};

use crate::{Failure, block_on, load};

/// How long a service may take to say whether it is ready.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// `naru config check`
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) fn config(file: &Path) -> Result<(), Failure> {
    let config = load(file)?;
    let accounts: Vec<String> =
        config.platforms.accounts.iter().map(|account| account.account.to_string()).collect();
    println!("{}: no mistakes; {} accounts: {}", file.display(), accounts.len(), accounts.join(", "));
    for webhook in config.platforms.webhooks.iter().filter(|webhook| webhook.secrets.is_empty()) {
        let (platform, name) = (webhook.platform.name, &webhook.name);
        let networks: Vec<String> = webhook.addresses.iter().map(ToString::to_string).collect();
        println!("{platform}/{name}: webhooks without a signature are taken from {}", networks.join(", "));
    }
    Ok(())
}

/// `naru config example`
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) fn example() -> Result<(), Failure> {
    print!("{}", config::example());
    Ok(())
}

/// `naru topics create`
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) fn topics(config: &Config) -> Result<(), Failure> {
    block_on(async {
        let report = runtime::topics::create(config).await.map_err(Failure::failed)?;
        print!("{report}");
        if report.differs() {
            return Err(Failure::Failed(
                "topics differ from what Naru needs; nothing was changed in them".to_owned(),
            ));
        }
        Ok(())
    })
}

/// `naru health`
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) fn health(config: &Config) -> Result<(), Failure> {
    runtime::tls::install_provider();
    let mut address = config.admin.listen;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    block_on(async {
        let client = reqwest::Client::builder().no_proxy().timeout(HEALTH_TIMEOUT).build();
        let request = client.map_err(Failure::failed)?.get(format!("http://{address}/health/ready"));
        let answer = request.send().await.map_err(Failure::failed)?;
        let ready = answer.status().is_success();
        let text = answer.text().await.map_err(Failure::failed)?;
        if !ready {
            return Err(Failure::Failed(text.trim_end().to_owned()));
        }
        println!("{}", text.trim_end());
        Ok(())
    })
}
