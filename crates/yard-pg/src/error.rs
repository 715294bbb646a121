use yard_fault::{Code, Fault};

/// What a query can end in, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum PgError {
    /// A unique key is taken; names the constraint.
    #[error("unique key {constraint} is taken")]
    Taken {
        /// Name of the index or constraint.
        constraint: String,
        /// The driver's error.
        #[source]
        source: sqlx::Error,
    },
    /// The row is not there.
    #[error("no such row")]
    Missing,
    /// The server does not answer, is starting or stopping, or has no connection left.
    #[error("database does not answer")]
    Unavailable(#[source] sqlx::Error),
    /// Values the database refuses (SQLSTATE class 22 or 23): the same rows will never work.
    #[error("database refuses the values")]
    Refused(#[source] sqlx::Error),
    /// Anything else is our fault.
    #[error("query failed")]
    Other(#[source] sqlx::Error),
}

impl From<sqlx::Error> for PgError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::RowNotFound => Self::Missing,
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Database(from_server) => {
                let state = from_server.code().unwrap_or_default().into_owned();
                let constraint = from_server.constraint().unwrap_or_default().to_owned();
                Self::of_sqlstate(&state, constraint, error)
            }
            _ => Self::Other(error),
        }
    }
}

impl PgError {
    fn of_sqlstate(state: &str, constraint: String, error: sqlx::Error) -> Self {
        // Appendix A of the PostgreSQL manual lists the classes.
        match state.get(..2) {
            Some("23") if state == "23505" => Self::Taken { constraint, source: error },
            Some("22" | "23") => Self::Refused(error),
            Some("08" | "53" | "57" | "40" | "55") => Self::Unavailable(error),
            _ => Self::Other(error),
        }
    }

    /// Whether the same statement may work later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether it failed on the unique key of that name.
    #[must_use]
    pub fn is_taken(&self, key: &str) -> bool {
        matches!(self, Self::Taken { constraint, .. } if constraint == key)
    }
}

impl From<PgError> for Fault {
    fn from(error: PgError) -> Self {
        let code = match &error {
            PgError::Missing => Code::ResourceNotFound,
            PgError::Unavailable(_) => Code::ServiceUnavailable,
            PgError::Taken { .. } => Code::ResourceExists,
            PgError::Refused(_) | PgError::Other(_) => Code::Internal,
        };
        Self::new(code).with_source(error)
    }
}

/// Turns a driver's error into a fault; for `.map_err(yard_pg::fault)`.
#[must_use]
pub fn fault(error: sqlx::Error) -> Fault {
    PgError::from(error).into()
}
