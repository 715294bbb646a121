//! Services that answer by script, over real gRPC.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use yard_contracts::device::v1::device_service_server::DeviceService;
use yard_contracts::device::v1::{
    CreateDeviceRequest, Device, GetDeviceRequest, ImportDevicesRequest, ImportDevicesResponse,
    ListDevicesRequest, ListDevicesResponse, ListQuarantineRequest, ListQuarantineResponse,
    UpdateDeviceRequest,
};
use yard_contracts::guard::v1::guard_service_server::GuardService;
use yard_contracts::guard::v1::maintenance_service_server::MaintenanceService;
use yard_contracts::guard::v1::{
    Ban, GetGuardRequest, GetMaintenanceRequest, Guard, Maintenance, ReportAbuseRequest,
    SetMaintenanceRequest,
};
use yard_contracts::identity::v1::session_service_server::SessionService;
use yard_contracts::identity::v1::{
    ChangePasswordRequest, ChangePasswordResponse, CompleteLoginRequest, ExchangeSessionRequest,
    ExchangeSessionResponse, GetMeRequest, ListSessionsRequest, ListSessionsResponse, LoginRequest,
    LoginResponse, LogoutRequest, LogoutResponse, Me, ReauthenticateRequest,
    ReauthenticateResponse, RevokeMemberSessionsRequest, RevokeOtherSessionsRequest,
    RevokeSessionRequest, RevokeSessionResponse, SessionsEnded,
};
use yard_contracts::realtime::v1::realtime_service_server::RealtimeService;
use yard_contracts::realtime::v1::{
    AuthorizeChannelRequest, AuthorizeChannelResponse, ChannelEvent, CreateSocketTicketRequest,
    GetRealtimeSettingsRequest, RealtimeSettings, SocketTicket, TailChannelRequest,
};
use yard_fault::{Code, Fault};

use crate::support::Keys;

/// One call as a service saw it.
pub(crate) struct Seen {
    pub(crate) method: &'static str,
    pub(crate) metadata: MetadataMap,
    bytes: Vec<u8>,
}

impl Seen {
    pub(crate) fn message<T: Message + Default>(&self) -> T {
        T::decode(self.bytes.as_slice()).unwrap()
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(|value| value.to_str().unwrap())
    }
}

type Answer = Result<(Vec<u8>, MetadataMap), Status>;
type Events = mpsc::Receiver<Result<ChannelEvent, Status>>;

/// All scripted services in one.
#[derive(Clone)]
pub(crate) struct Double {
    answers: Arc<Mutex<HashMap<&'static str, Answer>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    events: Arc<Mutex<Option<Events>>>,
    keys: Arc<Keys>,
    guard: Arc<Mutex<Guard>>,
    guard_fails: Arc<AtomicBool>,
}

impl Double {
    pub(crate) fn new(keys: Arc<Keys>) -> Self {
        let (answers, seen, events) = (Arc::default(), Arc::default(), Arc::default());
        let guard = Arc::new(Mutex::new(Guard { revision: 1, ..Guard::default() }));
        Self { answers, seen, events, keys, guard, guard_fails: Arc::default() }
    }

    /// From now on nothing is told of bans, or again.
    pub(crate) fn guards_fail(&self, fails: bool) {
        self.guard_fails.store(fails, Ordering::Relaxed);
    }

    /// From now on these bans and this switch are in force.
    pub(crate) fn guards(&self, bans: Vec<Ban>, maintenance: Option<Maintenance>) {
        let mut guard = self.guard.lock().unwrap();
        let revision = guard.revision + 1;
        *guard = Guard { revision, unchanged: false, maintenance, bans };
    }

    /// From now on no session stands, for that reason.
    pub(crate) fn end_sessions(&self, why: Code) {
        self.keys.end(why);
    }

    /// From now on `method` answers with `message`.
    pub(crate) fn answers(&self, method: &'static str, message: &impl Message) {
        self.answers_with(method, message, &[]);
    }

