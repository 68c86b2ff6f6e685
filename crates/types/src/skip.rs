//! Serde helpers for Go's `omitempty` and its `null` for empty lists.

use serde::{Deserialize, Deserializer};

/// Go's `omitempty` for numbers, booleans and enums.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `null` reads as empty.
pub(crate) fn null_as_default<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}
