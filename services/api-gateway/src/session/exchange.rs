use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use time::{Duration, OffsetDateTime};
use tokio::sync::watch;
use tonic::metadata::{Ascii, MetadataValue};
use yard_authn::client::ServiceChannel;
use yard_authn::{Caller, TokenError, Verifier};
use yard_contracts::identity::v1::ExchangeSessionRequest;
use yard_contracts::identity::v1::session_service_client::SessionServiceClient;
use yard_fault::{Code, Fault};
use yard_ids::Clock;

use super::Credential;
use super::credential::{is_program_token, is_session_token};

/// How long an exchange is believed. A session that ends is refused everywhere within this.
const FRESH: Duration = Duration::seconds(2);
/// Sessions kept at once; with more, the rest are asked about each time.
const MOST: usize = 20_000;

/// A session, as the services behind will see it.
#[derive(Debug)]
pub(crate) struct Session {
    /// Who it is, verified.
    pub(crate) caller: Caller,
    /// `authorization` of calls in this session.
    pub(crate) bearer: MetadataValue<Ascii>,
}

impl Session {
    fn lives(&self, now: OffsetDateTime) -> bool {
        self.caller.expires_at().is_some_and(|ends| ends > now.unix_timestamp())
    }
}

type Outcome = Result<Arc<Session>, Arc<Fault>>;
/// Requests of one session that come together share one question to auth.
type Exchange = Shared<BoxFuture<'static, Outcome>>;
/// A token's hash, so that a memory dump of the map holds no tokens.
type Key = [u8; 32];

/// Exchanges session tokens at auth, each at most once in two seconds.
pub(crate) struct Sessions {
    auth: SessionServiceClient<ServiceChannel>,
    verifier: Verifier,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

/// Exchanges under way or fresh; stale ones go with the next that comes.
struct Known {
    by_key: HashMap<Key, (OffsetDateTime, Exchange)>,
    swept: OffsetDateTime,
}

impl Known {
    /// Lets go of what is stale, at most once in [`FRESH`]: otherwise the map would keep, after a
    /// busy hour or a flood of made-up tokens, all it ever held.
    fn sweep(&mut self, now: OffsetDateTime) {
        if is_fresh(self.swept, now) {
            return;
        }
        self.by_key.retain(|_, (since, _)| is_fresh(*since, now));
        self.by_key.shrink_to(self.by_key.len() * 2);
        self.swept = now;
    }
}

impl Sessions {
    pub(crate) fn new(channel: ServiceChannel, verifier: Verifier, clock: Arc<dyn Clock>) -> Self {
        let known = Known { by_key: HashMap::new(), swept: clock.now() };
        let auth = SessionServiceClient::new(channel);
        Self { auth, verifier, clock, known: Mutex::new(known) }
    }

    /// The session of a credential. `much` is at stake: then it is asked about anew each time while
    /// the revocation feed is silent.
    pub(crate) async fn resolve(
        &self,
        credential: &Credential,
        much: bool,
    ) -> Result<Arc<Session>, Fault> {
        let token = match credential {
            Credential::None => return Err(Code::AuthRequired.into()),
            Credential::Foreign => return Err(Code::AuthTokenInvalid.into()),
            Credential::Cookie(token) | Credential::Bearer(token) => token,
        };
        let program = matches!(credential, Credential::Bearer(token) if is_program_token(token));
        if !is_session_token(token) && !program {
            return Err(Code::AuthSessionExpired.into());
        }
        if much && self.verifier.revocations().is_stale() {
            self.forget(credential);
        }
        let session = self.exchange(token).await.map_err(|fault| again(&fault))?;
        if !self.refuses(&session) {
            return Ok(session);
        }
        // It was let in before something changed, and the question to auth was under way then.
        self.forget(credential);
        let session = self.exchange(token).await.map_err(|fault| again(&fault))?;
        if self.refuses(&session) { Err(Code::AuthTokenRevoked.into()) } else { Ok(session) }
    }

