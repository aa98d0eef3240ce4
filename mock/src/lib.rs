//! Mock replica and mock cloud.
