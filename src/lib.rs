//! remora
