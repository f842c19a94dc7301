//! A role's life against a real peer: a host on Unix sockets that speaks the whole protocol.

mod host;
mod life;
mod members;
mod role;
