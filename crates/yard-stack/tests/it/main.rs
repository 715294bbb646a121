//! Starts the real servers, kills them and starts them again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use yard_stack::{Durability, ServerHome, Stack, Tools};

fn tools() -> Tools {
    let cache = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/switchyard-tools");
    Tools::find_or_install(&cache, &mut |_line| {}).expect("tools")
}

fn redis(url: &str, port: u16, commands: &str) -> String {
    let password = url.split(['@', ':']).nth(2).expect("a password in the url");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("redis listens");
    write!(stream, "AUTH {password}\r\n{commands}\r\nQUIT\r\n").expect("redis reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("redis answers");
    answer
}

#[test]
fn killed_servers_come_back_on_the_same_port_with_their_data() {
    let tools = tools();
    let home = ServerHome::for_tests().unwrap();
    let mut stack = Stack::start(&tools, &home, Durability::Throwaway).unwrap();

    stack.postgres.admin().sql("postgres", "create table kept as select 42 as answer").unwrap();
    stack.postgres.process().kill().unwrap();
    stack.postgres.process().start_again().unwrap();
    assert_eq!(stack.postgres.admin().sql("postgres", "select answer from kept").unwrap(), "42");

    let (url, port) = (stack.redis.url(0), stack.redis.port());
    assert!(redis(&url, port, "SET kept 42").contains("+OK"));
    stack.redis.process().stop().unwrap();
    stack.redis.process().start_again().unwrap();
    assert!(redis(&url, port, "GET kept").contains("42"));

    let monitor = stack.nats.monitor();
    let first = stack.nats.process().pid();
    stack.nats.process().kill().unwrap();
    stack.nats.process().start_again().unwrap();
    assert_ne!(stack.nats.process().pid(), first);
    assert_eq!(yard_stack::http::get(monitor, "/healthz").unwrap().status, 200);
    assert!(stack.postgres.process().rss_kib() > 1_000);
}

#[test]
fn dropping_the_stack_ends_every_server_and_removes_its_data() {
    let tools = tools();
    let home = ServerHome::for_tests().unwrap();
    let mut stack = Stack::start(&tools, &home, Durability::Throwaway).unwrap();
    let pids = [
        stack.postgres.process().pid().unwrap(),
        stack.redis.process().pid().unwrap(),
        stack.nats.process().pid().unwrap(),
    ];
    let dir = home.dir().to_owned();
    drop(stack);
    drop(home);
    for pid in pids {
        assert!(!PathBuf::from(format!("/proc/{pid}")).exists(), "{pid} is still there");
    }
    assert!(!dir.exists());
}

#[test]
fn a_server_that_cannot_start_says_so_with_its_log() {
    let mut tools = tools();
    tools.redis_server = "/bin/false".into();
    let home = ServerHome::for_tests().unwrap();
    let error = yard_stack::Redis::start(&tools, &home).unwrap_err();
    assert!(error.to_string().starts_with("redis ended before it was ready"), "{error}");
}
