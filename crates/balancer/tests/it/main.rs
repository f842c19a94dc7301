//! The balancer as a whole: a fabric that speaks to it, instances behind it, clients before it, all
//! over real sockets.

#[cfg(test)]
mod harness;

#[cfg(test)]
mod control;
#[cfg(test)]
mod moving;
#[cfg(test)]
mod pumping;
#[cfg(test)]
mod rotation;