    /// Resolves with the next change in the revocation feed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.verifier.revocations().changes()
    }

    fn refuses(&self, session: &Session) -> bool {
        session.caller.grant().is_some_and(|grant| self.verifier.revocations().refuses(&grant))
    }

    /// The time on the clock that sessions are held against.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// A session that needs no question to auth.
    pub(crate) fn fresh(&self, credential: &Credential) -> Option<Arc<Session>> {
        let (Credential::Cookie(token) | Credential::Bearer(token)) = credential else {
            return None;
        };
        let known = self.known();
        let (since, exchange) = known.by_key.get(&key(token))?;
        let now = self.clock.now();
        let outcome = exchange.peek().filter(|_| is_fresh(*since, now))?;
        outcome.as_ref().ok().filter(|session| session.lives(now)).cloned()
    }

    /// Forgets a session that has just changed or ended.
    pub(crate) fn forget(&self, credential: &Credential) {
        if let Credential::Cookie(token) | Credential::Bearer(token) = credential {
            self.known().by_key.remove(&key(token));
        }
    }

    fn exchange(&self, token: &str) -> Exchange {
        let (key, now) = (key(token), self.clock.now());
        let mut known = self.known();
        known.sweep(now);
        let usable = known.by_key.get(&key).filter(|(since, exchange)| {
            is_fresh(*since, now)
                && match exchange.peek() {
                    None => true,
                    // A token ends early when what it says will change by itself.
                    Some(Ok(session)) => !self.refuses(session) && session.lives(now),
                    Some(Err(_)) => false,
                }
        });
        if let Some((_, exchange)) = usable {
            metrics::counter!("yard_session_exchanges_total", "outcome" => "shared").increment(1);
            return exchange.clone();
        }
        let exchange = ask(self.auth.clone(), self.verifier.clone(), token.to_owned());
        let exchange = exchange.boxed().shared();
        if known.by_key.len() < MOST {
            known.by_key.insert(key, (now, exchange.clone()));
        }
        exchange
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(token: &str) -> Key {
    let mut key = [0; 32];
    key.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    key
}

/// A fault of its own for each request that shared a question.
fn again(fault: &Fault) -> Fault {
    Fault::new(fault.code()).with_public(fault.public()).with_detail(fault.inside())
}

/// A clock that was set back ends what it knows.
fn is_fresh(since: OffsetDateTime, now: OffsetDateTime) -> bool {
    (Duration::ZERO..FRESH).contains(&(now - since))
}

async fn ask(
    mut auth: SessionServiceClient<ServiceChannel>,
    verifier: Verifier,
    session_token: String,
) -> Outcome {
    let mut request = tonic::Request::new(ExchangeSessionRequest { session_token });
    request.set_timeout(std::time::Duration::from_secs(5));
    let answer = auth.exchange_session(request).await;
    let outcome =
        answer.map_err(|status| Fault::from_status(&status)).map(tonic::Response::into_inner);
    let outcome = match outcome {
        Ok(answer) => session(&verifier, &answer.access_token).await,
        Err(fault) => Err(fault),
    };
    let outcome = outcome.map(Arc::new).map_err(Arc::new);
    let label = if outcome.is_ok() { "exchanged" } else { "refused" };
    metrics::counter!("yard_session_exchanges_total", "outcome" => label).increment(1);
    outcome
}

async fn session(verifier: &Verifier, access_token: &str) -> Result<Session, Fault> {
    // Not the caller's fault, whatever the token's is.
    let broken = |e: String| Fault::internal(format!("auth's access token is not usable: {e}"));
    let claims = verifier.verify_fresh(access_token).await.map_err(|e| match e {
        // The session ended, or its person's rights changed, while auth was answering.
        TokenError::Revoked => e.into(),
        other => broken(other.to_string()),
    })?;
    let bearer =
        format!("Bearer {access_token}").parse().map_err(|_e| broken("header".to_owned()))?;
    Ok(Session { caller: Caller::verified(claims), bearer })
}
