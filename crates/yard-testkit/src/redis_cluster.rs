//! A Redis cluster of three masters for one test.

use std::time::Duration;

use anyhow::{Context, Result};
use yard_stack::ports::PortLease;
use yard_stack::process::{Process, ProcessSpec, Ready};
use yard_stack::{ServerHome, random};

use crate::redis::ask;
use crate::stack::TestStack;

const NODES: usize = 3;
const SLOTS: usize = 16_384;
const PATIENCE: Duration = Duration::from_secs(30);

/// Three nodes, each with a third of the slots.
#[derive(Debug)]
pub struct TestRedisCluster {
    // Dropped first: the servers, then their data.
    nodes: Vec<Node>,
    password: String,
    _home: ServerHome,
}

#[derive(Debug)]
struct Node {
    _process: Process,
    client: PortLease,
    bus: PortLease,
}

impl TestRedisCluster {
    /// Starts it and waits until every node serves.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let made = tokio::task::spawn_blocking(Self::form);
        made.await.expect("the starting thread ends").expect("the cluster forms")
    }

    /// The connection string, with every node.
    #[must_use]
    pub fn url(&self) -> String {
        let at = |node: &Node| node.client.addr().to_string();
        let others: Vec<_> = self.nodes.iter().skip(1).map(|n| format!("node={}", at(n))).collect();
        let first = self.nodes.first().map(at).unwrap_or_default();
        format!("redis-cluster://default:{}@{first}?{}", self.password, others.join("&"))
    }

    fn form() -> Result<Self> {
        let home = ServerHome::for_tests()?;
        let password = random::hex(16)?;
        let nodes: Vec<_> =
            (0..NODES).map(|n| Node::start(&home, n, &password)).collect::<Result<_>>()?;
        let this = Self { nodes, password, _home: home };
        let first = this.nodes.first().context("a first node")?;
        let (port, bus) = (first.client.port(), first.bus.port());
        for (n, node) in this.nodes.iter().enumerate() {
            let (from, to) = (n * SLOTS / NODES, (n + 1) * SLOTS / NODES - 1);
            this.say(node, &format!("CLUSTER ADDSLOTSRANGE {from} {to}"))?;
            this.say(node, &format!("CLUSTER MEET 127.0.0.1 {port} {bus}"))?;
        }
        this.await_agreement()?;
        Ok(this)
    }

    fn await_agreement(&self) -> Result<()> {
        let since = std::time::Instant::now();
        loop {
            let agree = self.nodes.iter().all(|node| {
                self.say(node, "CLUSTER INFO").is_ok_and(|info| {
                    info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
                })
            });
            if agree {
                return Ok(());
            }
            anyhow::ensure!(since.elapsed() < PATIENCE, "the nodes do not agree");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn say(&self, node: &Node, command: &str) -> Result<String> {
        let address = node.client.addr().to_string();
        ask(&address, &format!("AUTH {}\r\n{command}\r\n", self.password))
    }
}

impl Node {
    fn start(home: &ServerHome, n: usize, password: &str) -> Result<Self> {
        let dir = home.folder(&format!("redis-{n}"))?;
        let (client, bus) = (PortLease::any()?, PortLease::any()?);
        let config = format!(
            "bind 127.0.0.1\nport {}\ncluster-port {}\ndir {}\nrequirepass {password}\nsave \"\"\n\
             cluster-enabled yes\ncluster-node-timeout 5000\n",
            client.port(),
            bus.port(),
            dir.display()
        );
        let file = dir.join("redis.conf");
        home.write(&file, config.as_bytes())?;
        let program = &TestStack::shared().tools().redis_server;
        let ready = Ready::Tcp(client.addr());
        let mut spec =
            ProcessSpec::new("redis", program, &dir, ready).args([file.into_os_string()]);
        spec.run_as = home.run_as().cloned();
        Ok(Self { _process: Process::start(spec)?, client, bus })
    }
}
