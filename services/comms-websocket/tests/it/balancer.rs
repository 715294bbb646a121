//! Passes connections on to the first instance that takes them, as a balancer before several would.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::Service;

pub(crate) struct Balancer {
    port: u16,
    cut: watch::Sender<()>,
}

impl Balancer {
    pub(crate) async fn start(service: &Service, instances: [u16; 2]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tasks = service.rt.tasks().clone();
        let (cut, _) = watch::channel(());
        let cuts = cut.clone();
        service.rt.tasks().spawn_request(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut cut = cuts.subscribe();
                tasks.spawn_request(async move {
                    let Some(mut instance) = first(instances).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut instance) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { port, cut }
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(());
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
}

async fn first(instances: [u16; 2]) -> Option<TcpStream> {
    for port in instances {
        if let Ok(instance) = TcpStream::connect(("127.0.0.1", port)).await {
            return Some(instance);
        }
    }
    None
}
