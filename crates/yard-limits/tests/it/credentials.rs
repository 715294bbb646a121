//! A password that changes while the service runs.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike as _;
use fred::types::CustomCommand;
use yard_ids::{IdSource as _, RandomIds};
use yard_limits::{Redis, RedisConfig};
use yard_runtime::Runtime;
use yard_testkit::{TestRedis, eventually};

const PATIENCE: Duration = Duration::from_millis(500);

async fn say(client: &Client, command: &'static str, words: &[&str]) {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let command = CustomCommand::new_static(command, None::<u16>, false);
    client.custom::<fred::types::Value, String>(command, words).await.unwrap();
}

#[tokio::test]
async fn req_hot_20_next_connection_has_the_password_that_the_file_has_then() {
    let (server, runtime) = (TestRedis::create().await, Runtime::builder("t", "0").build());
    let given = RedisConfig::for_test(server.url());
    let admin = Redis::start(&given, PATIENCE, &runtime).await.unwrap();
    let admin = admin.connected().unwrap();
    let user = format!("u{}", RandomIds.uuid7().simple());
    say(admin, "ACL", &["SETUSER", &user, "on", ">first", "~*", "+@all"]).await;

    let address = server.url().rsplit_once('@').unwrap().1;
    let file = std::env::temp_dir().join(format!("yard-redis-{user}"));
    let write = |password: &str| {
        std::fs::write(&file, format!("redis://{user}:{password}@{address}\n")).unwrap();
    };
    write("first");
    let followed = RedisConfig { url_file: file.clone(), ..RedisConfig::for_test("") };
    let redis = Redis::start(&followed, PATIENCE, &runtime).await.unwrap();
    assert!(redis.connected().is_some());

    say(admin, "ACL", &["SETUSER", &user, ">second", "<first"]).await;
    write("second");
    say(admin, "CLIENT", &["KILL", "USER", &user]).await;
    eventually(Duration::from_secs(30), || async {
        match redis.connected() {
            Some(client) => client.ping::<String>(None).await.map_err(|e| e.to_string()),
            None => Err("not connected".to_owned()),
        }
    })
    .await;
    say(admin, "ACL", &["DELUSER", &user]).await;
    std::fs::remove_file(&file).unwrap();
    assert!(runtime.stop(Duration::ZERO, Duration::from_secs(5)).await);
}
