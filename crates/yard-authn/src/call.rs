use tonic::{Request, Response, Status};
use yard_fault::{Code, Fault};

use crate::Caller;
use crate::audit::{AuditNotes, Notes};

/// Metadata that carries the client's `Idempotency-Key`.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 128;

/// What the server layer knows of a call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// One per call: in the log, and in an error's `instance`.
    pub incident: String,
    idempotency_key: Option<String>,
    notes: Notes,
}

impl Call {
    pub(crate) const fn new(
        caller: Caller,
        incident: String,
        idempotency_key: Option<String>,
        notes: Notes,
    ) -> Self {
        Self { caller, incident, idempotency_key, notes }
    }

    /// The call of a request that came through [`crate::server::AuthnLayer`].
    ///
    /// # Panics
    /// When the service was built without the layer, which every test of it would show.
    #[must_use]
    pub fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get::<Self>().cloned().expect("AuthnLayer is on every server of ours")
    }

    /// Tells the audit trail what only the handler knows. Without effect on calls that are not
    /// audited.
    pub fn note(&self, change: impl FnOnce(&mut AuditNotes)) {
        self.notes.change(change);
    }

    /// The client's key, if it sent one.
    ///
    /// # Errors
    /// `idempotency.key_invalid` unless it is 1 to 128 visible ASCII characters.
    pub fn idempotency_key(&self) -> Result<Option<&str>, Fault> {
        let Some(key) = self.idempotency_key.as_deref() else {
            return Ok(None);
        };
        let visible = key.bytes().all(|b| b.is_ascii_graphic());
        if key.is_empty() || key.len() > LONGEST_KEY || !visible {
            return Err(Code::IdempotencyKeyInvalid.into());
        }
        Ok(Some(key))
    }
}

/// Ends a handler: a fault is logged once, here, and leaves as a status with its code.
pub trait RpcResult<T> {
    /// `doing` completes "could not …", for example `"send a command"`.
    ///
    /// # Errors
    /// The fault as a gRPC status.
    fn rpc(self, call: &Call, doing: &'static str) -> Result<Response<T>, Status>;
}

impl<T> RpcResult<T> for Result<T, Fault> {
    fn rpc(self, call: &Call, doing: &'static str) -> Result<Response<T>, Status> {
        self.map(Response::new).map_err(|fault| {
            fault.log(&call.incident, doing);
            fault.to_status(&call.incident)
        })
    }
}
