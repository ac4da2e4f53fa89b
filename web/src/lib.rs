//! web

pub mod assets;
pub mod frame;
pub mod html;
