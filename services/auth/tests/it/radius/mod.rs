//! AAA with a real FreeRADIUS, which `radclient` asks as NAS of two tenants do.

mod decisions;
mod edge;
mod manage;
mod sealing;
mod strangers;

use tonic::transport::Channel;
use yard_contracts::aaa::v1 as wire;
use yard_contracts::aaa::v1::nas_service_client::NasServiceClient;
use yard_contracts::aaa::v1::subscriber_service_client::SubscriberServiceClient;
use yard_ids::TenantId;
use yard_testkit::{RadiusAnswer, TestFolder, TestRadius};

use crate::support::{Auth, bearer};

/// What the RADIUS server of tests proves itself with.
const TOKEN: &str = "token-of-the-radius-server-of-a-test";
/// RFC 5612: for documentation.
const VENDOR: u32 = 32_473;

/// An auth that listens for a RADIUS server.
async fn start() -> (Auth, TestFolder) {
    let folder = TestFolder::new("radius");
    let file = folder.join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let auth = Auth::start_with(|config| config.radius.token_file = file).await;
    (auth, folder)
}

async fn server(auth: &Auth) -> TestRadius {
    TestRadius::start(auth.address("radius"), TOKEN, Some(VENDOR)).await
}

/// One tenant with a NAS and who manages both.
struct Tenant {
    id: TenantId,
    channel: Channel,
    token: String,
    /// Where its NAS asks from.
    address: &'static str,
    nas_id: String,
    secret: String,
}

impl Tenant {
    /// acme and byte with a NAS each, of the same name.
    async fn both(auth: &Auth) -> (Self, Self) {
        let acme = Self::with_nas(auth, "owner@example.org", "acme", "127.0.0.2").await;
        (acme, Self::with_nas(auth, "bob@example.org", "byte", "127.0.0.3").await)
    }

    async fn with_nas(auth: &Auth, owner: &str, slug: &str, address: &'static str) -> Self {
        let token = auth.access(owner, slug).await;
        let id = auth.tenant(slug).await;
        let (channel, nas_id, secret) = (auth.channel(), String::new(), String::new());
        let mut tenant = Self { id, channel, token, address, nas_id, secret };
        let made = tenant.create_nas("hotspot", address).await.unwrap();
        tenant.nas_id = made.nas.unwrap().nas_id;
        tenant.secret = made.secret;
        tenant
    }

    fn nas(&self) -> NasServiceClient<Channel> {
        NasServiceClient::new(self.channel.clone())
    }

    fn subscribers(&self) -> SubscriberServiceClient<Channel> {
        SubscriberServiceClient::new(self.channel.clone())
    }

    async fn create_nas(
        &self,
        name: &str,
        address: &str,
    ) -> Result<wire::CreateNasResponse, tonic::Status> {
        let (name, address) = (name.to_owned(), address.to_owned());
        let nas = Some(wire::Nas { name, address, ..wire::Nas::default() });
        let request = bearer(wire::CreateNasRequest { nas }, &self.token);
        Ok(self.nas().create_nas(request).await?.into_inner())
    }

    async fn update_nas(&self, nas: wire::Nas, path: &str) -> Result<wire::Nas, tonic::Status> {
        let update_mask = Some(prost_types::FieldMask { paths: vec![path.to_owned()] });
        let request = wire::UpdateNasRequest { nas: Some(nas), update_mask };
        Ok(self.nas().update_nas(bearer(request, &self.token)).await?.into_inner())
    }

    async fn subscribe(
        &self,
        subscriber: wire::Subscriber,
    ) -> Result<wire::CreateSubscriberResponse, tonic::Status> {
        let request = wire::CreateSubscriberRequest { subscriber: Some(subscriber) };
        let request = bearer(request, &self.token);
        Ok(self.subscribers().create_subscriber(request).await?.into_inner())
    }

    /// A subscriber; the id.
    async fn person(&self, user_name: &str, password: &str) -> String {
        let (user_name, password) = (user_name.to_owned(), password.to_owned());
        let wish = wire::Subscriber { user_name, password, ..wire::Subscriber::default() };
        self.subscribe(wish).await.unwrap().subscriber.unwrap().subscriber_id
    }

    async fn change(
        &self,
        subscriber: wire::Subscriber,
        paths: &[&str],
    ) -> Result<wire::Subscriber, tonic::Status> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let update_mask = Some(prost_types::FieldMask { paths });
        let request = wire::UpdateSubscriberRequest { subscriber: Some(subscriber), update_mask };
        let request = bearer(request, &self.token);
        Ok(self.subscribers().update_subscriber(request).await?.into_inner())
    }

    /// Its NAS asks whether somebody may in who sends their password by `way`: `User-Password`,
    /// `CHAP-Password` or `MS-CHAP-Password`.
    async fn ask(
        &self,
        radius: &TestRadius,
        way: &str,
        name: &str,
        password: &str,
    ) -> RadiusAnswer {
        let (name, password) = (quoted(name), quoted(password));
        let attributes =
            [("User-Name", name.as_str()), (way, &password), ("Message-Authenticator", "0x00")];
        radius.ask(self.address, &self.secret, &attributes).await
    }

    async fn pap(&self, radius: &TestRadius, name: &str, password: &str) -> RadiusAnswer {
        self.ask(radius, "User-Password", name, password).await
    }
}

/// As radclient takes a text without reading anything into it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[expect(clippy::panic, reason = "an answer that is none fails the test")]
fn accepted(answer: RadiusAnswer) -> Vec<String> {
    match answer {
        RadiusAnswer::Accept(attributes) => attributes,
        other => panic!("{other:?} is no accept"),
    }
}

/// A refusal, which says nothing but that it is genuine.
fn is_bare_reject(answer: &RadiusAnswer) -> bool {
    matches!(answer, RadiusAnswer::Reject(said)
        if said.iter().all(|line| line.starts_with("Message-Authenticator = ")) && said.len() == 1)
}