    pub(crate) fn answers_with(
        &self,
        method: &'static str,
        message: &impl Message,
        metadata: &[(&'static str, &str)],
    ) {
        let mut map = MetadataMap::new();
        for (key, value) in metadata {
            map.insert(*key, value.parse().unwrap());
        }
        self.answers.lock().unwrap().insert(method, Ok((message.encode_to_vec(), map)));
    }

    pub(crate) fn refuses(&self, method: &'static str, status: Status) {
        self.answers.lock().unwrap().insert(method, Err(status));
    }

    /// What the next tail sends.
    pub(crate) fn tail(&self) -> mpsc::Sender<Result<ChannelEvent, Status>> {
        let (sender, receiver) = mpsc::channel(8);
        *self.events.lock().unwrap() = Some(receiver);
        sender
    }

    pub(crate) fn count(&self, method: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|seen| seen.method == method).count()
    }

    /// The last call of `method`.
    pub(crate) fn last(&self, method: &str) -> Seen {
        let mut seen = self.seen.lock().unwrap();
        let at = seen.iter().rposition(|seen| seen.method == method).expect("no such call");
        seen.remove(at)
    }

    fn note<T: Message>(&self, method: &'static str, request: Request<T>) {
        let bytes = request.get_ref().encode_to_vec();
        let metadata = request.metadata().clone();
        self.seen.lock().unwrap().push(Seen { method, metadata, bytes });
    }

    fn answer<I: Message, O: Message + Default>(
        &self,
        method: &'static str,
        request: Request<I>,
    ) -> Result<Response<O>, Status> {
        self.note(method, request);
        let answer = self.answers.lock().unwrap().get(method).cloned();
        let (bytes, metadata) = answer.unwrap_or_else(|| Err(Status::unimplemented(method)))?;
        let mut response = Response::new(O::decode(bytes.as_slice()).unwrap());
        *response.metadata_mut() = metadata;
        Ok(response)
    }
}

macro_rules! scripted {
    ($service:ident { $($name:ident: $input:ty => $output:ty;)+ } $($more:tt)*) => {
        #[tonic::async_trait]
        impl $service for Double {
            $(async fn $name(&self, request: Request<$input>) -> Result<Response<$output>, Status> {
                self.answer(stringify!($name), request)
            })+
            $($more)*
        }
    };
}

scripted! { DeviceService {
    create_device: CreateDeviceRequest => Device;
    get_device: GetDeviceRequest => Device;
    list_devices: ListDevicesRequest => ListDevicesResponse;
    update_device: UpdateDeviceRequest => Device;
    import_devices: ImportDevicesRequest => ImportDevicesResponse;
    list_quarantine: ListQuarantineRequest => ListQuarantineResponse;
} }

scripted! { SessionService {
    login: LoginRequest => LoginResponse;
    complete_login: CompleteLoginRequest => LoginResponse;
    logout: LogoutRequest => LogoutResponse;
    get_me: GetMeRequest => Me;
    list_sessions: ListSessionsRequest => ListSessionsResponse;
    revoke_session: RevokeSessionRequest => RevokeSessionResponse;
    revoke_other_sessions: RevokeOtherSessionsRequest => SessionsEnded;
    revoke_member_sessions: RevokeMemberSessionsRequest => SessionsEnded;
    reauthenticate: ReauthenticateRequest => ReauthenticateResponse;
    change_password: ChangePasswordRequest => ChangePasswordResponse;
}
    async fn exchange_session(
        &self,
        request: Request<ExchangeSessionRequest>,
    ) -> Result<Response<ExchangeSessionResponse>, Status> {
        let token = request.get_ref().session_token.clone();
        self.note("exchange_session", request);
        // Long enough for calls that come together to meet.
        tokio::task::yield_now().await;
        let access_token = self.keys.access_token(&token);
        let access_token =
            access_token.map_err(|why| Fault::new(why).to_status("incident-of-auth"))?;
        Ok(Response::new(ExchangeSessionResponse { access_token, expires_at: None }))
    }
}

scripted! { MaintenanceService {
    get_maintenance: GetMaintenanceRequest => Maintenance;
    set_maintenance: SetMaintenanceRequest => Maintenance;
} }

#[tonic::async_trait]
impl GuardService for Double {
    async fn get_guard(
        &self,
        request: Request<GetGuardRequest>,
    ) -> Result<Response<Guard>, Status> {
        if self.guard_fails.load(Ordering::Relaxed) {
            return Err(Status::unavailable("down"));
        }
        let guard = self.guard.lock().unwrap().clone();
        let unchanged = guard.revision == request.get_ref().known_revision;
        Ok(Response::new(if unchanged { Guard { unchanged, ..Guard::default() } } else { guard }))
    }

    async fn report_abuse(
        &self,
        request: Request<ReportAbuseRequest>,
    ) -> Result<Response<Ban>, Status> {
        self.note("report_abuse", request);
        Ok(Response::new(Ban::default()))
    }
}

scripted! { RealtimeService {
    get_realtime_settings: GetRealtimeSettingsRequest => RealtimeSettings;
    authorize_channel: AuthorizeChannelRequest => AuthorizeChannelResponse;
    create_socket_ticket: CreateSocketTicketRequest => SocketTicket;
}
    type TailChannelStream =
        Pin<Box<dyn Stream<Item = Result<ChannelEvent, Status>> + Send + 'static>>;

    async fn tail_channel(
        &self,
        request: Request<TailChannelRequest>,
    ) -> Result<Response<Self::TailChannelStream>, Status> {
        self.note("tail_channel", request);
        let events = self.events.lock().unwrap().take();
        let events = events.ok_or_else(|| Fault::new(Code::ChannelForbidden).to_status("no-tail"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(events))))
    }
}
