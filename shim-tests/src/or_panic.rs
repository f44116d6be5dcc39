//! What cannot be prepared fails the test, at the test's own line.

use std::fmt::Display;

/// `expect` with the error's own message: errors of `fs-err` name their path.
pub(crate) trait OrPanic<T> {
    fn or_panic(self) -> T;
}

impl<T, E: Display> OrPanic<T> for Result<T, E> {
    #[track_caller]
    fn or_panic(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("{error:#}"),
        }
    }
}
