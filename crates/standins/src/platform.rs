//! The platforms that are stood in for: their names and titles, and what is asked of each of them alike.

use std::sync::{Mutex, MutexGuard};

use crate::custom::Custom;
use crate::fault::Board;
use crate::genesys::Genesys;
use crate::http::{Answer, Call};
use crate::line::Line;
use crate::server::Standins;

/// One of the platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Genesys,
    Line,
    Custom,
}

impl Platform {
    /// All of them, the contact centre first.
    pub(crate) const ALL: [Self; 3] = [Self::Genesys, Self::Line, Self::Custom];

    /// The name that is in paths and in peers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Genesys => "genesys",
            Self::Line => "line",
            Self::Custom => "custom",
        }
    }

    /// The name for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Genesys => "Genesys",
            Self::Line => "LINE",
            Self::Custom => "Custom",
        }
    }

    /// The platform of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.name() == name)
    }

    /// The platform that a call to `path` is for.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| match platform {
            Self::Genesys => Genesys::owns(path),
            Self::Line => Line::owns(path),
            Self::Custom => Custom::owns(path),
        })
    }
}

impl Standins {
    /// The platforms that have been set up.
    pub(crate) fn platforms(&self) -> impl Iterator<Item = Platform> {
        Platform::ALL.into_iter().filter(|platform| match platform {
            Platform::Genesys => self.genesys().is_set_up(),
            Platform::Line => self.line().is_set_up(),
            Platform::Custom => self.custom().is_set_up(),
        })
    }

    /// The faults of a platform.
    pub(crate) fn faults(&self, platform: Platform) -> MutexGuard<'_, Board> {
        let board: &Mutex<Board> = match platform {
            Platform::Genesys => &self.genesys().faults,
            Platform::Line => &self.line().faults,
            Platform::Custom => &self.custom().faults,
        };
        board.lock().expect("no code panics while it holds the faults")
    }

    /// What a platform answers.
    pub(crate) fn answer(&self, platform: Platform, call: &Call) -> Answer {
        match platform {
            Platform::Genesys => self.genesys().answer(call),
            Platform::Line => self.line().answer(call),
            Platform::Custom => self.custom().answer(call),
        }
    }

    /// The error of a fault, as a platform writes it.
    pub(crate) fn fail(
        &self,
        platform: Platform,
        status: u16,
        retry_after: Option<u64>,
        message: Option<String>,
    ) -> Answer {
        match platform {
            Platform::Genesys => self.genesys().fail(status, retry_after, message),
            Platform::Line => self.line().fail(status, retry_after, message),
            Platform::Custom => self.custom().fail(status, retry_after, message),
        }
    }
}
