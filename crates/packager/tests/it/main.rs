//! The packager from outside: real folders, real files, and the tools that others read packages
//! with.
//!
//! The modules say `cfg(test)`, without which the lints take their helpers for production code.

#[cfg(test)]
mod bill;
#[cfg(test)]
mod cached;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod forged;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod package;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod reproducible;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod staged;
#[cfg(test)]
mod support;
