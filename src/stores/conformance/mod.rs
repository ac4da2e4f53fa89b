//! What every implementation of a port must do, as tests over a factory of stores. A factory gives a fresh, empty
//! store and whatever must outlive it.

pub(crate) mod journal;
pub(crate) mod workspace;
