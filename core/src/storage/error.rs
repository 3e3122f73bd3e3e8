//! What can go wrong between the core and its database.

/// A failure of the database, told apart by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not answer, is full or is locked: the same request may succeed later.
    #[error("the database does not answer: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// Two transactions got in each other's way; this one was rolled back and may be tried again at once.
    #[error("the transaction must be tried again: {0}")]
    Conflict(#[source] sqlx::Error),
    /// Another transaction did the same thing first; this one was rolled back, and tried again it finds what the other did.
    #[error("another transaction did the same thing first")]
    Raced,
    /// It refuses what it was told: a fault of ours, kept out by a constraint.
    #[error("the database refuses the statement: {0}")]
    Refused(#[source] sqlx::Error),
    /// It holds something that the rules do not know.
    #[error("the database holds {0}")]
    Unexpected(String),
    /// It is not the database that this program needs.
    #[error("{0}")]
    Setup(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default().into_owned();
                of_code(&code)(error)
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}

/// PostgreSQL's codes are five characters (its manual, appendix A); SQLite's are numbers whose low byte is the kind of
/// failure (its page on result codes).
fn of_code(code: &str) -> fn(sqlx::Error) -> Error {
    if code.len() == 5 {
        return match code {
            "40001" | "40P01" => Error::Conflict,
            "55P03" | "25006" => Error::Unavailable,
            _ if ["08", "53", "57", "58", "XX"].contains(&&code[..2]) => Error::Unavailable,
            _ => Error::Refused,
        };
    }
    // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB.
    match code.parse::<u32>().map(|code| code & 0xff) {
        Ok(5..=11 | 13..=15 | 26) => Error::Unavailable,
        _ => Error::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_engines_say_what_the_caller_can_do() {
        let kind = |code: &str| of_code(code)(sqlx::Error::RowNotFound).to_string();
        for code in ["40001", "40P01"] {
            assert!(kind(code).contains("tried again"), "{code}");
        }
        for code in ["08006", "53100", "57P01", "55P03", "5", "13", "10", "266", "517", "8"] {
            assert!(kind(code).contains("does not answer"), "{code}");
        }
        for code in ["23505", "23514", "42P01", "1", "19", "2067", ""] {
            assert!(kind(code).contains("refuses"), "{code}");
        }
    }
}
