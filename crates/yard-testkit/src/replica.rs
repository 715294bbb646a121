//! A streaming replica of the run's PostgreSQL, for one test.

use yard_stack::{PostgresAdmin, Replica, ServerHome};

use crate::database::TestDb;
use crate::stack::TestStack;

/// A running hot standby of a test's own server.
#[derive(Debug)]
pub struct TestReplica {
    // Dropped first: the server, then its data.
    server: Replica,
    _home: ServerHome,
}

impl TestReplica {
    /// Copies the server of `db` and follows it.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn of(db: &TestDb) -> Self {
        let primary = db.server().clone();
        let started = tokio::task::spawn_blocking(move || {
            let home = ServerHome::for_tests().expect("a temporary folder can be made");
            let server = Replica::start(TestStack::shared().tools(), &home, &primary);
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
