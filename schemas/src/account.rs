//! Which account of which platform: names alone are not enough, since a LINE and a KakaoTalk account may share one.

use std::fmt;
use std::sync::Arc;

/// An account of a channel platform, as the configuration names it: `[<platform>.<name>]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountRef {
    /// The platform's name, as in topics and paths.
    pub platform: Arc<str>,
    /// The account's name in the configuration.
    pub name: Arc<str>,
}

impl AccountRef {
    /// The account `name` of `platform`.
    #[must_use]
    pub fn new(platform: &str, name: &str) -> Self {
        Self { platform: platform.into(), name: name.into() }
    }
}

impl fmt::Display for AccountRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.platform, self.name)
    }
}
