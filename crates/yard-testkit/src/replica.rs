//! A streaming replica of the run's PostgreSQL, for one test.

use yard_stack::{PostgresAdmin, Replica, ServerHome};

use crate::stack::TestStack;

/// A running hot standby of everything that the tests' PostgreSQL holds.
#[derive(Debug)]
pub struct TestReplica {
    // Dropped first: the server, then its data.
    server: Replica,
    _home: ServerHome,
}

impl TestReplica {
    /// Copies the run's PostgreSQL and follows it.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let started = tokio::task::spawn_blocking(|| {
            let stack = TestStack::shared();
            let home = ServerHome::throwaway().expect("a temporary folder can be made");
            let server = Replica::start(stack.tools(), &home, &stack.postgres);
            Self { server: server.expect("the replica starts"), _home: home }
        });
        started.await.expect("the starting thread ends")
    }

    pub(crate) fn admin(&self) -> &PostgresAdmin {
        self.server.admin()
    }

    /// Runs SQL on the replica as the superuser and gives back its rows.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn sql(&self, statement: &str) -> String {
        let (admin, statement) = (self.admin().clone(), statement.to_owned());
        let run = tokio::task::spawn_blocking(move || admin.sql("postgres", &statement));
        run.await.expect("psql ends").expect("the replica takes the statement")
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn kill(&mut self) {
        self.server.process().kill().expect("our own child can be killed");
    }
}
