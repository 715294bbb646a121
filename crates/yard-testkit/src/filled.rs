//! Databases that are filled once in a run of tests, and copied from then on.

use std::time::Duration;

use anyhow::Result;

use crate::database::{TestDb, make_copy};
use crate::eventually::eventually;
use crate::stack::TestStack;

/// For whoever comes first to fill it; the others wait.
const FILLING: Duration = Duration::from_secs(60);

impl TestDb {
    /// As [`TestDb::create`], with what `fill` puts into it, given the superuser's connection string.
    /// That is done once for each `name` (a word of SQL) on a server, by whichever process of the run
    /// comes first; every database of that name is a copy.
    ///
    /// # Panics
    /// When PostgreSQL refuses, or whoever came first has failed.
    pub async fn filled(name: &str, fill: impl AsyncFnOnce(String)) -> Self {
        let template = format!("yard_filled_{name}");
        if aside(&template, claim).await.expect("PostgreSQL makes the template") {
            fill(TestStack::get().await.postgres.url(&template)).await;
            aside(&template, close).await.expect("PostgreSQL closes the template");
        } else {
            let whole = || async { matches!(aside(&template, is_closed).await, Ok(true)) };
            eventually(FILLING, whole).await;
        }
        aside(&template, copy).await.expect("PostgreSQL copies the template")
    }
}

/// Off the async threads.
async fn aside<T: Send + 'static>(
    template: &str,
    work: fn(&TestStack, &str) -> Result<T>,
) -> Result<T> {
    let template = template.to_owned();
    let done = tokio::task::spawn_blocking(move || work(TestStack::shared(), &template));
    done.await.expect("the asking thread ends")
}

/// Makes the template; `false` when somebody else has, or is about to.
fn claim(stack: &TestStack, template: &str) -> Result<bool> {
    if exists(stack, template)? {
        return Ok(false);
    }
    match make_copy(&stack.postgres, &stack.template, template) {
        Ok(()) => Ok(true),
        // Of two who made it at once, one was refused.
        Err(_taken) if exists(stack, template)? => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says that it is filled: only what nobody is connected to can be copied.
fn close(stack: &TestStack, template: &str) -> Result<()> {
    let left = format!(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '{template}'"
    );
    let closed = format!("alter database {template} allow_connections false");
    for statement in [left, closed] {
        stack.postgres.sql("postgres", &statement)?;
    }
    Ok(())
}

fn exists(stack: &TestStack, template: &str) -> Result<bool> {
    let found = format!("select count(*) from pg_database where datname = '{template}'");
    Ok(stack.postgres.sql("postgres", &found)? == "1")
}

fn is_closed(stack: &TestStack, template: &str) -> Result<bool> {
    let found = format!("select not datallowconn from pg_database where datname = '{template}'");
    Ok(stack.postgres.sql("postgres", &found)? == "t")
}

fn copy(stack: &TestStack, template: &str) -> Result<TestDb> {
    TestDb::of_template(&stack.postgres, template, &stack.role_password)
}
