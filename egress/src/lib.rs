//! Outboxes to the platforms: lanes, limits, tokens, retries
