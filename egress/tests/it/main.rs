//! Egress against the stand-ins of both platforms, over real sockets on loopback.

mod doubt;
mod genesys;
mod kafka;
mod limit;
mod line;
mod rig;
